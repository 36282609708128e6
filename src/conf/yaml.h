/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * yaml - a YAML document as a tree whose every node knows its place
 *
 * The small part of YAML that a configuration needs: one document of mappings,
 * lists and scalars. Anchors, aliases and tags beyond the core schema are
 * refused, duplicate keys are found.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "base/report.h"

#define YAML_DEPTH_MAX 16
#define YAML_NODES_MAX 100000

enum yaml_type {
	YAML_NULL,	/* nothing, ~ or null */
	YAML_SCALAR,
	YAML_MAP,
	YAML_LIST,
};

struct yaml_pair;

struct yaml_node {
	enum yaml_type type;
	struct where where;		/* a scalar's text without quotes; the start of a collection; for nothing, its key */
	bool quoted;			/* scalar with any kind of quotes, or tagged !!str */
	bool verbatim;			/* scalar: text is as in the file, so that offsets in it are columns */
	const char *text;		/* scalar: UTF-8 without control characters; else "" */
	struct yaml_pair *pairs;	/* mapping */
	struct yaml_node **items;	/* list */
	size_t n;			/* pairs or items */
};

struct yaml_pair {
	struct yaml_node *key;		/* always a scalar */
	struct yaml_node *value;
};

/**
 * yaml_read() - Parse a text
 * @file:	name for places; must live as long as the tree
 * @text:	the text; only borrowed for the call
 * @len:	its length in bytes
 * @arena:	where the tree goes
 * @report:	findings; a syntax error ends the parse, so there is at most one of those
 *
 * Return: the root, YAML_NULL for an empty text; NULL when it cannot be used
 */
struct yaml_node *yaml_read(const char *file, const char *text, size_t len, struct arena *arena, struct report *report);

/* "a list", "a mapping", "nothing", "text": for messages. */
const char *yaml_type_text(enum yaml_type type);

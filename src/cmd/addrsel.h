/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addrsel - the parts of sixtap addrsel: gather, show, write
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include "addrsel/advise.h"
#include "addrsel/order.h"
#include "addrsel/policy.h"
#include "addrsel/source.h"
#include "cmd/cmd.h"

/* A gai.conf as it was read. */
struct gai_file {
	char *path;		/* as named, or NULL: a made-up host without a file */
	char *text;		/* NULL: there is no file */
	size_t len;
	struct stat st;		/* when there is one */
};

struct judgement {
	struct gai_file file;
	struct policy *policy;
	struct addrsel_host *host;	/* NULL: this one */
	const char *guest;		/* NETWORK/GUEST, or NULL */
	struct addrsel_dest *dests;	/* sorted by order */
	size_t n, cap;
	size_t *order;
	struct advice *advice;		/* or NULL: there are no destinations of both families */
	uint8_t advised;		/* AF_INET or AF_INET6: what the advice is about */
};

/**
 * gai_file_read() - Read a gai.conf
 * @cmd:	gets errors, and a warning where glibc would silently go on without
 * @path:	its name
 * @must:	it was named by the user: what can't be read is an error
 *
 * Return: 0, or 1 with an error in the report
 */
int gai_file_read(struct cmd *cmd, const char *path, bool must, struct gai_file *ret);
void gai_file_clear(struct gai_file *file);

/**
 * gai_file_replace() - Put a new text in the place of a file, at once or not at all
 * @cmd:	gets errors
 * @file:	the file as it was read; refused when it has changed meanwhile
 * @text:	@len bytes
 * @ret_backup:	name of the old one beside it, to be freed; NULL when there was none
 *
 * Return: 0, or 1 with an error in the report
 */
int gai_file_replace(struct cmd *cmd, const struct gai_file *file, const char *text, size_t len, char **ret_backup);

void addrsel_show_table(const struct cmd *cmd, const struct judgement *j);
void addrsel_show_explanation(const struct judgement *j);
void addrsel_show_advice(const struct cmd *cmd, const struct judgement *j, int argc, char **argv);
json_t *addrsel_show_json(const struct judgement *j);		/* new reference */

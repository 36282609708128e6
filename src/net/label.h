/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * label - host names that guests tell us, and names on the wire
 *
 * A guest's name ends up in DNS, in leases and on terminals, so it is a plain
 * DNS label (letters, digits, inner hyphens) in lower case, or nothing.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/rd.h"
#include "base/wr.h"

#define LABEL_MAX 63
#define LABEL_STRLEN (LABEL_MAX + 1)

/**
 * label_from_text() - The first label of a name as text
 * @text:	bytes of a guest ("Web.example.org", a trailing NUL is allowed)
 * @len:	their number
 * @ret:	the label in lower case; "" when it isn't one
 *
 * RFC 952 and RFC 1123 2.1: letters, digits, hyphens inside, at most 63.
 *
 * Return: true when @ret is a label
 */
bool label_from_text(const uint8_t *text, size_t len, char ret[static LABEL_STRLEN]);

/**
 * label_from_wire() - The first label of a name in DNS wire format
 * @name:	cursor at the first length byte (RFC 1035 3.1; compression is refused)
 * @ret:	as above
 */
bool label_from_wire(struct rd name, char ret[static LABEL_STRLEN]);

/* Write "lan.example" in DNS wire format; spoils @w when it isn't a legal name. */
void label_put_name(struct wr *w, const char *name);

/* Bytes label_put_name() needs; 0: not a legal name. */
size_t label_name_size(const char *name);

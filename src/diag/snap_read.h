/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_read - what the readers of a snapshot share
 *
 * Inside diag/ only. Each reader fills its arrays in any order; what it can't
 * read it tells by snapshot_add_unread(). snapshot_finish() sorts.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "diag/snapshot.h"
#include "kern/nl.h"

struct snap_reader {
	struct snapshot *s;
	const struct snapshot_conf *conf;
	struct nl rt, nf;	/* open, but for nf without privileges */
	struct nlb b;
	char why[NL_WHY_MAX];	/* of the last failure of snap_dump() */
	int sysfs;		/* a sysfs of this namespace that is mounted nowhere; -1: /sys is ours, or there is none */
	char sys[32];		/* where a sysfs of this namespace is found, without an end slash */
};

/**
 * snap_dump() - Send the one request in r->b and visit its answers
 * @r:		the reader
 * @nl:		r->rt or r->nf
 * @fn:		called for each answer
 * @user:	for @fn
 * @n, @n2:	counts of what @fn appends; put back before a dump that changed meanwhile is read again. @n2: or NULL
 *
 * Return: 0, or a negative errno with r->why
 */
int snap_dump(struct snap_reader *r, struct nl *nl, nl_fn fn, void *user, size_t *n, size_t *n2);

/* Text without control characters but newline and tab, and UTF-8. */
bool snap_is_clean(const char *text);

/* A copy of @text in the arena, with '?' for what isn't clean. */
const char *snap_text_copy(struct snapshot *s, const char *text);

/* A copy of @text in the arena; "" for "" and NULL. */
const char *snap_keep(struct snapshot *s, const char *text);

/* A text of an object in JSON, as long as that lives; "" if there is none. */
const char *snap_json_text(const json_t *o, const char *key);
const char *snap_json_keep(struct snapshot *s, const json_t *o, const char *key);	/* a copy of it, in the arena */

#define SNAP_PROC_MAX (16U << 20)

/**
 * snap_file() - Read a small file whole
 * @path:	absolute
 * @ret:	set when 0 is returned: terminated, free()
 *
 * Return: 0, or a negative errno (EFBIG: more than SNAP_PROC_MAX)
 */
int snap_file(const char *path, char **ret);

/* The next line of *at, without its end, terminated in place; NULL: none left. */
char *snap_line(char **at);

struct mac snap_mac(const struct nlattr *a);	/* zero when it isn't 6 bytes */

/* The names in a nest, those of attribute @type (0: all), with blanks between; "" for NULL. */
const char *snap_names(struct snapshot *s, const struct nlattr *nest, uint16_t type);

/* Append a zeroed element to s->FIELD. */
#define SNAP_ADD(s, field)                                                       \
	({                                                                       \
		struct snapshot *s_ = (s);                                       \
		ARENA_GROW_POW2(s_->arena, s_->field, s_->n_##field);            \
		memset(&s_->field[s_->n_##field], 0, sizeof(s_->field[0]));      \
		&s_->field[s_->n_##field++];                                     \
	})

/* Before snapshot_finish(): does a program run here? */
bool snap_runs(const struct snapshot *s, const char *name);

/* The readers, in the order they are called. Links first: others ask for them. */
int snap_read_links(struct snap_reader *r);		/* negative errno: no rtnetlink at all */
void snap_read_addrs(struct snap_reader *r);
void snap_read_routes(struct snap_reader *r);
void snap_read_neighs(struct snap_reader *r);
void snap_read_bridges(struct snap_reader *r);
void snap_read_proc(struct snap_reader *r);
void snap_read_nft(struct snap_reader *r);
void snap_read_nft_text(struct snapshot *s);		/* of snap_read_nft() */
void snap_read_legacy(struct snap_reader *r);
void snap_read_settings(struct snap_reader *r);
void snap_read_processes(struct snap_reader *r);
void snap_read_libvirt(struct snap_reader *r);
void snap_read_xen(struct snap_reader *r);
void snap_read_own(struct snap_reader *r);		/* after QEMU's processes */
void snap_read_qmp(struct snap_reader *r);		/* after all guests are known */
void snap_read_managers(struct snap_reader *r);		/* asks what runs */

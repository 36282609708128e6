/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask - send a question on one interface and hear the answers
 *
 * What `rs` and `ns` share: the interface, a socket, the question sent again
 * until somebody answers, and an end in any case.
 */
#pragma once
#include "base/time.h"
#include "cmd/cmd.h"
#include "io/sniff.h"
#include "model/world.h"
#include "net/heard.h"

#define ASK_FRAME_MAX 256

struct ask {
	struct world *world;		/* links, addresses and routes before the question; owned */
	const struct w_link *link;	/* of it */
	struct sniff *sniff;		/* owned */
	bool ethernet;
	uint8_t frame[ASK_FRAME_MAX];	/* the question; its IPv6 packet begins behind the Ethernet header, if there is one */
	size_t len;

	unsigned int tries;		/* how often the question is sent, while nobody answers */
	mono_t interval;		/* between two of them, and after the last */
	mono_t more;			/* how long other answers are waited for after the first; MONO_NEVER: to the end */
	unsigned int sent;		/* set by ask_run() */
};

void ask_free(struct ask *ask);

/**
 * ask_open() - Find the interface and open a socket on it
 * @cmd:	the frame
 * @ask:	all zero; to be freed with ask_free() in any case
 * @name:	the interface
 * @what:	enum sniff_what
 *
 * Return: 0, or -1 with an error in the report
 */
int ask_open(struct cmd *cmd, struct ask *ask, const char *name, unsigned int what);

/* Begin the question: an Ethernet header where the link has one. */
struct wr ask_begin(struct ask *ask, const struct mac *dst);
void ask_end(struct ask *ask, const struct wr *w);

/* @after_s: since the question was last sent. Return: true when it is an answer. */
typedef bool (*ask_fn)(void *user, const struct heard *heard, int outcome, double after_s);

/* Option @opt of `rs` and `ns`: -w, --wait or -n, --count, with its value in optarg. Return: false with a usage error. */
bool ask_option(struct cmd *cmd, struct ask *ask, int opt);

/* Send and wait. Return: 0, or -1 with an error in the report. */
int ask_run(struct cmd *cmd, struct ask *ask, ask_fn fn, void *user);

/* Seconds of an option's value, 0.1 to 1000000. Return: false with a usage error. */
bool ask_seconds(struct cmd *cmd, const char *option, const char *text, mono_t *ret);

/* A whole number from 1 to @max, likewise. */
bool ask_count(struct cmd *cmd, const char *option, const char *text, unsigned int max, unsigned int *ret);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch_show - one frame, or one thing that looks wrong, as a line
 */
#pragma once
#include "cmd/cmd.h"
#include "diag/suspect.h"
#include "io/sniff.h"
#include "net/heard.h"

#define WATCH_TEXT_MAX 1024

/* Where and when; the same for frames and marks. */
struct watch_at {
	const char *ifname;
	uint64_t at_ns;
	uint16_t vlan;
	int name_width;		/* of the column of names */
};

/* What a frame says, in words: "who has fe80::2? asks fe80::1". @outcome as heard_read(). Return: @buf. */
const char *watch_words(const struct heard *h, int outcome, char buf[static WATCH_TEXT_MAX]);

/* Likewise of a mark: "nobody answered …". */
const char *watch_mark_words(const struct suspect_mark *m, char buf[static WATCH_TEXT_MAX]);

void watch_show_frame(const struct cmd *cmd, const struct watch_at *at, enum sniff_way way, const struct heard *h,
		      int outcome);
void watch_show_mark(const struct cmd *cmd, const struct watch_at *at, const struct suspect_mark *m);

/* The same as objects of the contract, one a line. */
void watch_json_frame(const struct watch_at *at, enum sniff_way way, const struct heard *h, int outcome);
void watch_json_mark(const struct watch_at *at, const struct suspect_mark *m);

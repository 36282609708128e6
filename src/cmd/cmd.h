/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd - the frame that every subcommand stands in
 *
 * One file per subcommand: it parses its own options with cmd_option(), does
 * its work through the layers below, prints results on stdout and puts what
 * went wrong into cmd->report, which cmd.c prints (or turns into JSON) once at
 * the end. A subcommand returns the exit status of the contract: 0 done, 1
 * failed, 2 usage or configuration, 3 undetermined; the report's status wins
 * when it has errors.
 */
#pragma once
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/report.h"
#include "model/desired.h"

#define EXIT_DONE 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_UNDETERMINED 3

enum cmd_color {
	CMD_COLOR_AUTO,
	CMD_COLOR_ALWAYS,
	CMD_COLOR_NEVER,
};

struct cmd {
	const struct cmd_info *info;	/* the subcommand */
	const char *config;		/* -c, default /etc/sixtap */
	bool json, quiet, verbose;
	bool asked_json;		/* --json is somewhere on the line: usage errors say so in JSON too */
	bool help;			/* --help stood before the subcommand */
	int failed;			/* exit status of a failure where 1 means something else; 0: it is 1 */
	enum cmd_color color_option;
	const char *netns;		/* entered before the subcommand starts */
	const char *run_dir_option, *state_dir_option;
	char run_dir[4096], state_dir[4096];	/* as they apply here; set before the subcommand starts */

	bool color;			/* whether stdout wants escape sequences */
	bool utf8;			/* whether the locale shows glyphs */
	bool tty;			/* stdout is a terminal */
	bool progress;			/* stderr is a terminal and progress is wanted (not -q, not --json) */
	struct report *report;
	json_t *answer;			/* cmd_json()'s, printed at the end */
	bool stream;			/* JSON goes out an object a line, as things happen */
};

struct cmd_info {
	const char *name;
	const char *alias;		/* or NULL */
	int (*fn)(struct cmd *cmd, int argc, char **argv);
	const char *synopsis;		/* "up [NETWORK…]" */
	const char *summary;		/* one line for --help */
	const char *options;		/* help text of its own options, one a line, or NULL */
};

/**
 * cmd_option() - Next option of a subcommand; the global ones are handled here
 * @cmd:	the frame
 * @argc:	of the subcommand: argv[0] is its name
 * @argv:	permuted by getopt_long(3)
 * @own:	the subcommand's options, ended by a zero entry; .val > 0, .flag unused
 *
 * After the end, optind is the first argument. A wrong option has been put into
 * the report.
 *
 * Return: .val of an own option (optarg is set), -1 at the end, '?' on a wrong option (return EXIT_USAGE then)
 */
int cmd_option(struct cmd *cmd, int argc, char **argv, const struct option *own);

/* For subcommands without options of their own: true when there is nothing wrong. */
bool cmd_no_options(struct cmd *cmd, int argc, char **argv);

/*
 * The one JSON answer of a subcommand; steals @answer. It is printed when the subcommand has returned, with "version":1
 * and with the errors that the report has by then.
 */
void cmd_json(struct cmd *cmd, json_t *answer);

/* Whether escape sequences belong on @fd: --color, else a terminal that isn't dumb, without NO_COLOR. */
bool cmd_wants_color(const struct cmd *cmd, int fd);

/* A usage error: "sixtap up: WHAT; HELP"; returns EXIT_USAGE. */
int cmd_usage(struct cmd *cmd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Glyphs and colours of look.md, already with their escape sequences; "" for the paint when colour is off. */
enum cmd_glyph {
	GLYPH_OK, GLYPH_ERROR, GLYPH_WARNING, GLYPH_INFO, GLYPH_CREATE, GLYPH_CHANGE, GLYPH_REMOVE,
	GLYPH_UP, GLYPH_DEGRADED, GLYPH_DOWN, GLYPH_N_,
};
const char *cmd_glyph(const struct cmd *cmd, enum cmd_glyph glyph);
const char *cmd_bold(const struct cmd *cmd);
const char *cmd_dim(const struct cmd *cmd);
const char *cmd_plain(const struct cmd *cmd);
/* Print @s and blanks up to @width columns: printf counts bytes, which is wrong for glyphs. */
void cmd_column(const char *s, int width);

/* What a network of `status` was numbered by before, a line each (status.c). */
void status_draining(const struct cmd *cmd, const json_t *network);

int cmd_addrsel(struct cmd *cmd, int argc, char **argv);
int cmd_adopt(struct cmd *cmd, int argc, char **argv);
int cmd_check(struct cmd *cmd, int argc, char **argv);
int cmd_confirm(struct cmd *cmd, int argc, char **argv);
int cmd_doctor(struct cmd *cmd, int argc, char **argv);
int cmd_down(struct cmd *cmd, int argc, char **argv);
int cmd_export(struct cmd *cmd, int argc, char **argv);
int cmd_forward(struct cmd *cmd, int argc, char **argv);
int cmd_guests(struct cmd *cmd, int argc, char **argv);
int cmd_init(struct cmd *cmd, int argc, char **argv);
int cmd_leases(struct cmd *cmd, int argc, char **argv);
int cmd_map(struct cmd *cmd, int argc, char **argv);
int cmd_ns(struct cmd *cmd, int argc, char **argv);
int cmd_path(struct cmd *cmd, int argc, char **argv);
int cmd_plan(struct cmd *cmd, int argc, char **argv);
int cmd_release(struct cmd *cmd, int argc, char **argv);
int cmd_rs(struct cmd *cmd, int argc, char **argv);
int cmd_run(struct cmd *cmd, int argc, char **argv);
int cmd_slaac(struct cmd *cmd, int argc, char **argv);
int cmd_status(struct cmd *cmd, int argc, char **argv);
int cmd_up(struct cmd *cmd, int argc, char **argv);
int cmd_watch(struct cmd *cmd, int argc, char **argv);

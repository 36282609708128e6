/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client - how subcommands read the configuration and talk to the daemon
 */
#pragma once
#include "base/report.h"
#include "cmd/cmd.h"
#include "conf/conf.h"
#include "ctl/request.h"
#include "io/control.h"

/* The texts of -c: one file, or *.yaml of a folder in the order of their names. */
struct client_files {
	struct client_file {
		char *file;
		char *text;
		size_t len;
	} *files;
	size_t n, cap;
	char *source;		/* the -c path, absolute */
};

/**
 * client_read_files() - Read the configuration's files
 * Return: 0, or 1 with an error in cmd->report (exit status 2)
 */
int client_read_files(struct cmd *cmd, struct client_files *ret);
/* Where `adopt` remembers: beside the configuration, or in its folder. free() it. */
char *client_adopted_path(const struct cmd *cmd);
void client_files_clear(struct client_files *files);

/* Read and check the configuration. Return: 0, or 1 with errors in cmd->report. */
int client_desired(struct cmd *cmd, const struct client_files *files, struct desired **ret);

/* The members "source" and "files" of a request. */
void client_add_files(json_t *request, const struct client_files *files);
/* The member "networks", when there are names. */
void client_add_networks(json_t *request, char **names, int n);

enum client_start {
	CLIENT_MAY_FAIL,	/* no daemon: 1, and nothing is reported */
	CLIENT_MUST_RUN,	/* no daemon: an error is reported */
	CLIENT_START,		/* no daemon: one is started; an unwatched one is replaced */
};

/* Return: 0 with a connection, or 1 without one. */
int client_connect(struct cmd *cmd, enum client_start start, struct control **ret);

/* For those that look at the host whatever state the daemon is in: an answer that doesn't come in 5 s never comes. */
void client_impatient(struct control *control);

/* @progress: called with the "progress" object of each such line; may be NULL. */
typedef void (*client_progress_fn)(struct cmd *cmd, const json_t *progress, void *user);

/**
 * client_ask() - Send a request and wait for its answer
 * @request:	stolen
 * @ret:	the answer (new reference), set when 0 is returned
 * @fds:	gets descriptors that came along, or NULL
 * @n_fds:	in: room, out: how many came
 *
 * Warnings of the answer are put into cmd->report.
 *
 * Return: 0, or 1 with errors in cmd->report
 */
int client_ask(struct cmd *cmd, struct control *control, json_t *request, client_progress_fn progress, void *user,
	       json_t **ret, int *fds, size_t *n_fds);

/* After a request that ends the daemon: wait until all its processes have gone, five seconds at most. */
void client_wait_gone(struct cmd *cmd);

/* After a failed `up`: a daemon that has no network ends; wait until it has, or is seen to stay. */
void client_wait_idle(struct cmd *cmd, struct control *control);

/* Root is needed to @what: an error is reported when we aren't. */
bool client_is_root(struct cmd *cmd, const char *what);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request - what a command asks of the daemon, checked
 *
 * One JSON object a request, {"version":1,"do":"up",…}; the answer is any
 * number of {"version":1,"progress":{…}} and then one object: the result, or
 * {"version":1,"errors":[…]}. Unknown members are refused, so that an old
 * daemon never half-understands a newer command. Fuzzed.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/mem.h"
#include "base/report.h"
#include "net/addr.h"

#define CTL_VERSION 1
#define CTL_REQUEST_MAX (8u << 20)	/* bytes; configurations come along as text */
#define CTL_ANSWER_MAX (64u << 20)
#define CTL_QUEUES_MAX 16
#define CTL_ADOPT_NICS 8	/* of a guest */
#define CTL_ADOPTS_MAX 4096
#define CTL_CONFIRM_MAX_S 86400

enum ctl_do {
	CTL_HELLO,	/* versions, pids, which networks are served */
	CTL_PLAN,	/* what `up` would change */
	CTL_UP,
	CTL_DOWN,
	CTL_STATUS,
	CTL_LEASES,
	CTL_ATTACH,	/* a NIC for a guest: answered with tap descriptors */
	CTL_FORWARDS,	/* all forwards */
	CTL_FORWARD_ADD,	/* attach.network, .name, .forwards; force, save */
	CTL_FORWARD_DEL,
	CTL_ADOPT,	/* adopts */
	CTL_RELEASE,	/* subjects */
	CTL_CONFIRM,	/* keep what an UP with @confirm_s did */
	CTL_QUIT,	/* the daemon ends; networks stay as they are */
	CTL_DO_N_,
};
extern const char *const ctl_do_name[CTL_DO_N_];

/* Only root may change things. Who may ATTACH is for the network to say. */
bool ctl_needs_root(enum ctl_do what);

struct ctl_file {
	const char *file;	/* path, for messages */
	const char *text;
	size_t len;
};

struct ctl_attach {
	const char *network;
	const char *name;	/* guest; never empty */
	bool has_mac;
	struct mac mac;
	struct ip ips[8];
	size_t n_ips;
	const char *forwards[32];
	size_t n_forwards;
	unsigned int queues;	/* 1 … CTL_QUEUES_MAX */
	int64_t pid;		/* of the program that will hold the descriptors */
	bool monitor;		/* it is a QEMU that may listen for QMP, on macvtap networks */
};

/* Something that somebody else made, and how to know it. */
struct ctl_adopt {
	const char *subject;
	bool all;		/* each macvtap */
	struct mac macs[CTL_ADOPT_NICS];
	size_t n_macs;
	const char *devices[CTL_ADOPT_NICS];
	size_t n_devices;
	const char *monitor;	/* path of its QEMU's socket for QMP, which ctl/monitors leads to; NULL: as before, or none */
};

struct ctl_request {
	enum ctl_do what;
	const char *source;	/* PLAN, UP: the -c path */
	struct ctl_file *files;	/* PLAN, UP: all its files */
	size_t n_files;
	const char **networks;	/* PLAN, UP, DOWN, STATUS, LEASES; none: all */
	size_t n_networks;
	bool wait;		/* UP: answer when the networks are ready */
	bool brief;		/* UP, DOWN, STATUS: the answer's networks come without their guests, of whom there may be many */
	bool force;		/* FORWARD_ADD: also a port that the host listens on */
	bool save;		/* FORWARD_…: the file is to be changed as well, so tell about it */
	uint32_t confirm_s;	/* UP: put everything back when no CONFIRM comes within so many seconds; 0: keep it */
	bool quit;		/* DOWN: end the daemon when nothing is left */
	struct ctl_adopt *adopts;	/* ADOPT; UP: all that the configuration adopts */
	size_t n_adopts;
	bool has_adopts;	/* UP: the list is meant, also when it is empty */
	bool whole;		/* ADOPT: what @source adopted before and isn't in the list any more is released */
	bool runtime;		/* ADOPT: no file says so */
	const char **subjects;	/* RELEASE */
	size_t n_subjects;
	struct ctl_attach attach;
	json_t *root;		/* owned; the strings above live in it */
};

/**
 * ctl_parse() - Read and check one request
 * @line:	text of @len bytes
 * @report:	gets what is wrong
 * @ret:	set when 0 is returned; ctl_request_free() it
 *
 * Return: 0, or 1 with an error in @report
 */
int ctl_parse(const char *line, size_t len, struct report *report, struct ctl_request **ret);
struct ctl_request *ctl_request_free(struct ctl_request *request);
DEFINE_FREEP(struct ctl_request, ctl_request_free)

/* The client's side: a new request object to add members to. */
json_t *ctl_request_new(enum ctl_do what);

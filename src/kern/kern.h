/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kern - one handle on the kernel of one network namespace
 *
 * Theory of operation: src/kern is the only folder that changes the kernel.
 * A struct kern belongs to the network namespace that the thread was in when
 * it was made, and holds three things: an rtnetlink socket, an nfnetlink
 * socket, and the libnftables context. The latter is opened first and at once,
 * because libnftables waits with select() and must have a low descriptor; the
 * sockets are opened when first needed. Nothing here needs privileges until
 * something is to be changed, except that the kernel shows nftables to
 * CAP_NET_ADMIN only.
 *
 * Not thread safe. No call waits for anything but the kernel, except that
 * OP_CONFIRM_ROUTE waits for a router, for as long as the op says.
 */
#pragma once
#include <stdint.h>
#include "base/mem.h"
#include "base/report.h"

struct kern;

/* Descriptors of the eBPF guards (kern/guard.h). */
struct kern_guard {
	int prog, ports, owners;	/* -1: there are none */
	int inward;		/* program for egress of macvtaps (kern/mcast.h); -1: none */
	int heard;		/* ring of what their guests say, which that program fills; -1: it doesn't */
	uint32_t prog_id;
};
#define KERN_GUARD_NONE { .prog = -1, .ports = -1, .owners = -1, .inward = -1, .heard = -1 }

void kern_guard_close(struct kern_guard *guard);

struct kern_conf {
	const char *run_dir;	/* where records are kept; need not exist yet; copied */
	int proc_sys_fd;	/* borrowed directory descriptor, or -1: /proc/sys */
	int tun_fd_dir;		/* borrowed descriptor of a directory with a node "tun", or -1: /dev/net */
	const int *xt_names;	/* two, copied: kern_xt_names(); NULL: opened when needed, which takes root */
	const struct kern_guard *guard;	/* copied, its descriptors borrowed; NULL: none */
};

/*
 * Open what tells which tables iptables-legacy has, for IPv4 and IPv6; -1: nothing does. Only root may read it. One that
 * comes to be later, when the module is loaded, isn't seen through these.
 */
void kern_xt_names(int ret[static 2]);

/**
 * kern_new() - Get hold of the kernel
 * @ret:	set when 0 is returned; free with kern_free()
 * @conf:	settings
 * @report:	gets an error when it fails
 *
 * Return: 0, or a negative errno
 */
int kern_new(struct kern **ret, const struct kern_conf *conf, struct report *report);
struct kern *kern_free(struct kern *kern);
DEFINE_FREEP(struct kern, kern_free)

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confine - what each process gives up before it starts its work
 *
 * main      own user; CAP_NET_ADMIN, NET_RAW, NET_BIND_SERVICE; may not exec,
 *           trace, mount, load code into the kernel. Of bpf() it has only what
 *           reads and changes the maps of the guards, which the monitor loaded
 *           and hands down; before Linux 5.19 that takes CAP_BPF, which it
 *           has then. Attaching the program to a port takes NET_ADMIN.
 * engine    own user, no capability, root = the lease folder, and a list of
 *           system calls: the packet sockets it is handed and its files. The
 *           ring of what guests on macvtaps say is mapped before (io/ear.h)
 * resolver  own user, no capability, an empty root, and a list of system
 *           calls: as the engine, plus UDP and TCP sockets to its servers
 *
 * All: no new privileges, not dumpable (so nobody of the same user traces
 * them), umask 077.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

enum confine_who {
	CONFINE_MAIN,
	CONFINE_ENGINE,
	CONFINE_RESOLVER,
	CONFINE_N_,
};

struct confine_ids {
	uid_t uid[CONFINE_N_];
	gid_t gid[CONFINE_N_];
};

/**
 * confine_ids() - The users of the three processes
 * @ret:	filled in
 *
 * The package's users (sixtap, sixtap-engine, sixtap-dns) when they exist, else
 * three ids that no user has: never one shared `nobody`.
 */
void confine_ids(struct confine_ids *ret);

/**
 * confine() - Give up everything that @who doesn't need; there is no way back
 * @who:	which process this is
 * @ids:	from confine_ids()
 * @bpf:	main keeps CAP_BPF
 * @root:	folder that becomes the root directory (engine, resolver), or NULL
 *
 * Return: 0 or negative errno; the process must end then
 */
int confine(enum confine_who who, const struct confine_ids *ids, bool bpf, const char *root);

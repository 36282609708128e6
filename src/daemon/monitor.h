/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor - root's part of sixtapd: prepare, start the others, restart them
 *
 * Theory of operation
 * The monitor is the only process that stays root, and it talks to main alone: it
 * makes folders, private mounts, the listening control socket and the lock;
 * forks main, engine and resolver, each confined before it does anything; and
 * then only waits for them to end. When the engine or the resolver ends, a new
 * one is started and main gets the new end of its socket pair; one that hangs is
 * killed when main says so. When main ends
 * the two others see their sockets close and end too; all three are started
 * again. For main, the monitor also opens the devices of macvtap links, which
 * takes device nodes (macvtap.h). A process that lived less than ten seconds is restarted later and
 * later (0.1 s to 10 s).
 *
 * When the monitor itself is killed, the three go on serving, unwatched: the
 * next `sixtap up` notices, has main end, and starts a new daemon.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct monitor_conf {
	const char *run_dir, *state_dir;
	int ready_fd;		/* written "ready\n" once main is; -1: nobody waits */
	bool debug;
	const char *pcap;	/* of the engine's frames, or NULL */
};

/* What main is born with. */
struct daemon_child {
	int monitor_fd;		/* SOCK_SEQPACKET: struct monitor_msg */
	int listen_fd;		/* the control socket */
	int tun_dir_fd;		/* private tmpfs with a node "tun"; -1: use /dev/net/tun */
	int queues_fd;		/* SOCK_SEQPACKET: struct monitor_queues, one answer each */
	uint8_t secret[16];	/* paths_secret(): only root may write it where the host has no machine id */
	pid_t monitor_pid;
};

enum monitor_msg_type {
	MONITOR_ENGINE = 1,	/* monitor → main: a new engine; its socket comes along */
	MONITOR_RESOLVER,
	MONITOR_READY,		/* main → monitor: networks are restored, requests are taken */
	MONITOR_QUIT,		/* main → monitor: end the daemon */
	MONITOR_STUCK,		/* main → monitor: this process hangs, end it */
};

struct monitor_msg {
	int32_t type;
	int32_t pid;		/* of the new process, or of the one that hangs */
};

/*
 * main → monitor: open the queues of a macvtap link of this namespace; or
 * connect to the QEMU of an adopted guest. The answer is the same with err set,
 * and the descriptors. main has no right to make device nodes, nor to what
 * belongs to other users; so all it can get is this kind of device, and the
 * sockets that root named in a folder (ctl/monitors.h) that main can't write to.
 */
enum monitor_ask {
	MONITOR_ASK_QUEUES,
	MONITOR_ASK_QMP,	/* name: of the adopted interface */
};

struct monitor_queues {
	int32_t err;		/* 0 or a negative errno */
	int32_t ask;		/* enum monitor_ask */
	uint32_t ifindex;
	uint32_t n;		/* 1 … KERN_MACVTAP_QUEUES */
	char name[16];
};

/* Return: exit status. */
int monitor_run(const struct monitor_conf *conf);

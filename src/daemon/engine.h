/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine - the process that speaks with guests
 *
 * Theory of operation. It runs confined: no capability, no new sockets, its
 * root directory is the lease folder. main hands it packet sockets and settings
 * (ctl/inner.h); it answers router solicitations, DHCPv4 and DHCPv6, and tells
 * main which address is whose. A turn of its loop reads from every socket that
 * has something, a batch each, lets the responders decide, then writes the
 * leases to disk in one transaction, then tells main, then sends the frames:
 * no guest ever holds an address that we could forget.
 *
 * It ends when main's end of the socket closes. A new engine reads the leases
 * back from disk and is told everything else again; guests notice nothing.
 *
 * Bounds: a batch of frames a socket and event, fixed tables in the responders,
 * a bounded queue to main. DHCP messages are dropped while that queue is nearly
 * full: clients ask again, and no lease is lost on the way to main.
 */
#pragma once

struct ear;

struct engine_conf {
	int inner_fd;			/* SOCK_SEQPACKET to main, non-blocking; closed by the caller */
	const char *lease_path;		/* lease file; "PATH.id" beside it holds what must survive a restart */
	struct ear *ear;		/* of guests on macvtaps; borrowed; NULL: there is none */
	const char *pcap_path;		/* every frame read and sent goes there; NULL: nowhere */
};

/* Return: 0 when main has gone, or negative errno. */
int engine_run(const struct engine_conf *conf);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolver - the process that answers guests' DNS queries
 *
 * Theory of operation: it is told everything by main over one socket
 * (INNER_DNS_* of ctl/inner.h): the networks with their listening sockets, the
 * names in them, the servers to forward to. Names of ours are answered by
 * resp/dns, the rest by forward (libunbound); dns_server does the guests'
 * sockets. It holds nothing that must survive: a new one is told all again.
 *
 * A network's LISTEN comes before its names. Its sockets are replaced as a
 * whole; main must bind the new ones while these still exist here, that is with
 * SO_REUSEPORT.
 *
 * Confined before it starts: own user, empty root, no capabilities, seccomp.
 * What it needs then is listed at the top of resolver.c.
 */
#pragma once

struct resolver_conf {
	int inner_fd;		/* to main; borrowed */
};

/**
 * resolver_run() - Serve until main goes
 * @conf:	settings
 *
 * Return: 0 when main closed its end of inner_fd, else negative errno
 */
int resolver_run(const struct resolver_conf *conf);

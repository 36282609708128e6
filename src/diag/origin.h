/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * origin - which file a setting of an interface comes from
 *
 * The boot's answer and the running value may differ: somebody typed sysctl, or
 * a program changed it. So a file is named only where what it says is what runs;
 * otherwise both are told.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "diag/snapshot.h"

#define ORIGIN_MAX 512

struct origin {
	char set_by[ORIGIN_MAX];	/* "/etc/sysctl.d/99-x.conf:3", "sixtap up, network lan"; "": not known */
	char note[ORIGIN_MAX];		/* "/etc/sysctl.d/99-x.conf:3 says 1, so it is set while running"; "" */
};

/**
 * origin_sysctl() - Where net.ipv6.conf.IFACE.SETTING comes from
 * @s:		snapshot
 * @link:	the interface
 * @setting:	"accept_ra", "forwarding", …
 * @value:	what runs
 * @ret:	answer
 *
 * Looked at: lines of sysctl.d and sysctl.conf in the order the boot applies them,
 * for the interface itself, patterns, conf/all where the kernel copies that
 * (forwarding, disable_ipv6, addr_gen_mode), conf/default; ifupdown's own words;
 * networkd, which turns the kernel's RAs off where it takes them; networks of ours.
 */
void origin_sysctl(const struct snapshot *s, const struct snap_link *link, const char *setting, int64_t value,
		   struct origin *ret);

/* Where a manager was told so: "FILE:LINE", of netplan's or cloud-init's own file where that made the one it reads. */
void origin_manager(const struct snapshot *s, const struct snap_manager *m, struct origin *ret);

/**
 * origin_key() - Value of a key in a file of sections (networkd, NetworkManager)
 * @text:	the file
 * @section:	without brackets
 * @key:	any case
 * @ret:	value, cut to @size bytes; set when it is there
 * @size:	bytes of @ret
 *
 * Return: line of the last such key, counted from 1; 0: none
 */
uint32_t origin_key(const char *text, const char *section, const char *key, char *ret, size_t size);

/**
 * origin_yaml() - Line of a key below the interface @id, in netplan's files
 * @text:	the file
 * @id:		name or id of the interface
 * @key:	"accept-ra"
 *
 * By indentation; flow style ("eth0: {accept-ra: no}") gives the line it begins in.
 *
 * Return: line counted from 1, that of @id when the key isn't there, 0: neither
 */
uint32_t origin_yaml(const char *text, const char *id, const char *key);

/* What else a manager's file says of RAs: -1 not said, 0 no, 1 yes. */
struct origin_ra {
	int address, gateway;
	char set_by[ORIGIN_MAX];	/* of the one that says no; "" */
	char what[128];			/* "UseGateway=no"; "" */
};

/* Reads m->file, so @s must be of this host. */
void origin_ra_options(const struct snap_manager *m, struct origin_ra *ret);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_xen - guests of Xen, by the network backends that the kernel has for them
 *
 * /sys/bus/xen-backend/devices/vif-DOMAIN-NUMBER is a NIC, vifDOMAIN.NUMBER its
 * interface unless a script renamed it (then its folder below net/ says so). What
 * a domain is called and which MAC it was given are in xenstore, which is asked
 * for nothing here: a domain goes by its number, and its MAC is what is learned.
 */
#include "diag/snap_read.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define DEVICES "/sys/bus/xen-backend/devices"

/* The interface of a backend. */
static const char *interface_of(struct snapshot *s, const char *device, uint32_t domain, uint32_t number)
{
	_cleanup_(freep) char *path = xasprintf(DEVICES "/%s/net", device);
	const char *name = NULL;
	DIR *dir = opendir(path);
	const struct dirent *d;

	while (dir && !name && (d = readdir(dir))) {
		if (d->d_name[0] != '.')
			name = arena_strdup(s->arena, d->d_name);
	}
	if (dir)
		(void)closedir(dir);
	return name ? name : arena_printf(s->arena, "vif%u.%u", domain, number);
}

void snap_read_xen(struct snap_reader *r)
{
	struct snapshot *s = r->s;
	DIR *dir = opendir(DEVICES);
	const struct dirent *d;

	if (!dir) {
		if (errno != ENOENT)
			snapshot_add_unread(s, SNAP_PART_XEN, "", "%s", strerror(errno));
		return;
	}
	while ((d = readdir(dir))) {
		uint32_t domain, number;
		const char *guest = NULL;

		if (sscanf(d->d_name, "vif-%" SCNu32 "-%" SCNu32, &domain, &number) != 2)
			continue;
		const char *name = interface_of(s, d->d_name, domain, number);
		const struct snap_link *link = snap_link_by_name(s, name);
		for (size_t i = 0; i < s->n_guests && !guest; i++) {
			if (strcmp(s->guests[i].by, "xen") == 0 && strtoul(s->guests[i].guest, NULL, 10) == domain)
				guest = s->guests[i].name;
		}
		if (!guest) {
			struct snap_guest *g = SNAP_ADD(s, guests);

			guest = arena_printf(s->arena, "xen:%u", domain);
			*g = (struct snap_guest){
				.name = guest,
				.by = "xen",
				.network = "",
				.guest = guest + strlen("xen:"),
				.running = true,
			};
		}
		*SNAP_ADD(s, nics) = (struct snap_nic){
			.guest = guest,
			.kind = "xen",
			.device = name,
			.ifindex = link ? link->ifindex : 0,
			.live = true,
			.trust_rx = -1,
		};
	}
	(void)closedir(dir);
}

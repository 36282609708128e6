/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu - QEMU's command line with one more NIC
 */
#include "attach/qemu.h"

#include <stdio.h>
#include <string.h>

static const char *fd_list(struct arena *arena, const int *fds, unsigned int n)
{
	const char *list = "";

	for (unsigned int i = 0; i < n; i++)
		list = arena_printf(arena, "%s%s%d", list, i ? ":" : "", fds[i]);
	return list;
}

static char *netdev(const struct qemu_nic *nic, struct arena *arena)
{
	const char *plural = nic->queues > 1 ? "s" : "";
	const char *vhost = "";

	if (nic->has_vhost)
		vhost = arena_printf(arena, ",vhost=on,vhostfd%s=%s", plural, fd_list(arena, nic->vhost_fds, nic->queues));
	return arena_printf(arena, "tap,id=%s,fd%s=%s%s", nic->id, plural, fd_list(arena, nic->fds, nic->queues), vhost);
}

static char *device(const struct qemu_nic *nic, struct arena *arena)
{
	const char *mq = "", *mtu = "";
	bool virtio = strncmp(nic->device, "virtio-net", 10) == 0;

	if (nic->queues > 1 && virtio)
		mq = arena_printf(arena, ",mq=on,vectors=%u", 2 * nic->queues + 2);
	if (nic->mtu != 0 && nic->mtu != 1500 && virtio)
		mtu = arena_printf(arena, ",host_mtu=%u", nic->mtu);
	return arena_printf(arena, "%s,netdev=%s,id=nic-%s,mac=%s%s%s", nic->device, nic->id, nic->id, MAC_STR(&nic->mac),
			    mq, mtu);
}

/* A monitor beside any that the user has: QEMU can have several. It waits for nobody. */
static char *chardev(const struct qemu_nic *nic, struct arena *arena)
{
	return arena_printf(arena, "socket,id=%s-qmp,fd=%d,server=on,wait=off", nic->id, nic->qmp_fd);
}

static char *mon(const struct qemu_nic *nic, struct arena *arena)
{
	return arena_printf(arena, "chardev=%s-qmp,mode=control", nic->id);
}

char **qemu_args(char *const *argv, const struct qemu_nic *nic, struct arena *arena)
{
	char *ours[8] = { arena_strdup(arena, "-netdev"), netdev(nic, arena), arena_strdup(arena, "-device"),
			  device(nic, arena) };
	size_t n = 0, out = 0, n_ours = 4;
	bool placed = false;

	if (nic->qmp_fd > 0) {
		ours[n_ours++] = arena_strdup(arena, "-chardev");
		ours[n_ours++] = chardev(nic, arena);
		ours[n_ours++] = arena_strdup(arena, "-mon");
		ours[n_ours++] = mon(nic, arena);
	}
	while (argv[n])
		n++;
	char **all = arena_alloc(arena, n + n_ours + 1, sizeof(*all));
	for (size_t i = 0; i < n; i++) {
		if (placed || strcmp(argv[i], "{}") != 0) {
			all[out++] = argv[i];
			continue;
		}
		for (size_t k = 0; k < n_ours; k++)
			all[out++] = ours[k];
		placed = true;
	}
	for (size_t k = 0; !placed && k < n_ours; k++)
		all[out++] = ours[k];
	all[out] = NULL;
	return all;
}

const char *qemu_name(char *const *argv, struct arena *arena)
{
	for (size_t i = 0; argv[i]; i++) {
		if ((strcmp(argv[i], "-name") != 0 && strcmp(argv[i], "--name") != 0) || !argv[i + 1])
			continue;
		const char *value = argv[i + 1], *guest = strstr(value, "guest=");
		if (guest && (guest == value || guest[-1] == ','))
			value = guest + strlen("guest=");
		size_t len = strcspn(value, ",");
		return len > 0 ? arena_strndup(arena, value, len) : NULL;
	}
	return NULL;
}

const char *qemu_next_id(char *const *argv, struct arena *arena)
{
	for (unsigned int n = 0;; n++) {
		const char *id = arena_printf(arena, "sixtap%u", n);
		const char *needle = arena_printf(arena, "id=%s", id);
		bool taken = false;

		for (size_t i = 0; argv[i] && !taken; i++) {
			const char *found = strstr(argv[i], needle);
			char after = found ? found[strlen(needle)] : 'x';

			taken = found && (after == '\0' || after == ',');
		}
		if (!taken)
			return id;
	}
}

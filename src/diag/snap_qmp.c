/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_qmp - what guests on macvtap listen to, asked of their QEMU
 *
 * query-rx-filter through QEMU's own monitor socket, where one was given to it
 * by a path: only for NICs on a macvtap, since elsewhere nothing filters. A
 * monitor serves one client at a time; one that is taken or hangs is given up
 * after a tenth of a second, and all together after half a second. libvirt keeps
 * its guests' monitors to itself.
 */
#include "diag/snap_read.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/time.h"

#define ONE_MS 100
#define ALL_MS 500
#define ANSWER_MAX (1U << 20)

struct qmp {
	int fd;
	mono_t deadline;
	char *buf;
	size_t n, cap;
};

/* The next object that QEMU sends, without events; NULL: none came in time. */
static json_t *next_object(struct qmp *q)
{
	for (;;) {
		char *end = q->n > 0 ? memchr(q->buf, '\n', q->n) : NULL;
		struct pollfd p = { .fd = q->fd, .events = POLLIN };
		mono_t now = mono_now();

		if (end) {
			size_t len = (size_t)(end - q->buf);
			json_t *o = json_loadb(q->buf, len, 0, NULL);

			q->n -= len + 1;
			memmove(q->buf, end + 1, q->n);
			if (o && !json_object_get(o, "event"))
				return o;
			json_decref(o);
			if (!o)
				return NULL;
			continue;
		}
		if (now >= q->deadline || q->n >= ANSWER_MAX ||
		    poll(&p, 1, (int)((q->deadline - now) / MONO_MS) + 1) <= 0)
			return NULL;
		if (q->cap - q->n < 4096) {
			q->cap = q->cap ? q->cap * 2 : 16384;
			q->buf = xrealloc(q->buf, q->cap, 1);
		}
		ssize_t r = recv(q->fd, q->buf + q->n, q->cap - q->n, MSG_DONTWAIT);
		if (r == 0 || (r < 0 && errno != EAGAIN && errno != EINTR))
			return NULL;
		if (r > 0)
			q->n += (size_t)r;
	}
}

static json_t *ask(struct qmp *q, const char *command)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "{\"execute\":\"%s\"}\r\n", command);

	if (send(q->fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
		return NULL;
	return next_object(q);
}

static void take_filter(struct snapshot *s, struct snap_nic *nic, const json_t *filter)
{
	const json_t *item;
	struct mac mac;
	size_t i;

	nic->rx_known = true;
	nic->rx_promiscuous = json_is_true(json_object_get(filter, "promiscuous"));
	nic->rx_overflow = json_is_true(json_object_get(filter, "multicast-overflow"));
	nic->rx_multicast = arena_strdup(s->arena, snap_json_text(filter, "multicast"));
	(void)mac_parse(snap_json_text(filter, "main-mac"), &nic->rx_main);
	json_array_foreach (json_object_get(filter, "multicast-table"), i, item) {
		if (!json_is_string(item) || !mac_parse(json_string_value(item), &mac))
			continue;
		ARENA_GROW_POW2(s->arena, nic->rx_groups, nic->n_rx_groups);
		nic->rx_groups[nic->n_rx_groups++] = mac;
	}
}

/* Filters are told by the device's name; which NIC that is, its MAC says, or that there is only one. */
static void take_filters(struct snapshot *s, const char *guest, const json_t *list)
{
	const json_t *filter;
	size_t i, n = 0;

	for (size_t j = 0; j < s->n_nics; j++)
		n += strcmp(s->nics[j].guest, guest) == 0;
	json_array_foreach (list, i, filter) {
		struct mac mac = { .b = { 0 } };

		(void)mac_parse(snap_json_text(filter, "main-mac"), &mac);
		for (size_t j = 0; j < s->n_nics; j++) {
			struct snap_nic *nic = &s->nics[j];

			if (strcmp(nic->guest, guest) == 0 && !nic->rx_known &&
			    (mac_eq(&nic->mac, &mac) || (n == 1 && json_array_size(list) == 1)))
				take_filter(s, nic, filter);
		}
	}
}

static const char *query(struct snapshot *s, const struct snap_guest *g, mono_t deadline)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct qmp q = { .fd = fd, .deadline = deadline };
	const char *why = "its monitor doesn't answer: another program holds it, or QEMU hangs";

	if (fd < 0 || !str_copy(un.sun_path, sizeof(un.sun_path), g->qmp))
		return "no such socket";
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) < 0)
		return errno == EAGAIN ? why : arena_strdup(s->arena, strerror(errno));
	json_t *greeting = next_object(&q), *ready = greeting ? ask(&q, "qmp_capabilities") : NULL;
	json_t *answer = ready ? ask(&q, "query-rx-filter") : NULL;
	if (json_is_array(json_object_get(answer, "return"))) {
		take_filters(s, g->name, json_object_get(answer, "return"));
		why = NULL;
	} else if (answer) {
		why = arena_printf(s->arena, "QEMU: %s", snap_json_text(json_object_get(answer, "error"), "desc"));
	}
	json_decref(greeting);
	json_decref(ready);
	json_decref(answer);
	free(q.buf);
	return why;
}

void snap_read_qmp(struct snap_reader *r)
{
	struct snapshot *s = r->s;
	mono_t all = mono_now() + ALL_MS * MONO_MS;

	for (size_t i = 0; i < s->n_guests; i++) {
		const struct snap_guest *g = &s->guests[i];
		bool macvtap = false;

		for (size_t j = 0; j < s->n_nics; j++)
			macvtap |= s->nics[j].live && strcmp(s->nics[j].guest, g->name) == 0 && s->nics[j].kind &&
				   strcmp(s->nics[j].kind, "macvtap") == 0;
		if (!macvtap || !g->running)
			continue;
		if (!g->qmp || g->qmp[0] == '\0') {
			snapshot_add_unread(s, SNAP_PART_QMP, g->name, "%s",
					    strcmp(g->by, "libvirt") == 0 ? "libvirt holds its monitor"
									  : "its QEMU has no monitor that we know of");
			continue;
		}
		const char *why = mono_now() < all ? query(s, g, mono_min(all, mono_now() + ONE_MS * MONO_MS))
						   : "too many guests to ask in half a second";
		if (why)
			snapshot_add_unread(s, SNAP_PART_QMP, g->name, "%s", why);
	}
}

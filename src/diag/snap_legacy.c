/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_legacy - whether iptables-legacy decides anything
 *
 * A table that was only looked at once holds nothing but policies that accept,
 * and may be forgotten. Only tables that the kernel names are asked for: asking
 * for another would make it.
 */
#include "diag/snap_read.h"

#include <assert.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#define TABLE_MAX (16U << 20)	/* bytes */

/* ipt_getinfo and ip6t_getinfo are alike, and so are the two numbers. */
static_assert(sizeof(struct ipt_getinfo) == sizeof(struct ip6t_getinfo), "one struct for both");
static_assert(IPT_SO_GET_INFO == IP6T_SO_GET_INFO && IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES, "one number for both");

/* Do all policies accept? @p: the entries as the kernel gave them. */
static bool policies_accept(uint8_t family, const struct ipt_getinfo *info, const uint8_t *p)
{
	for (size_t hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		size_t at = info->underflow[hook], entry, target;
		struct xt_standard_target t;

		if (!(info->valid_hooks & 1U << hook))
			continue;
		entry = family == NFPROTO_IPV4 ? sizeof(struct ipt_entry) : sizeof(struct ip6t_entry);
		if (at > info->size || info->size - at < entry)
			return false;
		target = family == NFPROTO_IPV4 ? ((const struct ipt_entry *)(const void *)(p + at))->target_offset :
						  ((const struct ip6t_entry *)(const void *)(p + at))->target_offset;
		if (target > info->size - at || info->size - at - target < sizeof(t))
			return false;
		memcpy(&t, p + at + target, sizeof(t));
		if (t.target.u.user.name[0] != '\0' || t.verdict != -NF_ACCEPT - 1)
			return false;
	}
	return true;
}

static struct snap_bytes keep(struct snapshot *s, const void *bytes, size_t n)
{
	uint8_t *p = arena_alloc(s->arena, n + 1, 1);

	memcpy(p, bytes, n);
	return (struct snap_bytes){ p, (uint32_t)n };
}

static void read_table(struct snapshot *s, int fd, uint8_t family, const char *name)
{
	int level = family == NFPROTO_IPV4 ? IPPROTO_IP : IPPROTO_IPV6;
	struct snap_legacy *l = SNAP_ADD(s, legacy);
	struct ipt_getinfo info = { 0 };
	socklen_t len = sizeof(info);
	_cleanup_(freep) uint8_t *block = NULL;

	*l = (struct snap_legacy){ .family = family, .name = arena_strdup(s->arena, name), .empty = -1 };
	(void)str_copy(info.name, sizeof(info.name), name);
	if (fd < 0 || getsockopt(fd, level, IPT_SO_GET_INFO, &info, &len) < 0) {
		snapshot_add_unread(s, SNAP_PART_LEGACY, name, "%s", fd < 0 ? "no raw socket" : strerror(errno));
		return;
	}
	l->entries = info.num_entries;
	if (info.size > TABLE_MAX) {
		l->empty = 0;
		return;
	}
	size_t head = family == NFPROTO_IPV4 ? offsetof(struct ipt_get_entries, entrytable) :
					       offsetof(struct ip6t_get_entries, entrytable);
	block = xcalloc(head + info.size + sizeof(struct xt_standard_target), 1);
	memcpy(block, info.name, sizeof(info.name));
	memcpy(block + sizeof(info.name), &info.size, sizeof(info.size));
	len = (socklen_t)(head + info.size);
	if (getsockopt(fd, level, IPT_SO_GET_ENTRIES, block, &len) < 0)
		return;
	/* Besides a policy for each hook there is one entry that marks the end. */
	l->empty = info.num_entries == (uint32_t)__builtin_popcount(info.valid_hooks) + 1 &&
		   policies_accept(family, &info, block + head);
	if (l->empty)
		return;
	l->info = keep(s, &info, sizeof(info));
	l->block = keep(s, block + head, info.size);
}

void snap_read_legacy(struct snap_reader *r)
{
	static const struct {
		uint8_t family;
		int af;
		const char *names;
	} families[] = {
		{ NFPROTO_IPV4, AF_INET, "/proc/thread-self/net/ip_tables_names" },
		{ NFPROTO_IPV6, AF_INET6, "/proc/thread-self/net/ip6_tables_names" },
	};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		_cleanup_(freep) char *text = NULL;
		int e = snap_file(families[i].names, &text);
		char *at = text, *name;

		if (e == -ENOENT)
			continue;	/* the module isn't loaded */
		if (e < 0) {
			snapshot_add_unread(r->s, SNAP_PART_LEGACY, families[i].names, "%s", strerror(-e));
			continue;
		}
		_cleanup_(closep) int fd = text[0] ? socket(families[i].af, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW) : -1;
		while ((name = snap_line(&at)))
			read_table(r->s, fd, families[i].family, name);
	}
}

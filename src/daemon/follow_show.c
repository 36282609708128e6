/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * follow_show - macvtaps that are followed, as `status` has them
 */
#include "daemon/follow_priv.h"

#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>

static const char *mode_name(uint32_t mode)
{
	switch (mode) {
	case MACVLAN_MODE_BRIDGE:
		return "bridge";
	case MACVLAN_MODE_VEPA:
		return "vepa";
	case MACVLAN_MODE_PRIVATE:
		return "private";
	case MACVLAN_MODE_PASSTHRU:
		return "passthru";
	case MACVLAN_MODE_SOURCE:
		return "source";
	}
	return "";
}

static json_t *because_json(uint8_t reasons, const char *const *names, unsigned int n)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < n; i++)
		if (reasons >> i & 1)
			(void)json_array_append_new(list, json_string(names[i]));
	return list;
}

/* An address whose group the guest has left is no longer its own. */
static bool is_current(const struct followed *f, const struct ip *ip)
{
	if (ip->family != AF_INET6 || f->all)
		return true;
	const struct in6_addr group = ip6_solicited_node(&ip->v6);
	const struct mac mac = mac_of_multicast6(&group);

	for (size_t i = 0; i < f->n_groups; i++)
		if (mac_eq(&f->groups[i].mac, &mac))
			return true;
	return false;
}

static json_t *device_json(const struct followed *f)
{
	json_t *o = json_pack("{s:s, s:s, s:s}", "device", f->device, "mac", MAC_STR(&f->mac), "mode", mode_name(f->mode));
	json_t *groups = json_array(), *ipv4 = json_array(), *ipv6 = json_array();
	char lower[IF_NAMESIZE];

	if (f->lower && if_indextoname(f->lower, lower))
		(void)json_object_set_new(o, "lower", json_string(lower));
	for (size_t i = 0; i < f->n_groups; i++)
		if (f->groups[i].joined)
			(void)json_array_append_new(groups, json_pack("{s:s, s:o}", "group", MAC_STR(&f->groups[i].mac), "because",
								     because_json(f->groups[i].reasons, mcast_reason_name,
										  MCAST_REASONS)));
	(void)json_object_set_new(o, "groups", groups);
	(void)json_object_set_new(o, "all", json_boolean(f->all != 0));
	if (f->all)
		(void)json_object_set_new(o, "all_because", because_json(f->all, mcast_all_text, MCAST_ALL_BITS));
	for (size_t i = 0; i < f->n_seen; i++)
		if (is_current(f, &f->seen[i].ip))
			(void)json_array_append_new(f->seen[i].ip.family == AF_INET ? ipv4 : ipv6,
						    json_string(IP_STR(&f->seen[i].ip)));
	(void)json_object_set_new(o, "ipv4", ipv4);
	(void)json_object_set_new(o, "ipv6", ipv6);
	if (f->has_monitor)
		(void)json_object_set_new(o, "monitor", json_boolean(f->monitor_open));
	if (f->has_monitor && !f->monitor_open)
		(void)json_object_set_new(o, "monitor_because", json_pack("[s]", f->monitor_error < 0 ? strerror(-f->monitor_error) :
									   "it hung up, or isn't QEMU's"));
	return o;
}

json_t *follow_guest_json(const struct daemon_main *d, uint32_t ifindex)
{
	const struct followed *f = follow_find(d, ifindex);

	return f && !f->by ? device_json(f) : NULL;
}

json_t *follow_adopted_json(const struct daemon_main *d)
{
	json_t *list = json_array();

	for (const struct adoption *a = d->adoptions; a; a = a->next) {
		json_t *devices = json_array();

		for (const struct followed *f = d->follow->devices; f; f = f->hh.next)
			if (f->by == a)
				(void)json_array_append_new(devices, device_json(f));
		json_t *o = json_pack("{s:s, s:s, s:b, s:o}", "subject", a->subject, "state",
				      json_array_size(devices) > 0 ? "followed" : "away", "runtime", !a->source, "devices", devices);
		if (a->monitor)
			(void)json_object_set_new(o, "monitor", json_string(a->monitor));
		(void)json_array_append_new(list, o);
	}
	return list;
}

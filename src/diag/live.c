/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live - one interface as the kernel has it now, for the commands that send
 */
#include "diag/live.h"

#include <linux/if_addr.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "kern/kern.h"
#include "kern/observe.h"

static int open_kernel(struct kern **ret, struct report *report)
{
	const struct kern_conf conf = { .run_dir = "/nonexistent", .proc_sys_fd = -1, .tun_fd_dir = -1 };

	return kern_new(ret, &conf, report);
}

int live_read(struct world **ret, struct report *report)
{
	_cleanup_(world_freep) struct world *world = world_new();
	_cleanup_(kern_freep) struct kern *kern = NULL;
	int r = open_kernel(&kern, report);

	if (r == 0)
		r = kern_observe(kern, NULL, 0, world, report);
	if (r < 0)
		return r;
	*ret = STEAL_PTR(world);
	return 0;
}

static const struct {
	const char *name;
	size_t at;
} knobs[] = {
#define KNOB(name) { #name, offsetof(struct slaac_settings, name) }
	KNOB(disable_ipv6),
	KNOB(accept_ra),
	KNOB(forwarding),
	KNOB(autoconf),
	KNOB(accept_ra_pinfo),
	KNOB(accept_ra_defrtr),
	KNOB(router_solicitations),
	KNOB(addr_gen_mode),
	KNOB(use_tempaddr),
	KNOB(max_addresses),
	KNOB(accept_ra_min_lft),
	KNOB(accept_ra_min_hop_limit),
	KNOB(accept_ra_rt_info_max_plen),
	KNOB(accept_ra_mtu),
#undef KNOB
};

int live_settings(const struct world *world, const struct w_link *link, struct slaac_settings *ret,
		  struct report *report)
{
	_cleanup_(world_freep) struct world *values = world_new();
	_cleanup_(kern_freep) struct kern *kern = NULL;
	struct slaac_settings s = {
		.present = link->have_inet6,
		.up = link->flags & IFF_UP,
		.carrier = link->flags & IFF_RUNNING,
		.loopback = link->flags & IFF_LOOPBACK,
		.port = link->master != 0,
		.mtu = link->mtu,
		.link_local = live_link_local(world, link->ifindex) != NULL,
	};
	char text[ARRAY_LEN(knobs)][80];
	const char *paths[ARRAY_LEN(knobs)];
	int r = open_kernel(&kern, report);

	for (size_t i = 0; i < ARRAY_LEN(knobs); i++) {
		(void)snprintf(text[i], sizeof(text[i]), "net/ipv6/conf/%s/%s", link->name, knobs[i].name);
		paths[i] = text[i];
	}
	if (r == 0)
		r = kern_observe_sysctls(kern, paths, ARRAY_LEN(paths), values, report);
	if (r < 0)
		return r;
	const struct w_link *master = world_link(world, link->master);
	if (master && str_eq(master->kind, "vrf"))	/* has its own address, unlike a bridge's port */
		s.port = false;
	for (size_t i = 0; i < ARRAY_LEN(knobs); i++) {
		const char *value = world_sysctl(values, paths[i]);
		int32_t number = value ? (int32_t)strtol(value, NULL, 10) : 0;

		memcpy((char *)&s + knobs[i].at, &number, sizeof(number));
	}
	*ret = s;
	return 0;
}

static bool usable(const struct w_addr *a)
{
	return !(a->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) || (a->flags & IFA_F_OPTIMISTIC);
}

const struct w_addr *live_link_local(const struct world *world, uint32_t ifindex)
{
	for (size_t i = 0; i < world->n_addrs; i++) {
		const struct w_addr *a = &world->addrs[i];

		if (a->ifindex == ifindex && a->prefix.ip.family == AF_INET6 && ip_is_link_local(&a->prefix.ip) &&
		    usable(a))
			return a;
	}
	return NULL;
}

const struct w_addr *live_source(const struct world *world, uint32_t ifindex, const struct ip *target)
{
	const struct w_addr *best = live_link_local(world, ifindex);

	if (ip_is_link_local(target) && best)
		return best;
	for (size_t i = 0; i < world->n_addrs; i++) {
		const struct w_addr *a = &world->addrs[i];

		if (a->ifindex != ifindex || a->prefix.ip.family != AF_INET6 || ip_is_link_local(&a->prefix.ip) ||
		    !usable(a))
			continue;
		if (prefix_contains(&a->prefix, target) && !ip_eq(&a->prefix.ip, target))
			return a;
		if (!best)
			best = a;
	}
	return best;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adopt_find - by what a guest of somebody else's is known: the MACs of its NICs
 */
#include <stdio.h>
#include "cmd/adopt.h"
#include "ctl/paths.h"
#include "io/libvirt.h"
#include "kern/kern.h"
#include "kern/observe.h"

#define LIBVIRT "libvirt:"

static int no_macvtap(struct cmd *cmd, const char *name, const struct w_link *link)
{
	struct finding *f = report_error(cmd->report, name, "is %s%s, not a macvtap", *link->kind ? "a " : "a network card",
					 link->kind);

	report_help(f, "only a macvtap keeps multicast from its guest; there is nothing to look after here");
	return 1;
}

static int find_interface(struct cmd *cmd, const char *name, struct adopt_found *ret)
{
	const struct kern_conf conf = { .run_dir = cmd->run_dir, .proc_sys_fd = -1, .tun_fd_dir = -1 };
	_cleanup_(world_freep) struct world *world = world_new();
	_cleanup_(kern_freep) struct kern *kern = NULL;
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	if (kern_new(&kern, &conf, cmd->report) < 0 || kern_observe_links(kern, world) < 0) {
		report_error(cmd->report, name, "cannot be looked up: the kernel doesn't list its interfaces");
		return 1;
	}
	const struct w_link *link = world_link_by_name(world, name);
	if (!link) {
		struct finding *f = report_error(cmd->report, name, "there is no such interface");

		report_help(f, "a guest that libvirt runs is adopted as  libvirt:NAME, also while it is off");
		return 1;
	}
	if (!str_eq(link->kind, "macvtap"))
		return no_macvtap(cmd, name, link);
	if (alias_parse(link->alias, network, guest)) {
		report_help(report_error(cmd->report, name, "belongs to %s/%s, which sixtap looks after anyway", network, guest),
			    "nothing is to be done");
		return 1;
	}
	ret->macs[0] = link->mac;
	ret->n_macs = 1;
	(void)str_copy(ret->devices[0], sizeof(ret->devices[0]), name);
	ret->n_devices = 1;
	return 0;
}

static int find_libvirt(struct cmd *cmd, const char *subject, bool ask, struct adopt_found *ret)
{
	const char *name = subject + strlen(LIBVIRT);
	_cleanup_(libvirt_guest_clear) struct libvirt_guest g = { .n = 0 };
	int r = libvirt_find(name, ask, &g);

	if (r != 0) {
		struct finding *f = report_error(cmd->report, subject, r < 0 ? "cannot be looked up: %s" : "libvirt knows no guest of "
						 "that name", strerror(-r));

		report_help(f, "virsh list --all names them; networks of libvirt can't be adopted yet");
		return 1;
	}
	for (size_t i = 0; i < g.n && ret->n_macs < CTL_ADOPT_NICS; i++)
		if (str_eq(g.nics[i].type, "direct") && !mac_is_zero(&g.nics[i].mac))
			ret->macs[ret->n_macs++] = g.nics[i].mac;
	if (ret->n_macs > 0)
		return 0;
	report_help(report_error(cmd->report, subject, "has no macvtap: none of its %zu NICs is <interface type='direct'>", g.n),
		    "only a macvtap keeps multicast from its guest; there is nothing to look after here");
	return 1;
}

int adopt_find(struct cmd *cmd, const char *subject, bool ask, struct adopt_found *ret)
{
	*ret = (struct adopt_found){ 0 };
	if (strncmp(subject, LIBVIRT, strlen(LIBVIRT)) == 0)
		return find_libvirt(cmd, subject, ask, ret);
	return find_interface(cmd, subject, ret);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * desired - what the configuration asks for
 */
#include "model/desired.h"

#include "base/fnv.h"

const char *const net_mode_name[NET_MODE_N_] = {
	[NET_MODE_NAT] = "nat",
	[NET_MODE_ROUTED] = "routed",
	[NET_MODE_ISOLATED] = "isolated",
	[NET_MODE_BRIDGE] = "bridge",
	[NET_MODE_MACVTAP] = "macvtap",
	[NET_MODE_HOSTDEV] = "hostdev",
};

const char *const macvtap_mode_name[MACVTAP_MODE_N_] = {
	[MACVTAP_MODE_BRIDGE] = "bridge",
	[MACVTAP_MODE_VEPA] = "vepa",
	[MACVTAP_MODE_PRIVATE] = "private",
	[MACVTAP_MODE_PASSTHRU] = "passthru",
	[MACVTAP_MODE_SOURCE] = "source",
};

const char *const macvtap_multicast_name[MACVTAP_MULTICAST_N_] = {
	[MACVTAP_MULTICAST_AUTO] = "auto",
	[MACVTAP_MULTICAST_ALL] = "all",
	[MACVTAP_MULTICAST_OFF] = "off",
};

const char *const host_access_name[HOST_ACCESS_N_] = {
	[HOST_ACCESS_YES] = "yes",
	[HOST_ACCESS_SERVICES] = "services",
	[HOST_ACCESS_NO] = "no",
};

const char *const ip6_source_name[IP6_SOURCE_N_] = {
	[IP6_SOURCE_OFF] = "off",
	[IP6_SOURCE_STATIC] = "static",
	[IP6_SOURCE_ULA] = "ula",
	[IP6_SOURCE_DELEGATED] = "delegated",
	[IP6_SOURCE_ON_LINK] = "on-link",
	[IP6_SOURCE_AUTO] = "auto",
};

struct desired *desired_new(void)
{
	struct desired *d = NEW(struct desired);

	d->arena = arena_new();
	return d;
}

struct desired *desired_free(struct desired *desired)
{
	if (!desired)
		return NULL;
	arena_free(desired->arena);
	free(desired);
	return NULL;
}

struct d_network *desired_network(const struct desired *desired, const char *name)
{
	for (size_t i = 0; i < desired->n_networks; i++)
		if (str_eq(desired->networks[i].name, name))
			return &desired->networks[i];
	return NULL;
}

struct d_guest *desired_guest(const struct d_network *network, const char *name)
{
	for (size_t i = 0; i < network->n_guests; i++)
		if (str_eq(network->guests[i].name, name))
			return &network->guests[i];
	return NULL;
}

void desired_no_network(const struct desired *desired, const char *name, const char *source, struct report *report)
{
	_cleanup_(freep) char *known = xstrdup("");

	for (size_t i = 0; i < desired->n_networks && i < 20; i++) {
		char *more = xasprintf("%s%s%s", known, i ? ", " : "", desired->networks[i].name);

		free(known);
		known = more;
	}
	struct finding *f = report_error(report, name, "%s declares no network of that name", source);

	report_help(f, desired->n_networks ? "it has %s" : "it has none%s", known);
	f->exit_status = 2;
}

uint32_t network_group(const char *name)
{
	return (fnv32_text(name) & 0x00ffffff) | 0x66000000;
}

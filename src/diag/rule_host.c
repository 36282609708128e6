/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_host - does the host get an address and a route by RA, and keep them?
 *
 * processed = accept_ra == 2 || (accept_ra == 1 && the interface's forwarding == 0)
 * prefix    = processed && accept_ra_pinfo
 * address   = prefix && autoconf && A flag && length 64
 * default   = processed && accept_ra_defrtr && lifetime > 0
 *
 * (net/ipv6/ndisc.c, ndisc_router_discovery(); net/ipv6/addrconf.c,
 * addrconf_prefix_rcv().) Icmp6InRouterAdvertisements of an interface counts
 * RAs that are ignored, too: so a router is known to be there without asking.
 */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "diag/fix_link.h"
#include "diag/role.h"
#include "diag/rules.h"
#include "diag/snapshot.h"

#define IFAPROT_KERNEL_RA 2 /* linux/if_addr.h of 5.18 */
#define GEN_MODE_NONE 1
#define MTU_IPV6 1280
#define MTU_USUAL 1500

static bool is_up(const struct snap_link *l)
{
	return (l->flags & IFF_UP) && l->carrier && !(l->flags & IFF_LOOPBACK);
}

static bool processed(const struct snap_conf6 *c)
{
	return c->accept_ra == 2 || (c->accept_ra == 1 && c->forwarding == 0);
}

/* Of a bridge or bond: it has no addresses of its own. */
static bool is_port(const struct snap_link *l)
{
	return l->master && !str_eq(l->slave_kind, "vrf");
}

/* Interfaces by which the host itself might live on RAs. */
static bool may_need_ra(const struct findings *found, const struct snap_link *l)
{
	return is_up(l) && l->conf6.present && !l->conf6.disable_ipv6 && !is_port(l) &&
	       !role_is(found->roles, l->ifindex, ROLE_GUEST | ROLE_GUEST_ONLY | ROLE_OURS);
}

static const char *conf_path(const char *device, const char *name, char buf[static 128])
{
	(void)snprintf(buf, 128, "net/ipv6/conf/%s/%s", device, name);
	return buf;
}

static const char *number(int64_t n, char buf[static 24])
{
	(void)snprintf(buf, 24, "%lld", (long long)n);
	return buf;
}

#define NUMBER(n) number((n), (char[24]){ 0 })
#define CONF_PATH(device, name) conf_path((device), (name), (char[128]){ 0 })

/* A VRF's table isn't told by its rules: any but the main one with a default route through it. */
static const struct snap_route *default_of_vrf(const struct snapshot *snap, const struct snap_link *l)
{
	for (size_t i = 0; i < snap->n_routes; i++) {
		const struct snap_route *r = &snap->routes[i];

		if (r->dst.ip.family == AF_INET6 && r->dst.len == 0 && r->oif == l->ifindex && r->type == RTN_UNICAST &&
		    r->table != RT_TABLE_MAIN)
			return r;
	}
	return NULL;
}

/* A default route by which the host gets out; one that a guest announces isn't, nor one through a bridge's port. */
static bool way_out(const struct snapshot *snap, const struct findings *found)
{
	if (role_default_by_rule(snap, AF_INET6))
		return true;
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		const struct snap_route *r = role_default(snap, AF_INET6, l->ifindex, 0, -1);

		/* What is in a VRF has its default route there. */
		if (!r && str_eq(l->slave_kind, "vrf"))
			r = default_of_vrf(snap, l);
		if (r && !is_port(l) && (r->protocol != RTPROT_RA || !role_is(found->roles, l->ifindex, ROLE_GUEST_ONLY)))
			return true;
	}
	return false;
}

/* An address that came of an RA, or could have. */
static const struct snap_addr *ra_address(const struct snapshot *snap, uint32_t ifindex)
{
	size_t n;
	const struct snap_addr *a = snap_addrs(snap, ifindex, &n);

	for (size_t i = 0; i < n; i++)
		if (a[i].prefix.ip.family == AF_INET6 && a[i].scope == RT_SCOPE_UNIVERSE &&
		    (a[i].proto == IFAPROT_KERNEL_RA || (!(a[i].flags & IFA_F_PERMANENT) && a[i].prefix.len == 64)))
			return &a[i];
	return NULL;
}

static const struct snap_addr *any_address(const struct snapshot *snap, uint32_t ifindex, uint8_t scope)
{
	size_t n;
	const struct snap_addr *a = snap_addrs(snap, ifindex, &n);

	for (size_t i = 0; i < n; i++)
		if (a[i].prefix.ip.family == AF_INET6 && a[i].scope == scope && !(a[i].flags & IFA_F_DADFAILED))
			return &a[i];
	return NULL;
}

static void ra_evidence(const struct snapshot *snap, struct diag_finding *f, const struct snap_link *l)
{
	uint64_t n = 0;

	finding_value(f, "accept_ra", "%d", l->conf6.accept_ra);
	finding_value(f, "forwarding", "%d", l->conf6.forwarding);
	if (role_ra_heard(snap, l, &n) && n > 0)
		finding_value(f, "router_advertisements_heard", "%llu", (unsigned long long)n);
}

/* Who set it, as far as files tell: the line that decides at boot. */
static void set_by(const struct snapshot *snap, struct diag_finding *f, const char *path)
{
	const struct snap_sysctl_line *line = snap_sysctl_line(snap, path);

	if (line)
		finding_value(f, "set_by", "%s:%u (%s)", line->file, line->line, line->path);
}

static void fix_accept_ra(struct diag_finding *f, const struct snap_link *l, const char *value)
{
	struct diag_fix *fix = finding_fix(f, "accept-ra", FIX_LASTS_LIVE);

	fix_sysctl(f, fix, CONF_PATH(l->name, "accept_ra"), NUMBER(l->conf6.accept_ra), value);
	fix_confirm_route(fix, l->name);
}

/* ------------------------------------------------------- ra.ignored-forwarding */

static void judge_ignored_forwarding(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		const struct snap_route *route;
		struct diag_finding *f;

		if (!may_need_ra(found, l) || l->conf6.accept_ra != 1 || l->conf6.forwarding == 0 ||
		    !role_kernel_ra(snap, l->ifindex))
			continue;
		if (!role_ra_heard(snap, l, NULL) && !ra_address(snap, l->ifindex))
			continue;
		route = role_default(snap, AF_INET6, l->ifindex, 0, RTPROT_RA);
		if (!route && way_out(snap, found))
			continue; /* a static one, or another way out */
		f = findings_add(found, l->name);
		finding_network(f, role_of(found->roles, l->ifindex)->network);
		if (route) {
			f->severity = SEVERITY_WARNING;
			finding_what(f, "%s ignores router advertisements: the host's IPv6 default route ends in %u s.",
				     l->name, route->expires_s);
		} else {
			finding_what(f, "The host has no IPv6 default route: %s ignores router advertisements.",
				     l->name);
		}
		finding_why(f, "With accept_ra=1 the kernel ignores them on an interface that forwards, and something "
			       "has turned "
			       "forwarding on.");
		ra_evidence(snap, f, l);
		finding_value(f, "default_route", "%s", route ? "by RA, not renewed any more" : "none");
		set_by(snap, f, CONF_PATH(l->name, "forwarding"));
		finding_seen_in(f, "sysctl net.ipv6.conf.%s, /proc/net/dev_snmp6/%s, ip -6 route", l->name, l->name);
		fix_accept_ra(f, l, "2");
	}
}

/* ------------------------------------------------------- ra.all-has-no-effect */

static void judge_all_has_no_effect(const struct snapshot *snap, struct findings *found)
{
	/* 1 is what the kernel starts with, so only another value was somebody's wish. */
	if (!snap->conf6_all.present || snap->conf6_all.accept_ra != 2)
		return;
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		struct diag_finding *f;

		if (!may_need_ra(found, l) || processed(&l->conf6) || !role_kernel_ra(snap, l->ifindex) ||
		    !role_is(found->roles, l->ifindex, ROLE_UPLINK | ROLE_HEARD))
			continue;
		if (!role_default(snap, AF_INET6, l->ifindex, 0, RTPROT_RA) && way_out(snap, found))
			continue;
		f = findings_add(found, l->name);
		finding_what(f, "net.ipv6.conf.all.accept_ra=2 was set and has no effect on %s, which has %d.", l->name,
			     l->conf6.accept_ra);
		finding_why(f, "Some `all` settings are copied to interfaces, some are combined with theirs; accept_ra "
			       "of `all` is "
			       "never looked at.");
		finding_value(f, "all", "%d", snap->conf6_all.accept_ra);
		finding_value(f, "default", "%d", snap->conf6_default.accept_ra);
		finding_value(f, l->name, "%d", l->conf6.accept_ra);
		set_by(snap, f, "net/ipv6/conf/all/accept_ra");
		fix_accept_ra(f, l, "2");
	}
}

/* ------------------------------------------------------------ ra.not-accepted */

/* What an RA doesn't get done because of one setting. */
struct knob {
	const char *name;
	int32_t value;
	const char *missing;
	bool applies;
};

static void not_accepted(const struct snapshot *snap, struct findings *found, const struct snap_link *l,
			 const struct knob *k)
{
	struct diag_finding *f = findings_add(found, l->name);
	struct diag_fix *fix = finding_fix(f, k->name, FIX_LASTS_LIVE);
	const char *value = str_eq(k->name, "accept_ra") && l->conf6.forwarding ? "2" : "1";

	finding_network(f, role_of(found->roles, l->ifindex)->network);
	finding_what(f, "A router advertises itself on %s, and %s has no %s: %s=%d.", l->name,
		     role_is(found->roles, l->ifindex, ROLE_UPLINK) ? "the host" : l->name, k->missing, k->name,
		     k->value);
	finding_why(f, "%s",
		    str_eq(k->name, "accept_ra") ? "With accept_ra=0 nothing of a router advertisement is used."
		    : str_eq(k->name, "accept_ra_defrtr") ? "With accept_ra_defrtr=0 no default route is made of it."
		    : str_eq(k->name, "accept_ra_pinfo")  ? "With accept_ra_pinfo=0 its prefixes are not looked at."
							  : "With autoconf=0 no address is made of its prefixes.");
	ra_evidence(snap, f, l);
	if (!str_eq(k->name, "accept_ra"))
		finding_value(f, k->name, "%d", k->value);
	set_by(snap, f, CONF_PATH(l->name, k->name));
	finding_seen_in(f, "sysctl net.ipv6.conf.%s, /proc/net/dev_snmp6/%s", l->name, l->name);
	fix_sysctl(f, fix, CONF_PATH(l->name, k->name), NUMBER(k->value), value);
	if (str_eq(k->name, "accept_ra") || str_eq(k->name, "accept_ra_defrtr"))
		fix_confirm_route(fix, l->name);
	else
		fix_run(f, fix, (const char *const[]){ "rs", l->name, NULL });
}

static void judge_not_accepted(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		const struct snap_conf6 *c = &l->conf6;

		if (!may_need_ra(found, l) || !role_kernel_ra(snap, l->ifindex) || !role_ra_heard(snap, l, NULL))
			continue;
		bool no_route = !way_out(snap, found);
		bool no_address =
			!any_address(snap, l->ifindex, RT_SCOPE_UNIVERSE) && !(l->inet6_flags & SNAP_IF_RA_MANAGED);
		const struct knob knobs[] = {
			/* With an address of its own and a way out it's a router, or static, on purpose. */
			{ "accept_ra", c->accept_ra, no_route ? "IPv6 default route" : "IPv6 address",
			  c->accept_ra == 0 &&
				  (no_route || (no_address && role_is(found->roles, l->ifindex, ROLE_UPLINK))) },
			{ "accept_ra_defrtr", c->accept_ra_defrtr, "IPv6 default route",
			  c->accept_ra != 0 && c->accept_ra_defrtr == 0 && no_route },
			{ "accept_ra_pinfo", c->accept_ra_pinfo, "IPv6 address",
			  c->accept_ra != 0 && c->accept_ra_pinfo == 0 && no_address },
			{ "autoconf", c->autoconf, "IPv6 address",
			  c->accept_ra != 0 && c->accept_ra_pinfo != 0 && c->autoconf == 0 && no_address },
		};

		for (size_t k = 0; k < ARRAY_LEN(knobs); k++)
			if (knobs[k].applies)
				not_accepted(snap, found, l, &knobs[k]);
	}
}

/* ---------------------------------------------- ra.userspace, ra.userspace-refuses */

static const struct snap_manager *ra_manager(const struct snapshot *snap, uint32_t ifindex)
{
	size_t n;
	const struct snap_manager *m = snap_managers(snap, ifindex, &n);

	for (size_t i = 0; i < n; i++)
		if (m[i].manages && m[i].handles_ra == 1)
			return &m[i];
	return NULL;
}

/* A line of sysctl.d that means to change how RAs are taken here. */
static const struct snap_sysctl_line *wished(const struct snapshot *snap, const struct snap_link *l)
{
	static const char *const names[] = { "accept_ra", "autoconf", "accept_ra_defrtr", "accept_ra_pinfo" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct snap_sysctl_line *line = snap_sysctl_line(snap, CONF_PATH(l->name, names[i]));

		if (line)
			return line;
	}
	return NULL;
}

static void judge_userspace(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		const struct snap_manager *m = ra_manager(snap, l->ifindex);
		const struct snap_sysctl_line *line = m && may_need_ra(found, l) ? wished(snap, l) : NULL;
		struct diag_finding *f;

		if (!line || m->accepts_ra == 0)
			continue;
		f = findings_add(found, l->name);
		finding_what(f, "%s:%u has no effect: %s handles router advertisements on %s, not the kernel.",
			     line->file, line->line, m->manager, l->name);
		finding_why(f,
			    "A program that handles them itself turns the kernel's accept_ra off on its interfaces.");
		finding_value(f, "handler", "%s", m->manager);
		finding_value(f, "line", "%s = %s", line->path, line->value);
		if (m->file[0])
			finding_value(f, "change_it_in", "%s", m->file);
	}
}

static void judge_userspace_refuses(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		const struct snap_manager *m = ra_manager(snap, l->ifindex);
		struct diag_finding *f;
		struct diag_fix *fix;

		if (!m || m->accepts_ra != 0 || !may_need_ra(found, l) || !role_ra_heard(snap, l, NULL) ||
		    way_out(snap, found))
			continue;
		f = findings_add(found, l->name);
		finding_what(f, "The host has no IPv6 default route: %s holds %s and takes no router advertisements.",
			     m->manager, l->name);
		finding_why(f, "It turns the kernel's accept_ra off and doesn't listen itself%s%s.",
			    m->ra_setting[0] ? ": " : "", m->ra_setting);
		ra_evidence(snap, f, l);
		finding_value(f, "handler", "%s", m->manager);
		if (m->file[0])
			finding_value(f, "file", "%s", m->file);
		fix = finding_fix(f, "by-hand", FIX_LASTS_REBOOT_SAFE);
		fix_note(f, fix, "%s owns this setting", m->manager);
		if (str_eq(m->manager, "systemd-networkd")) {
			fix_command(f, fix, "in %s, section [Network]:  IPv6AcceptRA=yes",
				    m->source[0] ? m->source : m->file);
			fix_command(f, fix, "networkctl reload");
		} else if (str_eq(m->manager, "NetworkManager")) {
			fix_command(f, fix, "nmcli device modify %s ipv6.method auto", l->name);
		} else {
			fix_command(f, fix, "in %s: ipv6rs", m->file[0] ? m->file : "dhcpcd.conf");
		}
	}
}

/* ------------------------------------------------------- ra.no-default-router */

static void judge_no_default_router(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		const struct snap_addr *address;
		struct diag_finding *f;
		struct diag_fix *fix;

		if (!may_need_ra(found, l) || !role_kernel_ra(snap, l->ifindex) || !processed(&l->conf6) ||
		    l->conf6.accept_ra_defrtr == 0 || !(l->inet6_flags & SNAP_IF_RA_RCVD) || way_out(snap, found))
			continue;
		address = ra_address(snap, l->ifindex);
		if (!address && l->conf6.autoconf && l->conf6.accept_ra_pinfo)
			continue; /* nothing has come of an RA yet */
		f = findings_add(found, l->name);
		finding_network(f, role_of(found->roles, l->ifindex)->network);
		finding_what(f, "The host has no IPv6 default route: no router on %s offers itself as one.", l->name);
		finding_why(f, "Router advertisements are taken there, so their router lifetime is 0%s.",
			    l->conf6.accept_ra_min_lft > 0 ? ", or below accept_ra_min_lft" : "");
		ra_evidence(snap, f, l);
		if (address)
			finding_value(f, "address", "%s", PREFIX_STR(&address->prefix));
		fix = finding_fix(f, "router", FIX_LASTS_REBOOT_SAFE);
		fix_note(f, fix, "at the router: see who says so, and why it has no way out itself");
		fix_command(f, fix, "sixtap rs %s", l->name);
	}
}

/* ---------------------------------------------------------- ra.prefix-not-64 */

static void judge_prefix_not_64(const struct snapshot *snap, struct findings *found)
{
	size_t n;
	const struct snap_route *r = snap_routes(snap, AF_INET6, RT_TABLE_MAIN, &n);

	for (size_t i = 0; i < n; i++) {
		const struct snap_link *l = snap_link(snap, r[i].oif);
		struct diag_finding *f;
		struct diag_fix *fix;

		/* An on-link prefix that expires comes of a prefix option. */
		if (!l || r[i].dst.len == 0 || r[i].dst.len == 64 || r[i].dst.len == 128 || r[i].gateway.family ||
		    r[i].expires_s == 0 || (r[i].protocol != RTPROT_KERNEL && r[i].protocol != RTPROT_RA))
			continue;
		if (!may_need_ra(found, l) || !role_kernel_ra(snap, l->ifindex) || !processed(&l->conf6) ||
		    l->conf6.autoconf == 0 || (l->inet6_flags & SNAP_IF_RA_MANAGED) ||
		    any_address(snap, l->ifindex, RT_SCOPE_UNIVERSE))
			continue;
		f = findings_add(found, l->name);
		finding_what(f, "%s has no IPv6 address: the prefix that is announced there, %s, isn't a /64.", l->name,
			     PREFIX_STR(&r[i].dst));
		finding_why(f, "An interface identifier has 64 bits (RFC 4862 5.5.3), so the kernel makes an on-link "
			       "route of another "
			       "length, and no address.");
		finding_value(f, "prefix", "%s", PREFIX_STR(&r[i].dst));
		finding_seen_in(f, "ip -6 route show dev %s", l->name);
		fix = finding_fix(f, "router", FIX_LASTS_REBOOT_SAFE);
		fix_note(f, fix, "at the router: announce a /64, or serve DHCPv6 without the autonomous flag");
		fix_command(f, fix, "sixtap rs %s", l->name);
	}
}

/* ------------------------------------------------------------------- ra.rogue */

static const struct snap_neigh *router_neigh(const struct snapshot *snap, const struct snap_route *r)
{
	return r->gateway.family ? snap_neigh(snap, r->oif, &r->gateway) : NULL;
}

/* Addresses that the host made of a guest's RA. */
static void fix_believed(const struct snapshot *snap, struct diag_finding *f, struct diag_fix *fix,
			 const struct snap_link *l)
{
	size_t n;
	const struct snap_addr *a = snap_addrs(snap, l->ifindex, &n);

	for (size_t i = 0; i < n; i++)
		if (a[i].prefix.ip.family == AF_INET6 && a[i].scope == RT_SCOPE_UNIVERSE &&
		    !(a[i].flags & IFA_F_PERMANENT))
			fix_addr_del(f, fix, snap, &a[i]);
}

static void judge_rogue(const struct snapshot *snap, struct findings *found)
{
	size_t n;
	const struct snap_route *r = snap_routes(snap, AF_INET6, RT_TABLE_MAIN, &n);

	for (size_t i = 0; i < n; i++) {
		const struct snap_link *l = snap_link(snap, r[i].oif);
		const struct snap_neigh *neigh;
		struct diag_finding *f;
		struct diag_fix *fix;

		if (r[i].dst.len != 0 || r[i].protocol != RTPROT_RA || r[i].type != RTN_UNICAST || !l ||
		    !role_is(found->roles, l->ifindex, ROLE_GUEST_ONLY))
			continue;
		if (role_is(found->roles, l->ifindex, ROLE_UPLINK))
			continue;
		neigh = router_neigh(snap, &r[i]);
		f = findings_add(found, l->name);
		finding_guest(f, role_of(found->roles, l->ifindex)->guest);
		finding_network(f, role_of(found->roles, l->ifindex)->network);
		finding_what(f,
			     "The host has an IPv6 default route through %s, which faces guests: a guest sends router "
			     "advertisements.",
			     l->name);
		finding_why(f, "%s accepts router advertisements, so whoever is behind it can take the host's traffic.",
			    l->name);
		finding_value(f, "router", "%s", IP_STR(&r[i].gateway));
		if (neigh && !mac_is_zero(&neigh->mac))
			finding_value(f, "mac", "%s", MAC_STR(&neigh->mac));
		ra_evidence(snap, f, l);
		finding_seen_in(f, "ip -6 route show default dev %s", l->name);
		fix = finding_fix(f, "accept-ra", FIX_LASTS_LIVE);
		fix_sysctl(f, fix, CONF_PATH(l->name, "accept_ra"), NUMBER(l->conf6.accept_ra), "0");
		/* What was believed already stays until it expires, unless it is taken away. */
		fix_route(f, fix, false, l->name,
			  &(struct op_route){ .dst = r[i].dst,
					      .gateway = r[i].gateway,
					      .metric = r[i].metric,
					      .protocol = RTPROT_RA });
		fix_believed(snap, f, fix, l);
	}
}

/* -------------------------------------------------------------- ipv6.disabled */

static bool libvirt_wants_ipv6(const struct snapshot *snap, const char *bridge)
{
	for (size_t i = 0; i < snap->n_libvirt_nets; i++)
		if (snap->libvirt_nets[i].active && str_eq(snap->libvirt_nets[i].bridge, bridge) &&
		    strstr(snap->libvirt_nets[i].live_xml, "family='ipv6'"))
			return true;
	return false;
}

/* The network with IPv6 that needs this interface, or NULL. */
static const struct snap_network *needed_by(const struct snapshot *snap, uint32_t ifindex, bool *as_uplink)
{
	for (size_t i = 0; i < snap->n_networks; i++) {
		const struct snap_network *n = &snap->networks[i];

		if (!n->ipv6.ip.family || str_eq(n->state, "down"))
			continue;
		*as_uplink = n->ifindex != ifindex;
		if (n->ifindex == ifindex || (n->uplink_ifindex == ifindex && !str_eq(n->mode, "isolated")))
			return n;
	}
	return NULL;
}

static void judge_disabled(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		bool as_uplink = false;
		const struct snap_network *net = needed_by(snap, l->ifindex, &as_uplink);
		struct diag_finding *f;
		struct diag_fix *fix;

		if (!l->conf6.present || l->conf6.disable_ipv6 == 0 || is_port(l) || str_eq(l->kind, "macvtap") ||
		    (!net && !libvirt_wants_ipv6(snap, l->name)))
			continue;
		f = findings_add(found, l->name);
		finding_network(f, net ? net->name : NULL);
		finding_what(f, "IPv6 is off on %s, which network %s %s.", l->name, net ? net->name : l->name,
			     as_uplink ? "needs as its uplink" : "is made of");
		finding_why(f, "disable_ipv6=1 takes every IPv6 address away and ignores all packets.");
		finding_value(f, "disable_ipv6", "%d", l->conf6.disable_ipv6);
		if (snap->conf6_all.disable_ipv6)
			finding_value(f, "all", "%d (copied to every interface when it was set)",
				      snap->conf6_all.disable_ipv6);
		set_by(snap, f, CONF_PATH(l->name, "disable_ipv6"));
		fix = finding_fix(f, "enable", FIX_LASTS_LIVE);
		fix_sysctl(f, fix, CONF_PATH(l->name, "disable_ipv6"), "1", "0");
		if (net && !as_uplink && !str_eq(net->state, ""))
			fix_run(f, fix, (const char *const[]){ "up", net->name, NULL });
		fix_note(f, fix, "static addresses that it had must be added again");
	}
}

/* --------------------------------------------------------- ipv6.no-link-local */

static void judge_no_link_local(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		struct diag_finding *f;
		struct diag_fix *fix;

		if (!may_need_ra(found, l) || l->conf6.addr_gen_mode != GEN_MODE_NONE ||
		    (!processed(&l->conf6) && !role_ra_heard(snap, l, NULL)) || !role_kernel_ra(snap, l->ifindex) ||
		    any_address(snap, l->ifindex, RT_SCOPE_LINK) ||
		    !role_is(found->roles, l->ifindex, ROLE_UPLINK | ROLE_HEARD))
			continue;
		f = findings_add(found, l->name);
		finding_what(f, "%s has no link-local address, so it asks no router for an address or a route.",
			     l->name);
		finding_why(f, "addr_gen_mode=1 (none) makes no link-local address, and without one the kernel sends "
			       "no router "
			       "solicitation; an RA comes when the router likes.");
		finding_value(f, "addr_gen_mode", "%d", l->conf6.addr_gen_mode);
		set_by(snap, f, CONF_PATH(l->name, "addr_gen_mode"));
		finding_seen_in(f, "ip -6 addr show dev %s scope link", l->name);
		fix = finding_fix(f, "link-local", FIX_LASTS_LIVE);
		fix_sysctl(f, fix, CONF_PATH(l->name, "addr_gen_mode"), "1", "0");
	}
}

/* -------------------------------------------------------- ipv6.mtu-below-1280 */

/* The least MTU among a bridge's ports: the bridge can't have more. */
static uint32_t least_port_mtu(const struct snapshot *snap, uint32_t bridge)
{
	uint32_t least = UINT32_MAX;

	for (size_t i = 0; i < snap->n_links; i++)
		if (snap->links[i].master == bridge && snap->links[i].mtu < least)
			least = snap->links[i].mtu;
	return least;
}

static void judge_mtu(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		uint32_t role = role_of(found->roles, l->ifindex)->bits;
		struct diag_finding *f;
		struct diag_fix *fix;
		struct op *op;
		uint32_t mtu = MTU_USUAL;

		/* Of an interface that isn't a tunnel nothing else may be left to tell who depended on it. */
		if (l->mtu >= MTU_IPV6 || l->conf6.present || is_port(l) || (l->flags & IFF_LOOPBACK) ||
		    !(l->flags & IFF_UP) ||
		    (!(role & (ROLE_UPLINK | ROLE_NETWORK | ROLE_GUEST_BRIDGE | ROLE_GUEST | ROLE_LOWER)) &&
		     l->kind[0] && !str_eq(l->kind, "veth")))
			continue;
		if (str_eq(l->kind, "macvtap"))
			continue; /* the host's side of it needs none */
		if (l->max_mtu && l->max_mtu < mtu)
			mtu = l->max_mtu;
		if (str_eq(l->kind, "bridge") && least_port_mtu(snap, l->ifindex) < mtu)
			mtu = least_port_mtu(snap, l->ifindex);
		f = findings_add(found, l->name);
		finding_guest(f, role_of(found->roles, l->ifindex)->guest);
		finding_network(f, role_of(found->roles, l->ifindex)->network);
		finding_what(f, "IPv6 is gone from %s: its MTU is %u.", l->name, l->mtu);
		finding_why(f, "IPv6 needs 1280; below that the kernel removes it from the interface, and brings it "
			       "back with default "
			       "settings.");
		finding_value(f, "mtu", "%u", l->mtu);
		if (str_eq(l->kind, "bridge"))
			finding_value(f, "least_mtu_of_its_ports", "%u", least_port_mtu(snap, l->ifindex));
		finding_seen_in(f, "ip link show %s; /proc/sys/net/ipv6/conf/%s isn't there", l->name, l->name);
		if (mtu < MTU_IPV6)
			continue; /* its ports, or its hardware, come first */
		fix = finding_fix(f, "mtu", FIX_LASTS_LIVE);
		op = fix_op(fix, OP_LINK_SET, OP_ACTION_CHANGE);
		op->object = arena_printf(fix->ops->arena, "link %s", l->name);
		op->what = arena_printf(fix->ops->arena, "MTU %u → %u", l->mtu, mtu);
		op->link = (struct op_link){ .ifindex = l->ifindex, .mask = OP_LINK_MTU, .mtu = mtu };
		(void)str_copy(op->link.name, sizeof(op->link.name), l->name);
		op->old_link = op->link;
		op->old_link.mtu = l->mtu;
		fix_command(f, fix, "ip link set %s mtu %u", l->name, mtu);
		/* As for a new interface: `default` decides; with forwarding on, an uplink would ignore RAs now. */
		if ((role & ROLE_UPLINK) && !(role & ROLE_GUEST_ONLY) && snap->conf6_all.forwarding &&
		    role_kernel_ra(snap, l->ifindex))
			fix_sysctl(f, fix, CONF_PATH(l->name, "accept_ra"), "1", "2");
		fix_note(f, fix, "settings and static IPv6 addresses that it had must be set again");
	}
}

/* --------------------------------------------------------- ipv6.lost-on-flap */

/* 'address' and 'prefix' of <ip family='ipv6' …> in a libvirt network's XML, as libvirt writes it. */
static bool libvirt_address6(const char *xml, struct prefix *ret)
{
	for (const char *ip = strstr(xml, "<ip "); ip; ip = strstr(ip + 1, "<ip ")) {
		const char *end = strchr(ip, '>'), *a = strstr(ip, "address='"), *p = strstr(ip, "prefix='"),
			   *six = strstr(ip, "family='ipv6'");
		char text[64];

		if (!end || !six || six > end || !a || a > end || !p || p > end)
			continue;
		(void)snprintf(text, sizeof(text), "%.*s/%.*s", (int)strcspn(a + 9, "'"), a + 9,
			       (int)strcspn(p + 8, "'"), p + 8);
		if (prefix_parse(text, ret) && ret->ip.family == AF_INET6)
			return true;
	}
	return false;
}

static void lost(struct findings *found, const struct snap_link *l, const struct prefix *prefix, const char *network,
		 bool ours)
{
	struct diag_finding *f = findings_add(found, l->name);
	struct diag_fix *fix = finding_fix(f, ours ? "up" : "add", FIX_LASTS_LIVE);

	if (ours)
		finding_network(f, network);
	finding_what(f, "%s has lost %s, which network %s is configured with; its IPv4 address is there.", l->name,
		     PREFIX_STR(prefix), network);
	finding_why(f, "When a link goes down the kernel keeps IPv4 addresses and removes IPv6 ones, with routes and "
		       "proxy entries, "
		       "unless keep_addr_on_down=1.");
	finding_value(f, "missing", "%s", PREFIX_STR(prefix));
	finding_value(f, "keep_addr_on_down", "%d", l->conf6.keep_addr_on_down);
	finding_value(f, "carrier_changes", "%u", l->carrier_changes);
	finding_seen_in(f, "ip addr show dev %s", l->name);
	if (ours) {
		fix_run(f, fix, (const char *const[]){ "up", network, NULL });
	} else {
		struct op *op = fix_op(fix, OP_ADDR_ADD, OP_ACTION_CREATE);

		op->object = arena_printf(fix->ops->arena, "address %s", l->name);
		op->what = arena_strdup(fix->ops->arena, PREFIX_STR(prefix));
		op->addr = (struct op_addr){ .prefix = *prefix, .scope = RT_SCOPE_UNIVERSE };
		(void)str_copy(op->addr.device, sizeof(op->addr.device), l->name);
		fix_command(f, fix, "ip -6 addr add %s dev %s", PREFIX_STR(prefix), l->name);
	}
	if (l->conf6.keep_addr_on_down == 0)
		fix_sysctl(f, fix, CONF_PATH(l->name, "keep_addr_on_down"), "0", "1");
}

static bool has_ipv4(const struct snapshot *snap, uint32_t ifindex)
{
	size_t n;
	const struct snap_addr *a = snap_addrs(snap, ifindex, &n);

	for (size_t i = 0; i < n; i++)
		if (a[i].prefix.ip.family == AF_INET)
			return true;
	return false;
}

static void judge_lost_on_flap(const struct snapshot *snap, struct findings *found)
{
	const char *why = snap_unread(snap, SNAP_PART_LIBVIRT);

	if (why)
		findings_unchecked(found, true, "libvirt's networks: %s", why);
	for (size_t i = 0; i < snap->n_networks; i++) {
		const struct snap_network *n = &snap->networks[i];
		const struct snap_link *l = n->ifindex ? snap_link(snap, n->ifindex) : NULL;

		if (l && n->ipv6.ip.family && !n->adopted && !str_eq(n->state, "down") && (l->flags & IFF_UP) &&
		    l->conf6.present && !l->conf6.disable_ipv6 && !snap_addr(snap, l->ifindex, &n->ipv6.ip) &&
		    (!n->ipv4.ip.family || snap_addr(snap, l->ifindex, &n->ipv4.ip)))
			lost(found, l, &n->ipv6, n->name, true);
	}
	for (size_t i = 0; i < snap->n_libvirt_nets; i++) {
		const struct snap_libvirt_net *n = &snap->libvirt_nets[i];
		const struct snap_link *l = n->active ? snap_link_by_name(snap, n->bridge) : NULL;
		struct prefix prefix;

		if (l && libvirt_address6(n->live_xml, &prefix) && (l->flags & IFF_UP) && l->conf6.present &&
		    !l->conf6.disable_ipv6 && !snap_addr(snap, l->ifindex, &prefix.ip) && has_ipv4(snap, l->ifindex))
			lost(found, l, &prefix, n->name, false);
	}
}

static const struct rule rules[] = {
	{ "ra.ignored-forwarding", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_ignored_forwarding, { { 0 } } },
	{ "ra.all-has-no-effect",
	  SEVERITY_WARNING,
	  RULE_SUBJECT_INTERFACE,
	  { 0 },
	  judge_all_has_no_effect,
	  { { "ra.ignored-forwarding", RULE_SCOPE_SHARED }, { "ra.not-accepted", RULE_SCOPE_SHARED } } },
	{ "ra.not-accepted", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_not_accepted, { { 0 } } },
	{ "ra.userspace", SEVERITY_INFO, RULE_SUBJECT_INTERFACE, { SNAP_PART_MANAGERS }, judge_userspace, { { 0 } } },
	{ "ra.userspace-refuses",
	  SEVERITY_ERROR,
	  RULE_SUBJECT_INTERFACE,
	  { SNAP_PART_MANAGERS },
	  judge_userspace_refuses,
	  { { 0 } } },
	{ "ra.no-default-router", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_no_default_router, { { 0 } } },
	{ "ra.prefix-not-64", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_prefix_not_64, { { 0 } } },
	{ "ra.rogue", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_rogue, { { 0 } } },
	{ "ipv6.disabled", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_disabled, { { 0 } } },
	{ "ipv6.no-link-local", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_no_link_local, { { 0 } } },
	{ "ipv6.mtu-below-1280", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_mtu, { { 0 } } },
	{ "ipv6.lost-on-flap",
	  SEVERITY_ERROR,
	  RULE_SUBJECT_INTERFACE,
	  { 0 },
	  judge_lost_on_flap,
	  { { "ipv6.disabled", RULE_SCOPE_SHARED } } },
};

const struct rule_section rules_host = { "Host IPv6", rules, ARRAY_LEN(rules) };

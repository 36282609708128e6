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
#include "diag/rule_host.h"
#include "diag/rules.h"
#include "diag/snapshot.h"

#define IFAPROT_KERNEL_RA 2 /* linux/if_addr.h of 5.18 */

static bool is_up(const struct snap_link *l)
{
	return (l->flags & IFF_UP) && l->carrier && !(l->flags & IFF_LOOPBACK);
}

bool host_processed(const struct snap_conf6 *c)
{
	return c->accept_ra == 2 || (c->accept_ra == 1 && c->forwarding == 0);
}

bool host_is_port(const struct snap_link *l)
{
	return l->master && !str_eq(l->slave_kind, "vrf");
}

bool host_may_need_ra(const struct findings *found, const struct snap_link *l)
{
	return is_up(l) && l->conf6.present && !l->conf6.disable_ipv6 && !host_is_port(l) &&
	       !role_is(found->roles, l->ifindex, ROLE_GUEST | ROLE_GUEST_ONLY | ROLE_OURS);
}

static const char *number(int64_t n, char buf[static 24])
{
	(void)snprintf(buf, 24, "%lld", (long long)n);
	return buf;
}

#define NUMBER(n) number((n), (char[24]){ 0 })

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
		if (r && !host_is_port(l) && (r->protocol != RTPROT_RA || !role_is(found->roles, l->ifindex, ROLE_GUEST_ONLY)))
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

const struct snap_addr *host_any_address(const struct snapshot *snap, uint32_t ifindex, uint8_t scope)
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

void host_set_by(const struct snapshot *snap, struct diag_finding *f, const char *path)
{
	const struct snap_sysctl_line *line = snap_sysctl_line(snap, path);

	if (line)
		finding_value(f, "set_by", "%s:%u (%s)", line->file, line->line, line->path);
}

static void fix_accept_ra(struct diag_finding *f, const struct snap_link *l, const char *value)
{
	struct diag_fix *fix = finding_fix(f, "accept-ra", FIX_LASTS_LIVE);

	fix_sysctl(f, fix, CONF6_PATH(l->name, "accept_ra"), NUMBER(l->conf6.accept_ra), value);
	fix_confirm_route(fix, l->name);
}

/* ------------------------------------------------------- ra.ignored-forwarding */

static void judge_ignored_forwarding(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_links; i++) {
		const struct snap_link *l = &snap->links[i];
		const struct snap_route *route;
		struct diag_finding *f;

		if (!host_may_need_ra(found, l) || l->conf6.accept_ra != 1 || l->conf6.forwarding == 0 ||
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
		host_set_by(snap, f, CONF6_PATH(l->name, "forwarding"));
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

		if (!host_may_need_ra(found, l) || host_processed(&l->conf6) || !role_kernel_ra(snap, l->ifindex) ||
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
		host_set_by(snap, f, "net/ipv6/conf/all/accept_ra");
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
	host_set_by(snap, f, CONF6_PATH(l->name, k->name));
	finding_seen_in(f, "sysctl net.ipv6.conf.%s, /proc/net/dev_snmp6/%s", l->name, l->name);
	fix_sysctl(f, fix, CONF6_PATH(l->name, k->name), NUMBER(k->value), value);
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

		if (!host_may_need_ra(found, l) || !role_kernel_ra(snap, l->ifindex) || !role_ra_heard(snap, l, NULL))
			continue;
		bool no_route = !way_out(snap, found);
		bool no_address =
			!host_any_address(snap, l->ifindex, RT_SCOPE_UNIVERSE) && !(l->inet6_flags & SNAP_IF_RA_MANAGED);
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
		const struct snap_sysctl_line *line = snap_sysctl_line(snap, CONF6_PATH(l->name, names[i]));

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
		const struct snap_sysctl_line *line = m && host_may_need_ra(found, l) ? wished(snap, l) : NULL;
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

		if (!m || m->accepts_ra != 0 || !host_may_need_ra(found, l) || !role_ra_heard(snap, l, NULL) ||
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

		if (!host_may_need_ra(found, l) || !role_kernel_ra(snap, l->ifindex) || !host_processed(&l->conf6) ||
		    l->conf6.accept_ra_defrtr == 0 || !role_ra_heard(snap, l, NULL) || way_out(snap, found))
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
		if (!host_may_need_ra(found, l) || !role_kernel_ra(snap, l->ifindex) || !host_processed(&l->conf6) ||
		    l->conf6.autoconf == 0 || (l->inet6_flags & SNAP_IF_RA_MANAGED) ||
		    host_any_address(snap, l->ifindex, RT_SCOPE_UNIVERSE))
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
		fix_sysctl(f, fix, CONF6_PATH(l->name, "accept_ra"), NUMBER(l->conf6.accept_ra), "0");
		/* What was believed already stays until it expires, unless it is taken away. */
		fix_route(f, fix, false, l->name,
			  &(struct op_route){ .dst = r[i].dst,
					      .gateway = r[i].gateway,
					      .metric = r[i].metric,
					      .protocol = RTPROT_RA });
		fix_believed(snap, f, fix, l);
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
	{ "ipv6.disabled", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, host_judge_disabled, { { 0 } } },
	{ "ipv6.no-link-local", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, host_judge_no_link_local, { { 0 } } },
	{ "ipv6.mtu-below-1280", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, host_judge_mtu, { { 0 } } },
	{ "ipv6.lost-on-flap",
	  SEVERITY_ERROR,
	  RULE_SUBJECT_INTERFACE,
	  { 0 },
	  host_judge_lost_on_flap,
	  { { "ipv6.disabled", RULE_SCOPE_SHARED } } },
};

const struct rule_section rules_host = { "Host IPv6", rules, ARRAY_LEN(rules) };

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_address - addresses that are there and can't be used
 */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "addrsel/policy.h"
#include "diag/role.h"
#include "diag/rules.h"
#include "diag/snapshot.h"

#define TENTATIVE_MAX_MS 4000 /* a random delay of up to a second, one probe and a second; a busy machine's work queue, too */

static bool depends(const struct findings *found, const struct snap_link *l)
{
	return role_is(found->roles, l->ifindex,
		       ROLE_UPLINK | ROLE_HEARD | ROLE_NETWORK | ROLE_GUEST_BRIDGE | ROLE_GUEST | ROLE_LOWER);
}

/* --------------------------------------------------------- address.duplicate */

static const char *dad_state(const struct snap_link *l, const struct snap_addr *a)
{
	if (a->prefix.ip.family != AF_INET6)
		return NULL;
	if (a->flags & IFA_F_DADFAILED)
		return "somebody else answered for it";
	if ((a->flags & IFA_F_TENTATIVE) && !(a->flags & IFA_F_OPTIMISTIC) && a->age_ms > TENTATIVE_MAX_MS &&
	    (l->flags & IFF_UP) && l->carrier && l->conf6.present && !l->conf6.disable_ipv6)
		return "it is still tentative";
	return NULL;
}

/* Does this host itself have @ip elsewhere: as an address, or as a proxy on the same link? */
static const char *own_double(const struct snapshot *snap, const struct snap_addr *a, struct arena *arena)
{
	for (size_t i = 0; i < snap->n_addrs; i++)
		if (snap->addrs[i].ifindex != a->ifindex && ip_eq(&snap->addrs[i].prefix.ip, &a->prefix.ip) &&
		    !ip_is_link_local(&a->prefix.ip))
			return arena_printf(arena, "this host itself, on %s",
					    snap_link_name(snap, snap->addrs[i].ifindex));
	return NULL;
}

static void retry_fix(struct diag_finding *f, const struct snap_link *l, const struct snap_addr *a)
{
	struct diag_fix *fix = finding_fix(f, "retry", FIX_LASTS_LIVE);
	enum op_kind kinds[] = { OP_ADDR_DEL, OP_ADDR_ADD };

	fix->by_name = true;
	fix_note(f, fix, "when the other one is gone: the kernel doesn't try a second time by itself");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct op *op = fix_op(fix, kinds[i], i ? OP_ACTION_CREATE : OP_ACTION_REMOVE);

		op->object = arena_printf(fix->ops->arena, "address %s", l->name);
		op->what = arena_strdup(fix->ops->arena, PREFIX_STR(&a->prefix));
		op->addr = (struct op_addr){ .prefix = a->prefix, .scope = a->scope };
		(void)str_copy(op->addr.device, sizeof(op->addr.device), l->name);
		fix_command(f, fix, "ip -6 addr %s %s dev %s", i ? "add" : "del", PREFIX_STR(&a->prefix), l->name);
	}
}

static void judge_duplicate(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_addrs; i++) {
		const struct snap_addr *a = &snap->addrs[i];
		const struct snap_link *l = snap_link(snap, a->ifindex);
		const char *state = l ? dad_state(l, a) : NULL, *owner;
		const struct snap_guest_addr *guest;
		struct diag_finding *f;
		struct diag_fix *fix;

		/* A bridge port's own address is nobody's (bridge.port-has-address). */
		if (!state || (l->master && !str_eq(l->slave_kind, "vrf")) || str_eq(l->kind, "macvtap"))
			continue;
		/* A duplicate is broken wherever it is; one that is still tested matters where somebody waits for it. */
		if (!(a->flags & IFA_F_DADFAILED) && !depends(found, l))
			continue;
		guest = role_guest_addr(snap, &a->prefix.ip);
		/* Its age counts from its making, not from when the link got its carrier. */
		bool settling = !(a->flags & IFA_F_DADFAILED);

		owner = own_double(snap, a, found->arena);
		f = findings_add(found, l->name);
		f->settling = settling;
		finding_about(f, IP_STR(&a->prefix.ip));
		finding_guest(f, guest ? guest->guest : role_of(found->roles, l->ifindex)->guest);
		finding_network(f, role_of(found->roles, l->ifindex)->network);
		finding_what(f, "%s on %s can't be used: %s.", IP_STR(&a->prefix.ip), l->name, state);
		finding_why(f, "Duplicate address detection asked the link for it before its use, and %s.",
			    a->flags & IFA_F_DADFAILED ? "got an answer: two have the same address, or the same MAC"
						       : "could not come to an end");
		finding_value(f, "address", "%s", PREFIX_STR(&a->prefix));
		finding_value(f, "state", "%s", a->flags & IFA_F_DADFAILED ? "dadfailed" : "tentative");
		if (guest) {
			finding_value(f, "other_owner", "guest %s (%s)", guest->guest, guest->source);
			if (!mac_is_zero(&guest->mac))
				finding_value(f, "other_owner_mac", "%s", MAC_STR(&guest->mac));
		} else if (owner) {
			finding_value(f, "other_owner", "%s", owner);
		}
		finding_seen_in(f, "ip -6 addr show dev %s", l->name);
		fix = finding_fix(f, "find", FIX_LASTS_REBOOT_SAFE);
		fix_note(f, fix, "tells the other owner's MAC; take the address from one of the two");
		fix_command(f, fix, "sixtap ns --dad %s %s", IP_STR(&a->prefix.ip), l->name);
		retry_fix(f, l, a);
	}
}

/* ---------------------------------------------------- address.subnet-anycast */

static bool is_first_of_prefix(const struct prefix *p)
{
	struct ip network = prefix_network(p);

	return p->ip.family == AF_INET6 && p->len > 0 && p->len < 127 && ip_eq(&network, &p->ip);
}

/* A link's own prefix whose first address is @ip, on an interface of this host that answers for it as a router. */
static const struct snap_addr *router_prefix(const struct snapshot *snap, const struct ip *ip)
{
	for (size_t i = 0; i < snap->n_anycasts; i++) {
		size_t n;
		const struct snap_addr *a;

		if (!ip_eq(&snap->anycasts[i].ip, ip))
			continue;
		a = snap_addrs(snap, snap->anycasts[i].ifindex, &n);
		for (size_t k = 0; k < n; k++) {
			struct ip network = prefix_network(&a[k].prefix);

			if (a[k].prefix.len < 127 && ip_eq(&network, ip))
				return &a[k];
		}
	}
	return NULL;
}

static struct diag_finding *anycast(struct findings *found, const char *subject, const struct ip *ip)
{
	struct diag_finding *f = findings_add(found, subject);
	struct diag_fix *fix = finding_fix(f, "renumber", FIX_LASTS_REBOOT_SAFE);
	struct ip next = ip_add(ip, 2);

	finding_about(f, IP_STR(ip));
	finding_why(f, "The first address of a prefix belongs to the link's routers (RFC 4291 2.6.1): each of them "
		       "answers for it.");
	finding_value(f, "address", "%s", IP_STR(ip));
	fix_note(f, fix, "take another address, %s say", IP_STR(&next));
	return f;
}

static void judge_subnet_anycast(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_addrs; i++) {
		const struct snap_addr *a = &snap->addrs[i];
		const struct snap_link *l = snap_link(snap, a->ifindex);
		struct diag_finding *f;

		if (!l || !is_first_of_prefix(&a->prefix) || (!(a->flags & IFA_F_DADFAILED) && !depends(found, l)))
			continue;
		/* While this host is the only router there, it is no harm. */
		if (!(a->flags & IFA_F_DADFAILED) &&
		    !(role_ra_heard(snap, l, NULL) && !role_is(found->roles, l->ifindex, ROLE_GUEST_ONLY)))
			continue;
		f = anycast(found, l->name, &a->prefix.ip);
		finding_network(f, role_of(found->roles, l->ifindex)->network);
		finding_value(f, "state", "%s",
			      a->flags & IFA_F_DADFAILED ? "dadfailed" : "works until it is tested again");
		if (a->flags & IFA_F_DADFAILED) {
			finding_what(f, "%s on %s can't be used: it is the router's own.", IP_STR(&a->prefix.ip),
				     l->name);
		} else {
			f->severity = SEVERITY_WARNING;
			finding_what(f, "%s on %s is the router's own, and will fail at the next boot.",
				     IP_STR(&a->prefix.ip), l->name);
		}
		finding_seen_in(f, "ip -6 addr show dev %s, /proc/net/anycast6 of the router", l->name);
	}
	for (size_t i = 0; i < snap->n_guest_addrs; i++) {
		const struct snap_guest_addr *g = &snap->guest_addrs[i];
		const struct snap_addr *a = g->ip.family == AF_INET6 ? router_prefix(snap, &g->ip) : NULL;
		struct diag_finding *f;

		if (!a)
			continue;
		f = anycast(found, snap_link_name(snap, a->ifindex), &g->ip);
		finding_guest(f, g->guest);
		finding_network(f, role_of(found->roles, a->ifindex)->network);
		finding_what(f, "%s can't use %s: the host, its router, owns the first address of %s.", g->guest,
			     IP_STR(&g->ip), PREFIX_STR(&a->prefix));
		finding_seen_in(f, "/proc/net/anycast6");
	}
}

/* -------------------------------------------------------- address.deprecated */

static bool counts(const struct snap_addr *a)
{
	return a->prefix.ip.family == AF_INET6 && a->scope == RT_SCOPE_UNIVERSE && a->prefix.len < 128 &&
	       !(a->flags & (IFA_F_DADFAILED | IFA_F_TENTATIVE));
}

/* A preferred one of the same kind: what takes the deprecated ones' place as a source. */
static bool replaced(const struct snap_addr *a, size_t n, const struct snap_addr *old)
{
	for (size_t i = 0; i < n; i++)
		if (counts(&a[i]) && !(a[i].flags & IFA_F_DEPRECATED) &&
		    ip_is_ula(&a[i].prefix.ip) == ip_is_ula(&old->prefix.ip))
			return true;
	return false;
}

static void deprecated(struct findings *found, const struct snap_link *l, const struct snap_addr *a, size_t n,
		       const struct snap_addr *first)
{
	struct diag_finding *f = findings_add(found, l->name);
	const struct prefix prefix = { prefix_network(&first->prefix), first->prefix.len };
	struct diag_fix *fix = NULL;

	finding_about(f, IP_STR(&first->prefix.ip));
	finding_network(f, role_of(found->roles, l->ifindex)->network);
	finding_what(f, "Every address of %s on %s is deprecated, and there is no other of its kind.",
		     PREFIX_STR(&prefix), l->name);
	finding_why(f, "The preferred lifetime is over: new connections avoid it as a source where they can, and what "
		       "they take "
		       "instead may not be answered.");
	finding_seen_in(f, "ip -6 addr show dev %s deprecated", l->name);
	FINDING_HEAD(f, "address", "valid_for");
	for (size_t i = 0; i < n; i++) {
		char valid[32];

		if (!counts(&a[i]) || !(a[i].flags & IFA_F_DEPRECATED) || !prefix_contains(&prefix, &a[i].prefix.ip))
			continue;
		(void)snprintf(valid, sizeof(valid), a[i].valid_s == UINT32_MAX ? "ever" : "%u s", a[i].valid_s);
		FINDING_ROW(f, PREFIX_STR(&a[i].prefix), valid);
		if (a[i].valid_s != UINT32_MAX)
			continue; /* by RA or DHCP: whoever gave it must renew it */
		if (!fix)
			fix = finding_fix(f, "prefer", FIX_LASTS_LIVE);
		struct op *op = fix_op(fix, OP_ADDR_ADD, OP_ACTION_CHANGE);

		op->object = arena_printf(fix->ops->arena, "address %s", l->name);
		op->what = arena_printf(fix->ops->arena, "%s preferred again", PREFIX_STR(&a[i].prefix));
		op->addr = (struct op_addr){
			.prefix = a[i].prefix,
			.scope = a[i].scope,
			.flags = a[i].flags &
				 (IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR),
		};
		(void)str_copy(op->addr.device, sizeof(op->addr.device), l->name);
		fix_command(f, fix, "ip -6 addr change %s dev %s preferred_lft forever", PREFIX_STR(&a[i].prefix),
			    l->name);
	}
	if (!fix) {
		fix = finding_fix(f, "router", FIX_LASTS_REBOOT_SAFE);
		fix_note(f, fix, "at the router, which must announce the prefix again, or a new one");
		fix_command(f, fix, "sixtap rs %s", l->name);
	}
}

static void judge_deprecated(const struct snapshot *snap, struct findings *found)
{
	for (size_t k = 0; k < snap->n_links; k++) {
		const struct snap_link *l = &snap->links[k];
		size_t n;
		const struct snap_addr *a = snap_addrs(snap, l->ifindex, &n);

		if (!depends(found, l) || !(l->flags & IFF_UP))
			continue;
		for (size_t i = 0; i < n; i++) {
			const struct prefix prefix = { prefix_network(&a[i].prefix), a[i].prefix.len };
			bool seen = false;

			if (!counts(&a[i]) || !(a[i].flags & IFA_F_DEPRECATED) || replaced(a, n, &a[i]))
				continue;
			for (size_t j = 0; j < i; j++)
				seen |= counts(&a[j]) && prefix_contains(&prefix, &a[j].prefix.ip);
			if (!seen)
				deprecated(found, l, a, n, &a[i]);
		}
	}
}

/* ---------------------------------------------------- addrsel.ula-below-ipv4 */

/* With these labels, does a source in @ula reach a global destination only after IPv4? */
static bool loses_by_label(const struct snapshot *snap, const struct ip *ula)
{
	const char *text = snap_text(snap, GAI_CONF);
	_cleanup_(policy_freep) struct policy *policy = policy_parse(text, text ? strlen(text) : 0, GAI_CONF, NULL);
	struct ip global;

	(void)ip_parse("2606::1", &global);
	return policy_label(policy, ula) != policy_label(policy, &global);
}

/* A guest of @net that has a ULA and IPv4, and no global address. @ret_n: how many. */
static const struct snap_guest_addr *ula_guest(const struct snapshot *snap, const struct snap_network *net,
					       size_t *ret_n)
{
	const struct snap_guest_addr *example = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < snap->n_guests; i++) {
		size_t n;
		const struct snap_guest_addr *a, *ula = NULL;
		bool v4 = false, global = false;

		if (!str_eq(snap->guests[i].network, net->name))
			continue;
		a = snap_guest_addrs(snap, snap->guests[i].name, &n);
		for (size_t k = 0; k < n; k++) {
			v4 |= a[k].ip.family == AF_INET;
			global |= a[k].ip.family == AF_INET6 && ip_is_global(&a[k].ip);
			if (a[k].ip.family == AF_INET6 && ip_is_ula(&a[k].ip))
				ula = &a[k];
		}
		if (!ula || !v4 || global)
			continue;
		(*ret_n)++;
		if (!example)
			example = ula;
	}
	return example;
}

static void judge_ula_below_ipv4(const struct snapshot *snap, struct findings *found)
{
	for (size_t i = 0; i < snap->n_networks; i++) {
		const struct snap_network *net = &snap->networks[i];
		const struct snap_guest_addr *example;
		struct diag_finding *f;
		struct diag_fix *fix;
		size_t n;

		if (!net->nat6 || !net->ifindex || !ip_is_ula(&net->ipv6.ip) || !net->ipv4.ip.family ||
		    str_eq(net->state, "down") || !role_default(snap, AF_INET6, 0, 0, -1))
			continue;
		example = ula_guest(snap, net, &n);
		if (!example || !loses_by_label(snap, &example->ip))
			continue;
		f = findings_add(found, net->device[0] ? net->device : net->name);
		finding_network(f, net->name);
		finding_what(f, "Guests of %s have IPv6 and use IPv4: a ULA comes after it in glibc's order.",
			     net->name);
		finding_why(f,
			    "Rule 5 of RFC 6724 compares labels: a source in %s has another than a global destination, "
			    "IPv4's are "
			    "equal. That comes before precedence, where IPv6 would win.",
			    PREFIX_STR(&net->ipv6));
		finding_value(f, "guests", "%zu", n);
		finding_value(f, "example", "%s: %s", example->guest, IP_STR(&example->ip));
		finding_value(f, "judged_by", "%s",
			      snap_text(snap, GAI_CONF) ? "this host's gai.conf, as if it were the guests'"
							: "glibc's own tables");
		fix = finding_fix(f, "gai-conf", FIX_LASTS_REBOOT_SAFE);
		fix_note(f, fix, "prints the guest's gai.conf; or give guests a global prefix");
		fix_command(f, fix, "sixtap addrsel --guest %s --advise ipv6 DESTINATION", example->guest);
	}
}

static const struct rule rules[] = {
	{ "address.duplicate",
	  SEVERITY_ERROR,
	  RULE_SUBJECT_INTERFACE,
	  { 0 },
	  judge_duplicate,
	  { { "address.subnet-anycast", RULE_SCOPE_SHARED }, { "proxy.on-guest-side", RULE_SCOPE_SHARED } } },
	{ "address.subnet-anycast", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, { 0 }, judge_subnet_anycast, { { 0 } } },
	{ "address.deprecated", SEVERITY_WARNING, RULE_SUBJECT_INTERFACE, { 0 }, judge_deprecated, { { 0 } } },
	{ "addrsel.ula-below-ipv4", SEVERITY_INFO, RULE_SUBJECT_NETWORK, { 0 }, judge_ula_below_ipv4, { { 0 } } },
};

const struct rule_section rules_address = { "Addresses", rules, ARRAY_LEN(rules) };

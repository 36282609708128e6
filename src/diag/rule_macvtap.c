/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_macvtap - guests on macvtap devices, and taps that nobody holds
 *
 * Facts that these rest on are measured (Linux 6.18): a macvtap lets in what is
 * on its own multicast list, whatever its lower device lets in; a group that
 * isn't there passes now and then, since the list is a hash of 256 bits. So
 * that something arrived proves nothing, and what isn't on the list is lost for
 * some guest sooner or later.
 */
#include "diag/rule.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <stdio.h>
#include "diag/fix_link.h"
#include "diag/rules.h"
#include "diag/scene.h"

#define GROUPS_MAX 128		/* that a finding is about; a NIC's own filter holds 64 */
#define DROPS_PER_S 50		/* LLDP and spanning tree, which nobody wants, never come near */

static bool is_macvtap(const struct snap_link *l)
{
	return str_eq(l->kind, "macvtap");
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* Which guest, whose sentence this is. */
static void about_guest(struct diag_finding *f, const struct snapshot *s, const struct snap_link *l)
{
	const char *guest = scene_guest(s, l);

	if (guest)
		finding_guest(f, guest);
	finding_about(f, l->name);
	if (l->lower)
		finding_about(f, snap_link_name(s, l->lower));
}

/* ------------------------------------------------------------- multicast-filtered */

/* A group that the guest listens to. */
struct wanted {
	struct mac group;
	const struct ip *ip;		/* for which address; NULL: not known */
	bool in_filter;			/* the guest's own filter names it, or its report */
	bool reported;
};

struct wants {
	struct wanted list[GROUPS_MAX];
	size_t n;
	bool all;			/* the guest's filter is open: it listens to everything */
	const char *source;
};

static struct wanted *want(struct wants *w, const struct mac *group)
{
	for (size_t i = 0; i < w->n; i++)
		if (mac_eq(&w->list[i].group, group))
			return &w->list[i];
	if (w->n == GROUPS_MAX)
		return NULL;
	w->list[w->n] = (struct wanted){ .group = *group };
	return &w->list[w->n++];
}

static bool is_group6(const struct mac *m)
{
	return m->b[0] == 0x33 && m->b[1] == 0x33;
}

static bool is_solicited(const struct mac *m)
{
	return is_group6(m) && m->b[2] == 0xff;
}

static void want_by_filter(struct wants *w, const struct snap_nic *nic)
{
	if (!nic || !nic->rx_known)
		return;
	w->all = nic->rx_overflow || str_eq(nic->rx_multicast, "all");
	for (size_t i = 0; i < nic->n_rx_groups; i++) {
		struct wanted *g = is_group6(&nic->rx_groups[i]) ? want(w, &nic->rx_groups[i]) : NULL;

		if (g)
			g->in_filter = true;
	}
	w->source = "QMP query-rx-filter";
}

/* Asked just now, the guest says so itself. Return: whether it was. */
static bool want_by_report(struct wants *w, const struct snap_probe *p)
{
	if (!p || p->n_answers == 0)
		return false;
	for (size_t i = 0; i < p->n_groups; i++) {
		struct wanted *g = want(w, &p->groups[i]);

		if (g)
			g->in_filter = g->reported = true;
	}
	w->source = "its MLD report";
	return true;
}

static void want_by_address(struct wants *w, const struct scene_addr *addrs, size_t n, bool filter_known)
{
	for (size_t i = 0; i < n; i++) {
		if (addrs[i].ip.family != AF_INET6)
			continue;
		const struct in6_addr group = ip6_solicited_node(&addrs[i].ip.v6);
		const struct mac mac = mac_of_multicast6(&group);
		struct wanted *g;

		/* A guest that is known not to listen to it has given the address up. */
		if (filter_known && !w->all) {
			g = NULL;
			for (size_t k = 0; k < w->n; k++)
				if (mac_eq(&w->list[k].group, &mac))
					g = &w->list[k];
		} else {
			g = want(w, &mac);
		}
		if (g && (!g->ip || ip_is_link_local(g->ip)))
			g->ip = &addrs[i].ip;
		if (!w->source)
			w->source = str_eq(addrs[i].source, "neighbour") ? "ip -6 neigh" : addrs[i].source;
	}
}

/* The host's own address on the macvtap whose group this is, too. */
static const struct snap_addr *accident(const struct snapshot *s, uint32_t ifindex, const struct mac *group)
{
	size_t n;
	const struct snap_addr *addrs = snap_addrs(s, ifindex, &n);

	for (size_t i = 0; i < n; i++) {
		if (addrs[i].prefix.ip.family != AF_INET6)
			continue;
		const struct in6_addr g = ip6_solicited_node(&addrs[i].prefix.ip.v6);
		const struct mac mac = mac_of_multicast6(&g);

		if (mac_eq(&mac, group))
			return &addrs[i];
	}
	return NULL;
}

static void filtered_rows(struct diag_finding *f, const struct snapshot *s, const struct snap_link *l, const struct wants *w)
{
	FINDING_HEAD(f, "multicast group", "needed for", "guest listens", "lets in");
	for (size_t i = 0; i < w->n; i++) {
		const struct wanted *g = &w->list[i];
		bool in = snap_mcast(s, l->ifindex, &g->group);
		char text[IP_STRLEN];
		const char *what = "";

		if (g->ip)
			what = ip_format(g->ip, text);
		else if (g->group.b[2] == 0 && g->group.b[5] == 1)
			what = "all nodes";
		else if (is_solicited(&g->group))
			what = "an address of the guest's";
		else if (!is_group6(&g->group))
			what = "IPv4";
		FINDING_ROW(f, MAC_STR(&g->group), what, g->in_filter ? "yes" : "should",
			    !in ? "no" : accident(s, l->ifindex, &g->group) ? "by luck: the host's own address" : "yes");
	}
}

/* What names the guest to `sixtap adopt`. */
static const char *adopt_subject(const struct snapshot *s, const struct snap_link *l)
{
	const char *guest = scene_guest(s, l);

	return guest && (strncmp(guest, "libvirt:", 8) == 0 || strncmp(guest, "xen:", 4) == 0) ? guest : l->name;
}

static void filtered_fixes(struct diag_finding *f, const struct snapshot *s, const struct snap_link *l, const struct wants *w)
{
	const struct snap_nic *nic = snap_nic_of_link(s, l->ifindex);
	const char *subject = adopt_subject(s, l);
	struct diag_fix *fix = finding_fix(f, "adopt", FIX_LASTS_REBOOT_SAFE);

	fix_run(f, fix, (const char *const[]){ "adopt", subject, NULL });
	fix_note(f, fix, "follows exactly the guest's groups");
	fix = finding_fix(f, "join", FIX_LASTS_LIVE);
	for (size_t i = 0; i < w->n && fix->n_commands < FIX_COMMANDS; i++)
		if (!snap_mcast(s, l->ifindex, &w->list[i].group))
			fix_command(f, fix, "ip maddr add %s dev %s", MAC_STR(&w->list[i].group), l->name);
	fix_note(f, fix, "for the addresses that the guest has now");
	fix = finding_fix(f, "allmulti", FIX_LASTS_LIVE);
	fix_link_allmulti(f, fix, l);
	fix->by_name = true;
	fix_note(f, fix, "until the guest stops; it sees all multicast of the LAN");
	if (!nic || strncmp(nic->guest, "libvirt:", 8) != 0)
		return;
	fix = finding_fix(f, "trust", FIX_LASTS_UNTIL_RESTART);
	fix_command(f, fix, "virsh edit %s   # <interface … trustGuestRxFilters='yes'>", nic->guest + 8);
	fix_note(f, fix, "from its next start; lets the guest change its MAC");
}

/* Somebody puts groups of the guest's on the list: those that aren't the host's own. */
static bool is_followed(const struct snapshot *s, const struct snap_link *l)
{
	size_t n;
	const struct snap_mcast *list = snap_mcasts(s, l->ifindex, &n);

	for (size_t i = 0; i < n; i++)
		if (is_solicited(&list[i].mac) && !accident(s, l->ifindex, &list[i].mac))
			return true;
	return false;
}

static void not_known(struct findings *found, const struct snapshot *s, const struct snap_link *l, const struct snap_nic *nic,
		      const struct snap_probe *asked)
{
	const char *guest = scene_guest_or(s, found->arena, l), *why = asked ? "it was asked and said nothing" : NULL;

	for (size_t i = 0; i < s->n_probes && !why; i++)
		if (str_eq(s->probes[i].kind, "groups") && s->probes[i].ifindex == l->ifindex)
			why = arena_printf(found->arena, "it can't be asked without asking the LAN as well: %s", s->probes[i].why);
	if (why)
		findings_unchecked(found, true, "what %s listens to isn't known: %s", guest, why);
	else
		findings_unchecked(found, true, "what %s listens to isn't known%s; `sixtap doctor --probe` asks the guest itself", guest,
				   nic && strncmp(nic->guest, "libvirt:", 8) == 0 ? ", libvirt holds its monitor" : "");
}

static void judge_filtered_one(const struct snapshot *s, struct findings *found, const struct snap_link *l)
{
	const struct snap_nic *nic = snap_nic_of_link(s, l->ifindex);
	size_t n_addrs;
	const struct wanted *worst = NULL;
	const struct snap_probe *asked = snap_probe(s, "groups", l->ifindex, NULL);
	struct wants w = { .n = 0 };

	if ((l->flags & (IFF_ALLMULTI | IFF_PROMISC)) || l->allmulti > 0 || l->promiscuity > 0 || !(l->flags & IFF_UP))
		return;
	const struct scene_addr *addrs = scene_behind_link(s, found->arena, l, &n_addrs);
	want_by_filter(&w, nic);
	bool told = want_by_report(&w, asked);
	want_by_address(&w, addrs, n_addrs, nic && nic->rx_known);
	for (size_t i = 0; i < w.n; i++) {
		if (!is_solicited(&w.list[i].group) || snap_mcast(s, l->ifindex, &w.list[i].group))
			continue;
		if (!worst || (w.list[i].ip && (!worst->ip || ip_is_link_local(worst->ip))))
			worst = &w.list[i];
	}
	/* "None found" would be no answer for a guest of which nothing is known. */
	if (w.n == 0 && !told && !(nic && nic->rx_known) && !is_followed(s, l))
		not_known(found, s, l, nic, asked);
	if (!worst)
		return;
	const char *guest = scene_guest_or(s, found->arena, l);
	struct diag_finding *f = findings_add(found, l->name);
	about_guest(f, s, l);
	f->measured = worst->reported;
	finding_what(f, "Nobody can reach %s over IPv6%s%s: %s drops the neighbour solicitations meant for it.", guest,
		     worst->ip ? " at " : "", worst->ip ? IP_STR(worst->ip) : "", l->name);
	finding_why(f, "A macvtap lets in only the multicast groups on its own list, and nobody puts the guest's there%s.",
		    nic && nic->trust_rx == 0 ? " (libvirt: trustGuestRxFilters='no', its default)" : "");
	filtered_rows(f, s, l, &w);
	if (worst->ip) {
		const struct snap_probe *p = snap_probe(s, "ns", l->ifindex, worst->ip);

		finding_value(f, "address", "%s", IP_STR(worst->ip));
		f->measured |= p && p->n_answers == 0;
		if (p)
			finding_value(f, "asked_now", "%s", p->n_answers ? "answered, by luck: the list is a hash" : "no answer");
	}
	finding_seen_in(f, "%s%sip maddr show dev %s", w.source ? w.source : "", w.source ? ", " : "", l->name);
	filtered_fixes(f, s, l, &w);
}

static void judge_filtered(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_links; i++)
		if (is_macvtap(&s->links[i]))
			judge_filtered_one(s, found, &s->links[i]);
}

/* ------------------------------------------------------------------- host-address */

/*
 * An address that is the guest's: one of those it is known by, or made of its MAC. A link-local one does no harm: what
 * arrives for it goes to the guest as everything else does.
 */
static bool is_guests(const struct snapshot *s, struct arena *arena, const struct snap_link *l, const struct snap_addr *a)
{
	const struct ip *ip = &a->prefix.ip;
	size_t n;

	if (ip_is_link_local(ip))
		return false;
	if (ip->family == AF_INET6 && ip6_is_eui64(&ip->v6, &l->mac))
		return true;
	const struct scene_addr *known = scene_behind_link(s, arena, l, &n);
	for (size_t i = 0; i < n; i++)
		if (ip_eq(&known[i].ip, ip))
			return true;
	return false;
}

static void host_address_fix(struct diag_finding *f, const struct snapshot *s, const struct snap_link *l)
{
	char path[64], old[16];
	struct diag_fix *fix = finding_fix(f, "flush", FIX_LASTS_LIVE);
	size_t n;
	const struct snap_addr *addrs = snap_addrs(s, l->ifindex, &n);

	(void)snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", l->name);
	(void)snprintf(old, sizeof(old), "%d", l->conf6.accept_ra);
	if (l->conf6.present && l->conf6.accept_ra != 0)
		fix_sysctl_live(f, fix, path, old, "0");
	if (l->conf6.addr_gen_mode != 1)
		fix_link_no_addresses(f, fix, l);
	for (size_t i = 0; i < n; i++)
		if (is_guests(s, f->all->arena, l, &addrs[i]))
			fix_addr_del(f, fix, s, &addrs[i]);
	fix_note(f, fix, "then `sixtap adopt %s`: the group that came with the address goes with it", adopt_subject(s, l));
}

static void judge_host_address(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *l = &s->links[i];
		struct diag_finding *f = NULL;
		size_t n;

		if (!is_macvtap(l))
			continue;
		const struct snap_addr *addrs = snap_addrs(s, l->ifindex, &n);
		for (size_t k = 0; k < n; k++) {
			if (!is_guests(s, found->arena, l, &addrs[k]))
				continue;
			if (!f) {
				f = findings_add(found, l->name);
				about_guest(f, s, l);
				finding_what(f, "The host has %s's address %s itself, on %s.", scene_guest_or(s, found->arena, l),
					     IP_STR(&addrs[k].prefix.ip), l->name);
				finding_why(f, "The host's end of a macvtap has the guest's MAC: with accept_ra and autoconf the kernel "
					       "makes the same address of it as the guest does, and keeps what is for it.");
				finding_seen_in(f, "ip addr show dev %s", l->name);
			}
			finding_value(f, "address", "%s", PREFIX_STR(&addrs[k].prefix));
		}
		if (f)
			host_address_fix(f, s, l);
	}
}

/* ------------------------------------------------------------------- mac-mismatch */

static void judge_mac_mismatch(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_nics; i++) {
		const struct snap_nic *nic = &s->nics[i];
		const struct snap_link *l = nic->live && nic->ifindex ? snap_link(s, nic->ifindex) : NULL;
		const struct mac *mac = nic->rx_known && !mac_is_zero(&nic->rx_main) ? &nic->rx_main : &nic->mac;

		if (!l || !is_macvtap(l) || mac_is_zero(mac) || mac_eq(mac, &l->mac))
			continue;
		if (l->macvlan.mode == MACVLAN_MODE_PASSTHRU || (nic->rx_known && nic->rx_promiscuous))
			continue;
		struct diag_finding *f = findings_add(found, l->name);
		struct diag_fix *fix = finding_fix(f, "mac", FIX_LASTS_LIVE);

		about_guest(f, s, l);
		finding_what(f, "%s uses the MAC %s, but %s has %s: it can send, and only broadcasts come back.", nic->guest,
			     MAC_STR(mac), l->name, MAC_STR(&l->mac));
		finding_why(f, "The kernel hands a frame to the macvtap that has its destination MAC. Promiscuous mode is no cure.");
		finding_value(f, "guest_mac", "%s", MAC_STR(mac));
		finding_value(f, "macvtap_mac", "%s", MAC_STR(&l->mac));
		finding_seen_in(f, "%sip link show %s", nic->rx_known ? "QMP query-rx-filter, " : "", l->name);
		fix_link_mac(f, fix, l, mac);
		fix_note(f, fix, "make them equal where the guest is defined");
	}
}

/* -------------------------------------------------------------------- device-node */

static void judge_device_node(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_tap_nodes; i++) {
		const struct snap_tap_node *t = &s->tap_nodes[i];
		const struct snap_link *l = snap_link(s, t->ifindex);
		bool wrong = t->present && (t->node_major != t->major || t->node_minor != t->minor);

		/* Ours are opened by nodes of the daemon's own; whoever runs has a descriptor already. */
		if (!l || (t->present && !wrong) || strncmp(l->alias, "sixtap:", 7) == 0 || snap_nic_of_link(s, l->ifindex))
			continue;
		struct diag_finding *f = findings_add(found, l->name);
		struct diag_fix *fix = finding_fix(f, "node", FIX_LASTS_LIVE);

		about_guest(f, s, l);
		if (wrong) {
			finding_what(f, "/dev/tap%u is another device's: whoever opens it for %s gets another guest's NIC.", t->ifindex,
				     l->name);
			finding_value(f, "node", "%u:%u", t->node_major, t->node_minor);
			fix_command(f, fix, "rm /dev/tap%u", t->ifindex);
		} else {
			finding_what(f, "/dev/tap%u is missing: no guest can be started on %s.", t->ifindex, l->name);
		}
		finding_why(f, "The node is named after the interface's index, and an index is only unique within a network "
			       "namespace, while /dev is shared by all of them.");
		finding_value(f, "device", "%u:%u", t->major, t->minor);
		finding_seen_in(f, "ls -l /dev/tap%u, /sys/class/net/%s/macvtap/tap%u/dev", t->ifindex, l->name, t->ifindex);
		fix_command(f, fix, "mknod -m 600 /dev/tap%u c %u %u", t->ifindex, t->major, t->minor);
		fix_note(f, fix, "and give the interface an index that no other namespace uses: ip link add … index N");
	}
}

/* -------------------------------------------------------- what the lower device does */

/* Macvtaps on one lower device. */
struct siblings {
	const struct snap_link *lower;
	const struct snap_link *first;
	size_t n, n_private, n_vepa;
	const char *names;
};

static struct siblings *siblings_of(const struct snapshot *s, struct arena *arena, size_t *ret_n)
{
	struct siblings *list = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *l = &s->links[i], *lower = is_macvtap(l) && l->lower ? snap_link(s, l->lower) : NULL;
		size_t k = 0;

		if (!lower || l->lower_elsewhere)
			continue;
		while (k < n && list[k].lower != lower)
			k++;
		if (k == n) {
			ARENA_GROW(arena, list, n, cap);
			list[n++] = (struct siblings){ .lower = lower, .first = l, .names = l->name };
		} else {
			list[k].names = list[k].n < 4 ? arena_printf(arena, "%s, %s", list[k].names, l->name) : list[k].names;
		}
		list[k].n++;
		list[k].n_private += l->macvlan.mode == MACVLAN_MODE_PRIVATE;
		list[k].n_vepa += l->macvlan.mode == MACVLAN_MODE_VEPA;
	}
	*ret_n = n;
	return list;
}

static void judge_parent_down(const struct snapshot *s, struct findings *found)
{
	size_t n;
	const struct siblings *list = siblings_of(s, found->arena, &n);

	for (size_t i = 0; i < n; i++) {
		const struct snap_link *lower = list[i].lower;
		bool down = !(lower->flags & IFF_UP);

		if (!down && lower->carrier)
			continue;
		struct diag_finding *f = findings_add(found, lower->name);

		about_guest(f, s, list[i].first);
		finding_what(f, "%s is %s: the guest%s on %s %s cut off from the LAN, and can't tell.", lower->name,
			     down ? "down" : "without carrier", plural(list[i].n), list[i].names, list[i].n == 1 ? "is" : "are");
		finding_why(f, "A guest's own carrier stays on when the lower device goes down, and what it writes is dropped in silence.");
		finding_value(f, "macvtaps", "%s", list[i].names);
		finding_seen_in(f, "ip link show %s", lower->name);
		if (down)
			fix_link_up(f, finding_fix(f, "up", FIX_LASTS_LIVE), lower);
	}
}

static void judge_isolates(const struct snapshot *s, struct findings *found)
{
	size_t n;
	const struct siblings *list = siblings_of(s, found->arena, &n);

	for (size_t i = 0; i < n; i++) {
		const struct siblings *g = &list[i];
		const char *mode = g->n_private ? "private" : "vepa";

		if (g->n < 2 || g->n_private + g->n_vepa == 0)
			continue;
		struct diag_finding *f = findings_add(found, g->lower->name);
		struct diag_fix *fix = finding_fix(f, "bridge-mode", FIX_LASTS_LIVE);

		about_guest(f, s, g->first);
		finding_what(f, "The guests on %s can't reach each other: mode %s.", g->names, mode);
		if (g->n_private)
			finding_why(f, "Mode private never hands a frame from one macvtap to another.");
		else
			finding_why(f, "In mode vepa every frame goes out to the switch, and only a switch port that reflects "
				       "(\"hairpin\", 802.1Qbg) sends it back. Few do.");
		finding_value(f, "mode", "%s", mode);
		finding_value(f, "macvtaps", "%s", g->names);
		finding_seen_in(f, "ip -d link show type macvtap");
		for (size_t k = 0; k < s->n_links; k++) {
			const struct snap_link *l = &s->links[k];

			if (is_macvtap(l) && l->lower == g->lower->ifindex && fix->n_commands < FIX_COMMANDS &&
			    (l->macvlan.mode == MACVLAN_MODE_PRIVATE || l->macvlan.mode == MACVLAN_MODE_VEPA))
				fix_link_bridge_mode(f, fix, l);
		}
		fix_note(f, fix, "say the same where the guests are defined (libvirt: <source dev='%s' mode='bridge'/>)",
			 g->lower->name);
	}
}

/* The host's own macvlan on the same lower device: then host and guests meet there. */
static bool has_host_macvlan(const struct snapshot *s, const struct snap_link *lower)
{
	for (size_t i = 0; i < s->n_links; i++)
		if (str_eq(s->links[i].kind, "macvlan") && s->links[i].lower == lower->ifindex && !s->links[i].lower_elsewhere &&
		    s->links[i].macvlan.mode == MACVLAN_MODE_BRIDGE && (s->links[i].flags & IFF_UP))
			return true;
	return false;
}

static void judge_host_isolated(const struct snapshot *s, struct findings *found)
{
	size_t n;
	const struct siblings *list = siblings_of(s, found->arena, &n);

	for (size_t i = 0; i < n; i++) {
		const struct snap_link *lower = list[i].lower;
		const struct snap_addr *a = scene_host_addr(s, lower->ifindex, AF_INET);

		if (!a)
			a = scene_host_addr(s, lower->ifindex, AF_INET6);
		if (!a || has_host_macvlan(s, lower))
			continue;
		struct diag_finding *f = findings_add(found, lower->name);
		struct diag_fix *fix = finding_fix(f, "host-access", FIX_LASTS_REBOOT_SAFE);

		about_guest(f, s, list[i].first);
		finding_what(f, "This host (%s) and the guest%s on %s can't reach each other.", IP_STR(&a->prefix.ip),
			     plural(list[i].n), list[i].names);
		finding_why(f, "What the host sends on %s goes straight out to the wire, and macvtaps hear only what comes in. "
			       "All else works.", lower->name);
		finding_value(f, "address", "%s", PREFIX_STR(&a->prefix));
		finding_seen_in(f, "ip addr show dev %s, ip -d link show type macvlan", lower->name);
		fix_command(f, fix, "sixtap init macvtap %s   # host-access: yes", lower->name);
		fix_note(f, fix, "a macvlan of the host's own, with routes to the guests");
	}
}

static void judge_wireless(const struct snapshot *s, struct findings *found)
{
	size_t n;
	const struct siblings *list = siblings_of(s, found->arena, &n);

	for (size_t i = 0; i < n; i++) {
		const struct snap_link *lower = list[i].lower;

		if (!lower->wireless || lower->four_address)
			continue;
		struct diag_finding *f = findings_add(found, lower->name);

		about_guest(f, s, list[i].first);
		finding_what(f, "%s is wireless: nothing of the guest%s on %s passes the access point.", lower->name,
			     plural(list[i].n), list[i].names);
		finding_why(f, "An access point takes frames from one MAC a station, and that is the host's.");
		finding_seen_in(f, "iw dev %s info", lower->name);
		struct diag_fix *fix = finding_fix(f, "nat", FIX_LASTS_REBOOT_SAFE);
		fix_command(f, fix, "sixtap init nat");
		fix_note(f, fix, "a network of its own behind the host; or mode: routed");
	}
}

static void judge_broadcast_drops(const struct snapshot *s, struct findings *found)
{
	size_t n;
	const struct siblings *list = siblings_of(s, found->arena, &n);

	for (size_t i = 0; i < n; i++) {
		const struct snap_link *lower = list[i].lower;
		const struct snap_probe *p = snap_probe(s, "drops", lower->ifindex, NULL);

		if (!p || p->value < DROPS_PER_S)
			continue;
		struct diag_finding *f = findings_add(found, lower->name);
		struct diag_fix *fix = finding_fix(f, "queue", FIX_LASTS_LIVE);

		about_guest(f, s, list[i].first);
		f->measured = true;
		finding_what(f, "%s drops %u frames a second that the guest%s on %s should get: ARP, ND and DHCP are lost.",
			     lower->name, p->value, plural(list[i].n), list[i].names);
		finding_why(f, "Broadcasts and multicasts wait in a queue of %u frames until they are copied to each macvtap; "
			       "when it is full, they are dropped.", list[i].first->macvlan.bc_queue_len_used);
		finding_value(f, "drops_per_second", "%u", p->value);
		finding_value(f, "queue", "%u", list[i].first->macvlan.bc_queue_len_used);
		finding_seen_in(f, "ip -s link show %s (dropped)", lower->name);
		fix_link_queue(f, fix, list[i].first, list[i].first->macvlan.bc_queue_len_used * 10);
		fix_note(f, fix, "and see who floods the LAN: sixtap watch %s", lower->name);
	}
}

/* ----------------------------------------------------------------------- no-reader */

static void judge_no_reader(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *l = &s->links[i];
		bool held = l->tun.queues > 0;

		if (!str_eq(l->kind, "tun") || !l->tun.tap || !l->tun.persist || !scene_is_port(l) || !(l->flags & IFF_UP) ||
		    l->carrier)
			continue;
		struct diag_finding *f = findings_add(found, l->name);
		struct diag_fix *fix = finding_fix(f, "detach", FIX_LASTS_LIVE);

		about_guest(f, s, l);
		finding_about(f, snap_link_name(s, l->master));
		finding_what(f, "Nobody is at the other end of %s: %s.", l->name,
			     held ? "its guest has taken the cable out" : "the guest is gone, and the tap stays");
		finding_why(f, "A persistent tap outlives its guest. It has no carrier until a program opens it%s.",
			    held ? " and says that the link is up" : "");
		finding_seen_in(f, "ip -d link show %s", l->name);
		fix_command(f, fix, "ip link del %s", l->name);
		fix_note(f, fix, "unless the guest is to be started again");
	}
}

static const struct rule rules[] = {
	{ "macvtap.multicast-filtered", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, .judge = judge_filtered },
	{ "macvtap.host-address", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, .judge = judge_host_address },
	{ "macvtap.mac-mismatch", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, .judge = judge_mac_mismatch },
	{ "macvtap.device-node", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, .needs = { SNAP_PART_SYSFS }, .judge = judge_device_node },
	{ "macvtap.parent-down", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, .judge = judge_parent_down },
	{ "macvtap.mode-isolates", SEVERITY_WARNING, RULE_SUBJECT_INTERFACE, .judge = judge_isolates },
	{ "macvtap.host-isolated", SEVERITY_INFO, RULE_SUBJECT_INTERFACE, .judge = judge_host_isolated },
	{ "macvtap.wireless-lower", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, .judge = judge_wireless },
	{ "macvtap.broadcast-drops", SEVERITY_WARNING, RULE_SUBJECT_INTERFACE, .judge = judge_broadcast_drops },
	{ "tap.no-reader", SEVERITY_INFO, RULE_SUBJECT_INTERFACE, .judge = judge_no_reader },
};

const struct rule_section rules_macvtap = { "macvtap and attaching", rules, ARRAY_LEN(rules) };

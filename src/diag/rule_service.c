/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_service - what others do to guests' ports, limits, DHCP servers, and what a boot would undo
 */
#include "diag/rule.h"

#include <linux/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include "diag/role.h"
#include "diag/rules.h"
#include "diag/scene.h"

#define FULL(n, max) ((max) > 0 && (n) >= (max) - (max) / 50)	/* of a table that empties and fills by the second */

/* ------------------------------------------------------------------------ managers */

/* One finding a program, however many ports it holds. */
static void judge_managers(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_managers; i++) {
		const struct snap_manager *m = &s->managers[i];
		const struct snap_link *link = snap_link(s, m->ifindex);
		struct diag_finding *f;

		if (!m->manages || !link || !scene_is_guest_link(s, link) || scene_is_uplink(s, link))
			continue;
		f = findings_find(found, found->rule->id, m->manager);
		if (!f) {
			f = findings_add(found, m->manager);
			finding_what(f, "%s manages %s, which is a guest's: it may take it out of its bridge or ask for leases on it.",
				     m->manager, link->name);
			finding_why(f, "The host's end of a guest's port has no addresses, and nobody but the guest's own host program "
				       "should touch it.");
			finding_value(f, "state", "%s", m->state);
			if (m->file[0])
				finding_value(f, "file", "%s", m->file);
			finding_seen_in(f, "%s", str_eq(m->manager, "NetworkManager")	? "nmcli device" :
						 str_eq(m->manager, "systemd-networkd") ? "networkctl list" :
											  "its configuration");
			struct diag_fix *fix = finding_fix(f, "unmanaged", FIX_LASTS_LIVE);
			if (str_eq(m->manager, "NetworkManager"))
				fix_command(f, fix, "nmcli device set %s managed no", link->name);
			else if (str_eq(m->manager, "systemd-networkd"))
				fix_command(f, fix, "printf '[Match]\\nName=%s\\n[Link]\\nUnmanaged=yes\\n' "
						    ">/etc/systemd/network/05-guests.network && networkctl reload", link->name);
			else
				fix_command(f, fix, "echo 'denyinterfaces %s' >>/etc/dhcpcd.conf", link->name);
			fix_note(f, fix, "sixtap's own ports are left alone by the files that its package installs");
		}
		finding_about(f, link->name);
	}
}

/* --------------------------------------------------------------------------- hooks */

static bool has_libvirt_guests(const struct snapshot *s)
{
	for (size_t i = 0; i < s->n_networks; i++)
		for (size_t k = 0; strncmp(s->networks[i].adopts, "libvirt:", 8) == 0 && k < s->n_forwards; k++)
			if (str_eq(s->forwards[k].network, s->networks[i].name))
				return true;
	return false;
}

static const struct snap_hook *libvirt_hook(const struct snapshot *s)
{
	for (size_t i = 0; i < s->n_hooks; i++)
		if (str_eq(s->hooks[i].name, "libvirt-qemu"))
			return &s->hooks[i];
	return NULL;
}

static void judge_hook_missing(const struct snapshot *s, struct findings *found)
{
	const struct snap_hook *hook = libvirt_hook(s);

	if (!has_libvirt_guests(s) || !hook || (hook->present && hook->ours))
		return;
	struct diag_finding *f = findings_add(found, "libvirt-qemu");

	finding_what(f, "Port forwards don't follow libvirt's guests: libvirt doesn't tell when one starts.");
	finding_why(f, "%s %s.", hook->path, hook->present ? "is somebody else's and doesn't call sixtap" : "isn't there");
	finding_seen_in(f, "ls -l %s", hook->path);
	fix_command(f, finding_fix(f, "install", FIX_LASTS_REBOOT_SAFE), "sixtap hook --install libvirt-qemu");
}

static void judge_hook_unnoticed(const struct snapshot *s, struct findings *found)
{
	const struct snap_hook *hook = libvirt_hook(s);
	const struct snap_program *libvirtd = snap_program(s, "libvirtd");

	if (!libvirtd || !libvirtd->running)
		libvirtd = snap_program(s, "virtqemud");
	if (!has_libvirt_guests(s) || !hook || !hook->present || !libvirtd || !libvirtd->running || !libvirtd->started ||
	    libvirtd->started >= hook->changed)
		return;
	struct diag_finding *f = findings_add(found, "libvirt-qemu");

	finding_what(f, "%s doesn't know of %s yet: it was started before the file was there.", libvirtd->name, hook->path);
	finding_why(f, "libvirt looks for hooks once, when it starts.");
	finding_seen_in(f, "ls -l %s, ps -o lstart -p %u", hook->path, libvirtd->pid);
	fix_command(f, finding_fix(f, "restart", FIX_LASTS_REBOOT_SAFE), "systemctl restart %s", libvirtd->name);
}

/* -------------------------------------------------------------------------- limits */

static void limit_finding(struct findings *found, const char *path, int64_t count, int64_t max, const char *what, const char *why)
{
	struct diag_finding *f = findings_add(found, path);
	char old[24], new[24];

	(void)snprintf(old, sizeof(old), "%lld", (long long)max);
	(void)snprintf(new, sizeof(new), "%lld", (long long)max * 4);
	finding_what(f, "%s", what);
	finding_why(f, "%s", why);
	finding_value(f, "count", "%lld", (long long)count);
	finding_value(f, "limit", "%lld", (long long)max);
	fix_sysctl(f, finding_fix(f, "raise", FIX_LASTS_LIVE), path, old, new);
}

static void judge_conntrack(const struct snapshot *s, struct findings *found)
{
	int64_t count = snap_sysctl_int(s, "net/netfilter/nf_conntrack_count", 0);
	int64_t max = snap_sysctl_int(s, "net/netfilter/nf_conntrack_max", 0);

	if (FULL(count, max))
		limit_finding(found, "net/netfilter/nf_conntrack_max", count, max,
			      "New connections of guests and of this host are dropped at random: the table of connections is full.",
			      "What can't be tracked can't be translated, and is dropped.");
}

static void judge_neighbours(const struct snapshot *s, struct findings *found)
{
	for (int i = 0; i < 2; i++) {
		const struct snap_neigh_table *t = snap_neigh_table(s, i == 0 ? AF_INET : AF_INET6, 0);
		const char *path = i == 0 ? "net/ipv4/neigh/default/gc_thresh3" : "net/ipv6/neigh/default/gc_thresh3";

		/* Permanent entries don't count towards the limit, so that many are no proof: it was hit, too. */
		if (t && s->initial_netns && FULL(t->entries, t->gc_thresh3) && t->table_fulls > 0)
			limit_finding(found, path, t->entries, t->gc_thresh3,
				      "Guests and others on the LAN can't be reached at random: the neighbour table is full.",
				      "Whoever isn't in the table is asked for before anything is sent, and finds no room.");
	}
}

/* ---------------------------------------------------------------------------- DHCP */

static const char *servers_of(struct arena *arena, const struct snap_probe *p)
{
	const char *s = "";

	for (size_t i = 0; i < p->n_answers; i++)
		s = arena_printf(arena, "%s%s%s (%s)", s, s[0] ? ", " : "", IP_STR(&p->answers[i].from), MAC_STR(&p->answers[i].mac));
	return s;
}

/* Different servers; one may answer by two ways. */
static size_t n_servers(const struct snap_probe *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_answers; i++) {
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= ip_eq(&p->answers[i].from, &p->answers[k].from);
		n += !again;
	}
	return n;
}

static void judge_two_servers(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_probes; i++) {
		const struct snap_probe *p = &s->probes[i];
		bool v4 = str_eq(p->kind, "dhcp4");

		if ((!v4 && !str_eq(p->kind, "dhcp6")) || n_servers(p) < 2)
			continue;
		struct diag_finding *f = findings_add(found, snap_link_name(s, p->ifindex));

		f->measured = true;
		finding_what(f, "%zu DHCP%s servers answer guests on %s: which gateway and address a guest gets is chance.",
			     n_servers(p), v4 ? "" : "v6", snap_link_name(s, p->ifindex));
		finding_why(f, "A guest takes the first offer. Both answered one question that was sent as a guest would.");
		finding_value(f, "servers", "%s", servers_of(found->arena, p));
		fix_command(f, finding_fix(f, "stop", FIX_LASTS_LIVE), "bridge fdb show br %s | grep -i %s   # where the other is",
			    snap_link_name(s, p->ifindex), MAC_STR(&p->answers[p->n_answers - 1].mac));
	}
}

static void judge_without_ra(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_links; i++) {
		const struct snap_link *l = &s->links[i];
		const struct snap_probe *dhcp = snap_probe(s, "dhcp6", l->ifindex, NULL), *rs = snap_probe(s, "rs", l->ifindex, NULL);

		if (!dhcp || dhcp->n_answers == 0 || !rs || rs->n_answers > 0)
			continue;
		struct diag_finding *f = findings_add(found, l->name);

		f->measured = true;
		finding_what(f, "Guests on %s get an IPv6 address by DHCPv6 and no route: nobody sends router advertisements.", l->name);
		finding_why(f, "DHCPv6 has no option for a gateway; many guests don't even ask it before an RA tells them to.");
		finding_value(f, "server", "%s", servers_of(found->arena, dhcp));
		fix_command(f, finding_fix(f, "ra", FIX_LASTS_REBOOT_SAFE), "echo 'enable-ra' >>/etc/dnsmasq.d/%s.conf   # dnsmasq", l->name);
	}
}

/* ------------------------------------------------------------------------- persist */

struct wanted {
	const char *path;
	int64_t at_least;	/* the live value that something rests on */
	const char *for_what;
};

static void judge_path(const struct snapshot *s, struct findings *found, const struct wanted *w)
{
	const struct snap_sysctl_line *line = snap_sysctl_line(s, w->path);
	int64_t live = snap_sysctl_int(s, w->path, -1);
	const char *text = snap_sysctl(s, w->path);

	if (!line || !text || live < w->at_least || strtoll(line->value, NULL, 10) >= w->at_least)
		return;
	struct diag_finding *f = findings_add(found, w->path);

	finding_what(f, "The next boot breaks %s: %s is %s now, and %s:%u says %s.", w->for_what, w->path, text, line->file, line->line,
		     line->value);
	finding_why(f, "Somebody has set it by hand, or a service that won't do it in time. At boot the file wins.");
	finding_value(f, "live", "%s", text);
	finding_value(f, "at_boot", "%s", line->value);
	finding_value(f, "set_by", "%s:%u", line->file, line->line);
	finding_seen_in(f, "sysctl, %s", line->file);
	struct diag_fix *fix = finding_fix(f, "persist", FIX_LASTS_LIVE);
	fix_sysctl(f, fix, w->path, text, text);
	fix_note(f, fix, "better still, correct %s:%u", line->file, line->line);
}

static void judge_sysctls(const struct snapshot *s, struct findings *found)
{
	const struct snap_link *up6 = scene_uplink(s, AF_INET6);
	size_t n;
	const struct scene_net *nets = scene_nets(s, found->arena, &n);
	bool v4 = false, v6 = false, hand6 = false;

	/* Ours sets what it needs whenever it starts, and so does libvirt (network/bridge_driver.c, networkEnableIPForwarding()). */
	for (size_t i = 0; i < n; i++) {
		v4 |= nets[i].outside && !nets[i].ours && !nets[i].libvirt && ip_is_set(&nets[i].v4.ip);
		v6 |= nets[i].outside && !nets[i].ours && ip_is_set(&nets[i].v6.ip);
		hand6 |= nets[i].outside && !nets[i].ours && !nets[i].libvirt && ip_is_set(&nets[i].v6.ip);
	}
	if (v4)
		judge_path(s, found, &(struct wanted){ "net/ipv4/ip_forward", 1, "guests' IPv4" });
	if (hand6)
		judge_path(s, found, &(struct wanted){ "net/ipv6/conf/all/forwarding", 1, "guests' IPv6" });
	if (v6 && up6 && role_kernel_ra(s, up6->ifindex))
		judge_path(s, found, &(struct wanted){ arena_printf(found->arena, "net/ipv6/conf/%s/accept_ra", up6->name), 2,
						       "this host's IPv6 default route" });
	if (v6 && up6 && s->n_proxies > 0)
		judge_path(s, found, &(struct wanted){ arena_printf(found->arena, "net/ipv6/conf/%s/proxy_ndp", up6->name), 1,
						       "the proxied addresses of guests" });
}

/* The elements of libvirt's XML that guests notice, one after the other. */
static const char *next_element(const char *at, const char **ret_end)
{
	static const char *const names[] = { "<ip ", "<range ", "<host ", "<forward ", "<route ", "<port " };
	const char *best = NULL;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *p = strstr(at, names[i]);

		if (p && (!best || p < best))
			best = p;
	}
	if (best)
		*ret_end = strchr(best, '>');
	return best && *ret_end ? best : NULL;
}

static bool same_xml(const char *a, const char *b)
{
	const char *end_a = NULL, *end_b = NULL;

	for (;;) {
		a = next_element(a, &end_a);
		b = next_element(b, &end_b);
		if (!a || !b)
			return !a && !b;
		/* "<forward mode='nat'>" in the one, "<forward mode='nat'/>" in the other. */
		size_t n_a = (size_t)(end_a - a) - (end_a[-1] == '/'), n_b = (size_t)(end_b - b) - (end_b[-1] == '/');
		if (n_a != n_b || memcmp(a, b, n_a) != 0)
			return false;
		a = end_a;
		b = end_b;
	}
}

static void judge_persist(const struct snapshot *s, struct findings *found)
{
	judge_sysctls(s, found);
	for (size_t i = 0; i < s->n_libvirt_nets; i++) {
		const struct snap_libvirt_net *n = &s->libvirt_nets[i];

		if (!n->active || !n->persistent || !n->live_xml[0] || !n->stored_xml[0] || same_xml(n->live_xml, n->stored_xml))
			continue;
		struct diag_finding *f = findings_add(found, arena_printf(found->arena, "libvirt:%s", n->name));

		finding_about(f, n->bridge);
		finding_what(f, "libvirt's network %s will be another one at its next start: its definition has changed since.", n->name);
		finding_why(f, "virsh net-edit changes what is stored, net-update --live what runs.");
		finding_seen_in(f, "virsh net-dumpxml %s, virsh net-dumpxml --inactive %s", n->name, n->name);
		struct diag_fix *fix = finding_fix(f, "restart", FIX_LASTS_REBOOT_SAFE);
		fix_command(f, fix, "virsh net-destroy %s && virsh net-start %s", n->name, n->name);
		fix_note(f, fix, "guests lose their link until they are started again");
	}
}

static const struct rule rules[] = {
	{ "manager.touches-guest-ports", SEVERITY_WARNING, RULE_SUBJECT_HOST, .judge = judge_managers },
	{ "hook.not-installed", SEVERITY_WARNING, RULE_SUBJECT_HOST, .judge = judge_hook_missing },
	{ "hook.unnoticed", SEVERITY_WARNING, RULE_SUBJECT_HOST, .judge = judge_hook_unnoticed },
	{ "limit.conntrack-full", SEVERITY_ERROR, RULE_SUBJECT_HOST, .judge = judge_conntrack },
	{ "limit.neighbours-full", SEVERITY_ERROR, RULE_SUBJECT_HOST, .judge = judge_neighbours },
	{ "dhcp.two-servers", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, .judge = judge_two_servers },
	{ "dhcp.v6-without-ra", SEVERITY_ERROR, RULE_SUBJECT_INTERFACE, .judge = judge_without_ra },
	{ "persist.differs", SEVERITY_WARNING, RULE_SUBJECT_HOST, .judge = judge_persist },
};

const struct rule_section rules_service = { "Services, limits, what a boot undoes", rules, ARRAY_LEN(rules) };

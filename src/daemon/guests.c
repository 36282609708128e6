/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guests - NICs for guests: made, handed over, noticed when they go
 *
 * A tap is non-persistent (for macvtap devices see macvtap.c): when the last process that holds its descriptors
 * ends, the kernel removes it and tells, and nothing is left but our record,
 * which is dropped then. So a guest's end needs no watching, also after
 * `-daemonize`.
 */
#include "daemon/state.h"

#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "conf/conf.h"
#include "kern/guard.h"
#include "kern/nft.h"
#include "kern/observe.h"
#include "kern/records.h"
#include "kern/tap.h"
#include "model/world.h"
#include "plan/ruleset.h"

#define RECORD_GUEST "guest"
#define IFF_LOWER_UP_ (1u << 16)	/* linux/if.h and net/if.h don't go together */

static uint64_t start_time(int64_t pid)
{
	char path[64], buf[1024];
	unsigned long long t = 0;

	(void)snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(buf, 1, sizeof(buf) - 1, f) : 0;
	if (f)
		(void)fclose(f);
	buf[n] = '\0';
	const char *p = strrchr(buf, ')');	/* the name before it may hold anything */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (p)
		(void)sscanf(p, "%llu", &t);
	return t;
}

static struct guest *find_guest(const struct daemon_main *d, const char *network, const char *name)
{
	for (size_t i = 0; i < d->n_guests; i++)
		if (str_eq(d->guests[i]->network, network) && str_eq(d->guests[i]->name, name))
			return d->guests[i];
	return NULL;
}

static void add_guest(struct daemon_main *d, struct guest *g)
{
	GROW(d->guests, d->n_guests, d->cap_guests);
	d->guests[d->n_guests++] = g;
}

static void remove_guest(struct daemon_main *d, struct guest *g)
{
	for (size_t i = 0; i < d->n_guests; i++) {
		if (d->guests[i] != g)
			continue;
		(void)record_del(d->records, RECORD_GUEST, g->device);
		if (g->macvtap)
			macvtap_forget(d, g);
		d->guests[i] = d->guests[--d->n_guests];
		guest_free(g);
		return;
	}
}

void guests_record(struct daemon_main *d, const struct guest *g)
{
	json_t *ips = json_array(), *forwards = json_array();

	for (size_t i = 0; i < g->n_ips; i++)
		(void)json_array_append_new(ips, json_string(IP_STR(&g->ips[i])));
	for (size_t i = 0; i < g->n_forwards; i++)
		(void)json_array_append_new(forwards, json_string(g->forwards[i].spec));
	json_t *o = json_pack("{s:s, s:s, s:i, s:s, s:o, s:o, s:I, s:I, s:I, s:s, s:b, s:b}", "network", g->network, "name", g->name,
			      "ifindex", (int)g->ifindex, "mac", MAC_STR(&g->mac), "ips", ips, "forwards", forwards, "pid",
			      (json_int_t)g->pid, "start_time", (json_int_t)g->start_time, "uid", (json_int_t)g->uid, "user",
			      g->user, "macvtap", g->macvtap, "monitor", g->monitor);
	int r = o ? record_put(d->records, RECORD_GUEST, g->device, o) : -EINVAL;

	json_decref(o);
	if (r < 0)
		log_event(LOG_LEVEL_ERROR, "record-failed guest=%s/%s error=\"%s\"", g->network, g->name, strerror(-r));
}

int guests_forward_parse(struct guest *g, const char *spec, struct report *report)
{
	if (g->n_forwards >= GUEST_FORWARDS) {
		report_error(report, spec, "too many forwards for one guest")->exit_status = 2;
		return 1;
	}
	if (forwards_parse(spec, g->arena, &guest_forwards(g)[g->n_forwards], report) != 0)
		return 1;
	g->n_forwards++;
	return 0;
}

static int restore_guest(void *user, const char *key, const json_t *value)
{
	struct daemon_main *d = user;
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(guest_freep) struct guest *g = guest_new();
	const json_t *item;
	size_t i;

	if (!str_copy(g->network, sizeof(g->network), json_string_value(json_object_get(value, "network"))) ||
	    !str_copy(g->name, sizeof(g->name), json_string_value(json_object_get(value, "name"))) ||
	    !str_copy(g->device, sizeof(g->device), key))
		return 0;
	const char *mac = json_string_value(json_object_get(value, "mac"));
	if (!mac || !mac_parse(mac, &g->mac))
		return 0;
	g->ifindex = (uint32_t)json_integer_value(json_object_get(value, "ifindex"));
	g->pid = json_integer_value(json_object_get(value, "pid"));
	g->start_time = (uint64_t)json_integer_value(json_object_get(value, "start_time"));
	g->uid = (uint32_t)json_integer_value(json_object_get(value, "uid"));
	g->macvtap = json_is_true(json_object_get(value, "macvtap"));
	g->monitor = json_is_true(json_object_get(value, "monitor"));
	(void)str_copy(g->user, sizeof(g->user), json_string_value(json_object_get(value, "user")));
	json_array_foreach(json_object_get(value, "ips"), i, item)
		if (g->n_ips < GUEST_IPS && json_is_string(item) && ip_parse(json_string_value(item), &g->ips[g->n_ips]))
			g->n_ips++;
	json_array_foreach(json_object_get(value, "forwards"), i, item)
		if (json_is_string(item))
			(void)guests_forward_parse(g, json_string_value(item), report);
	add_guest(d, STEAL_PTR(g));
	return 0;
}

static bool has_macvtap(const struct daemon_main *d)
{
	for (size_t i = 0; i < d->n_guests; i++)
		if (d->guests[i]->macvtap)
			return true;
	return false;
}

/* The kernel is what counts: a guest whose tap is gone, or is another one by now, has ended while we were away. */
int guests_restore(struct daemon_main *d)
{
	_cleanup_(world_freep) struct world *world = world_new();
	_cleanup_(report_freep) struct report *report = report_new();
	int r = record_each(d->records, RECORD_GUEST, restore_guest, d);

	/* Those on macvtap devices may have been left by a `down`: their end is waited for all the same. */
	if (r < 0 || (!d->nets && !has_macvtap(d)))
		return r;
	r = kern_observe(d->kern, NULL, 0, world, report);
	if (r < 0)
		return r;
	kern_guard_clean(d->kern, world);
	for (size_t i = d->n_guests; i-- > 0;) {
		struct guest *g = d->guests[i];
		const struct w_link *link = world_link(world, g->ifindex);
		char network[NETWORK_NAME_MAX + 1], name[GUEST_NAME_MAX + 1];

		if (!link || (!g->macvtap && !str_eq(link->name, g->device)) || !alias_parse(link->alias, network, name) ||
		    !str_eq(network, g->network) || !str_eq(name, g->name))
			remove_guest(d, g);
		else if (g->macvtap && !macvtap_restore(d, g))	/* its program has ended, its device hasn't */
			macvtap_end(d, g);
	}
	return 0;
}

void guests_link_gone(struct daemon_main *d, uint32_t ifindex, const char *name)
{
	seats_link_gone(d, ifindex);
	for (size_t i = d->n_guests; i-- > 0;) {
		struct guest *g = d->guests[i];

		if (g->ifindex != ifindex)
			continue;
		if (g->macvtap && macvtap_lost(d, g))
			log_event(LOG_LEVEL_WARNING, "guest-lost-its-nic network=%s guest=%s device=%s pid=%lld", g->network, g->name,
				  name, (long long)g->pid);
		else
			log_event(LOG_LEVEL_INFO, "guest-gone network=%s guest=%s device=%s", g->network, g->name, name);
		bool more = g->n_forwards > 0 || g->n_ips > 0 || g->macvtap;
		struct net *net = networks_find(d, g->network);

		bool plain = !more;
		more = more || !net || !net->d || !desired_guest(net->d, g->name);
		remove_guest(d, g);
		if (more && plain)
			networks_reconcile_together(d);
		else if (more)
			networks_reconcile_soon(d, 20 * MONO_MS);
	}
}

/*
 * Whoever has a tap's descriptor can do all this with it, and nobody needs to.
 * NULL: it is as we made it.
 */
static const char *misuse(const struct guest *g, const struct w_link *link)
{
	struct mac mac = kern_tap_mac(&g->mac);

	if (link->tun.persist)
		return "was made persistent";
	if (link->tun.owner >= 0 || link->tun.group >= 0)
		return "was given an owner";
	if (!mac_eq(&link->mac, &mac))
		return "was given another MAC";
	if ((link->flags & IFF_UP) && !(link->flags & IFF_LOWER_UP_))
		return "had its carrier taken away";
	return NULL;
}

bool guests_misused(const struct daemon_main *d, const struct w_link *link)
{
	for (size_t i = 0; i < d->n_guests; i++)
		if (d->guests[i]->ifindex == link->ifindex && str_eq(link->kind, "tun"))
			return misuse(d->guests[i], link) != NULL;
	return false;
}

bool guests_as_made(const struct daemon_main *d, const struct w_link *link)
{
	for (size_t i = 0; i < d->n_guests; i++)
		if (d->guests[i]->ifindex == link->ifindex)
			return mac_eq(&d->guests[i]->mac, &link->mac) || link->macvlan_mode == MACVLAN_MODE_PASSTHRU;
	return true;
}

size_t guests_punish(struct daemon_main *d, const struct world *world)
{
	size_t n = 0;

	for (size_t i = d->n_guests; i-- > 0;) {
		struct guest *g = d->guests[i];
		const struct w_link *link = world_link(world, g->ifindex);
		const char *what = link && str_eq(link->kind, "tun") && str_eq(link->name, g->device) ? misuse(g, link) : NULL;
		struct net *net = networks_find(d, g->network);

		if (!what)
			continue;
		int r = kern_link_del(d->kern, g->ifindex, g->device, link->alias);
		log_event(LOG_LEVEL_WARNING, "guest-misuse network=%s guest=%s device=%s pid=%lld what=\"%s\"%s", g->network,
			  g->name, g->device, (long long)g->pid, what, r < 0 ? " error=cannot-delete" : "");
		if (r < 0)
			continue;
		if (net) {
			free(net->trouble);
			net->trouble = xasprintf("the tap of guest %s %s by its holder: deleted", g->name, what);
		}
		n++;
	}
	return n;
}

/* Which other guest of the network has this MAC, running or declared? */
static const char *mac_owner(const struct daemon_main *d, const struct net *net, const struct mac *mac, const char *name)
{
	const struct d_guest *declared = networks_guest_by_mac(d, net->name, mac);

	for (size_t i = 0; i < d->n_guests; i++)
		if (str_eq(d->guests[i]->network, net->name) && mac_eq(&d->guests[i]->mac, mac))
			return d->guests[i]->name;
	return declared && !str_eq(declared->name, name) ? declared->name : NULL;
}

/* Which other guest of the network has this address, running or declared? */
static const char *ip_owner(const struct daemon_main *d, const struct net *net, const struct ip *ip, const char *name)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	const struct d_network *n = network_with_guests(net->d, d->guests, d->n_guests, arena);

	for (size_t i = 0; i < n->n_guests; i++) {
		const struct d_guest *declared = desired_guest(net->d, n->guests[i].name);
		const struct guest *running = find_guest(d, net->name, n->guests[i].name);

		for (size_t k = 0; k < n->guests[i].n_ips; k++)
			if (ip_eq(&n->guests[i].ips[k], ip) && !str_eq(n->guests[i].name, name))
				return declared ? declared->name : running->name;
	}
	return NULL;
}

/* An address that `run` asks for. */
static int check_ip(const struct daemon_main *d, const struct net *net, const char *name, const struct ip *ip,
		    struct report *report)
{
	const struct plan_result *r = networks_result(d, net->name);
	const struct prefix *p = r ? ip->family == AF_INET ? &r->address4 : &r->address6 : NULL;
	const char *owner = ip_owner(d, net, ip, name);
	struct finding *f;

	if (owner) {
		f = report_error(report, name, "%s is %s's", IP_STR(ip), owner);
	} else if (p && ip_is_set(&p->ip)) {
		struct ip network = prefix_network(p), last = prefix_last(p);

		if (!prefix_contains(p, ip))
			f = report_error(report, name, "%s isn't inside %s's %s", IP_STR(ip), net->name, PREFIX_STR(p));
		else if (ip_eq(ip, &p->ip))
			f = report_error(report, name, "%s is %s's own", IP_STR(ip), net->name);
		else if (ip_eq(ip, &network) || (ip->family == AF_INET && ip_eq(ip, &last)))
			f = report_error(report, name, "%s isn't the address of one machine", IP_STR(ip));
		else
			return 0;
	} else if (r && net->d->mode != NET_MODE_BRIDGE && net->d->mode != NET_MODE_MACVTAP) {
		f = report_error(report, name, "%s: %s has no IPv%d", IP_STR(ip), net->name, ip->family == AF_INET ? 4 : 6);
	} else {
		return 0;
	}
	report_help(f, "give another");
	f->exit_status = 2;
	return 1;
}

/* Settle name and MAC; refuse what another guest has. */
static int settle(struct daemon_main *d, const struct net *net, const struct ctl_attach *a, const struct control *who,
		  struct guest *g, struct report *report)
{
	const struct d_guest *declared = desired_guest(net->d, a->name);
	const char *fault = conf_guest_name_fault(a->name);
	struct conf_seed seed;

	if (!fault && a->has_mac)
		fault = conf_mac_fault(&a->mac);
	if (fault) {
		report_error(report, a->name, "%s", fault)->exit_status = 2;
		return 1;
	}
	(void)str_copy(g->network, sizeof(g->network), net->name);
	(void)str_copy(g->name, sizeof(g->name), a->name);
	const struct guest *running = find_guest(d, net->name, a->name);
	char device[IF_NAMESIZE];

	if (running && !if_indextoname(running->ifindex, device)) {	/* gone; the kernel's word is on its way */
		guests_link_gone(d, running->ifindex, running->device);
		running = NULL;
	}
	if (running && running->macvtap && !macvtap_alive(d, running)) {
		macvtap_end(d, find_guest(d, net->name, a->name));
		running = NULL;
	}
	if (running) {
		struct finding *f = report_error(report, a->name, "runs already on %s (%s, pid %lld)", net->name,
						 running->device, (long long)running->pid);

		report_help(f, "give this one another --name");
		return 1;
	}
	memcpy(seed.secret, d->secret, sizeof(seed.secret));
	g->mac = a->has_mac ? a->mac : declared ? declared->mac : conf_guest_mac(&seed, net->name, a->name, 0);
	for (unsigned int i = 1; !a->has_mac && !declared && mac_owner(d, net, &g->mac, a->name); i++)
		g->mac = conf_guest_mac(&seed, net->name, a->name, i);
	const char *other = mac_owner(d, net, &g->mac, a->name);
	if (other) {
		struct finding *f = report_error(report, a->name, "MAC %s is %s's", MAC_STR(&g->mac), other);

		report_help(f, "give another by --mac");
		f->exit_status = 2;
		return 1;
	}
	if (mac_eq(&g->mac, &net->d->mac)) {
		report_error(report, a->name, "MAC %s is %s's own", MAC_STR(&g->mac), net->name)->exit_status = 2;
		return 1;
	}
	for (size_t i = 0; i < a->n_ips; i++) {
		if (check_ip(d, net, a->name, &a->ips[i], report) != 0)
			return 1;
		g->ips[g->n_ips++] = a->ips[i];
	}
	for (size_t i = 0; i < a->n_forwards; i++)
		if (guests_forward_parse(g, a->forwards[i], report) != 0)
			return 1;
	g->uid = who->uid;
	g->pid = who->uid != 0 ? who->pid : a->pid;
	g->start_time = start_time(g->pid);
	if (who->uid != 0) {
		users_name(who->uid, g->user);
		if (users_may_have(d, net, g, report) != 0)
			return 1;
	}
	for (size_t i = 0; i < g->n_forwards; i++)
		if (forwards_check(d, &g->forwards[i], who->uid != 0, report) != 0)
			return 1;
	return 0;
}

/*
 * The guard of one more port, before it is one: a tap that is up already has to be stopped for it, which takes the kernel
 * longer than all the rest. To observe and plan everything for each guest would take longer the more of them there are.
 * Which addresses it owns by its MAC, and whatever else there is, follows a moment later with all that came meanwhile.
 *
 * Return: 0, or negative errno: then it has to be the whole plan
 */
static int guard_port(struct daemon_main *d, const struct net *net, const struct guest *g)
{
	const struct ruleset_network n = { .guarded_by_bpf = d->conf.guard.prog >= 0, .group = network_group(net->name) };
	const struct ruleset_port port = { .name = g->device, .ifindex = g->ifindex, .mac = g->mac };
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	const struct nft_elem *elems;
	char why[GUARD_WHY_MAX];
	size_t n_elems;

	if (!net->d->spoof_check)
		return 0;
	uint8_t family = ruleset_port_elems(arena, &n, &port, &elems, &n_elems);
	return family == GUARD_FAMILY ? kern_guard_elems(d->kern, NULL, 0, elems, n_elems, why) :
					kern_nft_elems(d->kern, family, NULL, 0, elems, n_elems, why);
}

static int make_nic(struct daemon_main *d, const struct net *net, struct guest *g, unsigned int queues,
		    struct report *report, int *fds, bool *ret_guarded)
{
	const struct plan_result *result = networks_result(d, net->name);
	char alias[128], why[KERN_WHY_MAX] = "";
	struct op_link set = {
		.mask = OP_LINK_MASTER | OP_LINK_MTU | OP_LINK_ALIAS | OP_LINK_GROUP | OP_LINK_UP | OP_LINK_MAC,
		.mac = g->mac,
		.up = true,
		.alias = alias,
		.group = network_group(net->name),
	};
	int r = kern_tap_new(d->kern, "tap%d", &g->mac, queues, fds, g->device, &g->ifindex);

	if (r < 0) {
		struct finding *f = report_error(report, g->name, "cannot make a tap: %s", strerror(-r));

		if (r == -ENOENT || r == -ENODEV)
			report_help(f, "the kernel has no tun device: modprobe tun");
		return 1;
	}
	(void)snprintf(alias, sizeof(alias), "sixtap:%s/%s", net->name, g->name);
	(void)str_copy(set.master, sizeof(set.master), net->d->bridge);
	set.mtu = result ? result->mtu : 0;
	set.hairpin = result && result->port_hairpin;
	if (set.hairpin)
		set.mask |= OP_LINK_HAIRPIN;
	if (set.mtu == 0)
		set.mask &= ~(uint32_t)OP_LINK_MTU;
	*ret_guarded = guard_port(d, net, g) == 0;
	r = kern_port_attach(d->kern, g->ifindex, &set, why);
	if (r == 0)
		return 0;
	report_error(report, g->name, "cannot put %s into %s: %s", g->device, net->d->bridge, *why ? why : strerror(-r));
	for (unsigned int i = 0; i < queues; i++)	/* the tap goes with them */
		(void)close(fds[i]);
	return 1;
}

/* Has this guest nothing that rules or services must know of before it runs? */
static bool is_plain(const struct daemon_main *d, const struct net *net, const struct guest *g)
{
	const struct plan_result *result = networks_result(d, net->name);
	const struct d_guest *declared = desired_guest(net->d, g->name);

	if (!result || !result->service || g->n_ips > 0 || g->n_forwards > 0)
		return false;
	if (declared && (declared->n_forwards > 0 || !mac_eq(&declared->mac, &g->mac)))
		return false;
	for (size_t i = 0; i < result->n_forwards; i++)
		if (str_eq(result->forwards[i].guest->name, g->name))
			return false;
	return true;
}

/* The plan makes the device, with all that belongs to it; @g is taken over. */
static int attach_macvtap(struct daemon_main *d, const struct ctl_attach *a, struct guest *g, struct report *report,
			  struct guest **ret, int *fds, size_t *ret_n_fds)
{
	struct macvtap_ends ends;
	size_t errors = report_n_errors(report), n = a->queues;
	char device[16];

	if (macvtap_prepare(d, g, a->monitor, report, &ends) != 0) {
		guest_free(g);
		return 1;
	}
	(void)str_copy(device, sizeof(device), g->device);
	guests_record(d, g);
	add_guest(d, g);
	if (networks_reconcile(d, report, false, NULL) != 0 || report_n_errors(report) > errors ||
	    macvtap_open(d, g, a->queues, report, fds) != 0) {
		macvtap_close(&ends);
		g->ifindex = if_nametoindex(device);
		macvtap_end(d, g);
		return 1;
	}
	fds[n++] = ends.alive;
	if (ends.qmp >= 0)
		fds[n++] = ends.qmp;
	*ret_n_fds = n;
	*ret = g;
	return 0;
}

int guests_attach(struct daemon_main *d, const struct ctl_attach *a, const struct control *who, struct report *report,
		  struct guest **ret, int *fds, size_t *ret_n_fds)
{
	struct net *net = networks_find(d, a->network);
	_cleanup_(guest_freep) struct guest *g = guest_new();

	if (!net || !net->d) {
		struct finding *f = report_error(report, a->network, "isn't up");

		report_help(f, "sudo sixtap up %s", a->network);
		return 1;
	}
	if (who->uid != 0 && users_may_run(d, who, net, a->name, report) != 0)
		return 1;
	if (settle(d, net, a, who, g, report) != 0)
		return 1;
	if (net->d->mode == NET_MODE_MACVTAP)
		return attach_macvtap(d, a, STEAL_PTR(g), report, ret, fds, ret_n_fds);
	bool guarded;
	*ret_n_fds = a->queues;
	if (make_nic(d, net, g, a->queues, report, fds, &guarded) != 0)
		return 1;
	guests_record(d, g);
	struct guest *added = STEAL_PTR(g);
	add_guest(d, added);
	if (guarded && is_plain(d, net, added)) {
		networks_reconcile_together(d);
		*ret = added;
		return 0;
	}
	/* What a guest brings along (addresses, forwards, a name) must hold before it runs. */
	if (networks_reconcile(d, report, false, NULL) != 0 && report_n_errors(report) > 0) {
		for (unsigned int i = 0; i < a->queues; i++)
			(void)close(fds[i]);
		remove_guest(d, added);
		return 1;
	}
	*ret = added;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status - what is told about the daemon, its networks, guests and leases
 */
#include "daemon/state.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "daemon/confirm.h"
#include "daemon/drain.h"
#include "daemon/repair.h"

static json_t *text_or_skip(json_t *to, const char *key, const char *s)
{
	if (s && *s)
		(void)json_object_set_new(to, key, json_string(s));
	return to;
}

static json_t *seconds_left(const struct lease *lease, mono_t now)
{
	return json_integer(lease->expires > now ? (json_int_t)((lease->expires - now) / MONO_S) : 0);
}

static void add_address(json_t *guest, const struct ip *ip, const char *kind, const struct holder *h, mono_t now)
{
	const char *list_name = ip->family == AF_INET ? "ipv4" : "ipv6";
	json_t *list = json_object_get(guest, list_name), *details = json_object_get(guest, "addresses"), *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (str_eq(json_string_value(item), IP_STR(ip)))
			return;
	(void)json_array_append_new(list, json_string(IP_STR(ip)));
	json_t *o = json_pack("{s:s, s:s}", "address", IP_STR(ip), "kind", kind);

	if (h && h->is_lease && h->lease.expires != MONO_NEVER)
		(void)json_object_set_new(o, "expires", seconds_left(&h->lease, now));
	(void)json_array_append_new(details, o);
}

static const char *kind_of(const struct holder *h)
{
	if (h->is_lease)
		return "lease";
	return h->key.ip.family == AF_INET6 && ip6_is_eui64(&h->key.ip.v6, &h->neighbour.mac) ? "slaac" : "seen";
}

static json_t *guest_new_json(const char *name, const struct mac *mac, const char *device, const char *state)
{
	json_t *o = json_pack("{s:s}", "name", name);

	if (!mac_is_zero(mac))
		(void)json_object_set_new(o, "mac", json_string(MAC_STR(mac)));
	text_or_skip(o, "device", device);
	(void)json_object_set_new(o, "state", json_string(state));
	for (size_t i = 0; i < 4; i++)
		(void)json_object_set_new(o, (const char *const[]){ "ipv4", "ipv6", "addresses", "forwards" }[i], json_array());
	return o;
}

/*
 * The guests of a network as they are listed, and the same by name and by MAC: there may be as many of them
 * as there are leases, and main answers nobody else meanwhile.
 */
struct guest_list {
	json_t *list, *by_name, *by_mac;
};

static void list_guest(struct guest_list *l, const char *name, const struct mac *mac, json_t *o)
{
	if (!json_object_get(l->by_name, name))
		(void)json_object_set(l->by_name, name, o);
	if (!mac_is_zero(mac) && !json_object_get(l->by_mac, MAC_STR(mac)))
		(void)json_object_set(l->by_mac, MAC_STR(mac), o);
	(void)json_array_append_new(l->list, o);
}

/* Places in d->guests by name, of those in one network. */
static json_t *running_guests(const struct daemon_main *d, const char *network)
{
	json_t *o = json_object();

	for (size_t i = 0; i < d->n_guests; i++)
		if (str_eq(d->guests[i]->network, network))
			(void)json_object_set_new(o, d->guests[i]->name, json_integer((json_int_t)i));
	return o;
}

static void add_forwards(const struct guest_list *l, const struct plan_result *result)
{
	for (size_t i = 0; result && i < result->n_forwards; i++) {
		const struct plan_forward *f = &result->forwards[i];
		json_t *guest = json_object_get(l->by_name, f->guest->name);

		if (!guest)
			continue;
		json_t *o = json_pack("{s:s, s:s}", "spec", f->forward->spec, "state", f->active ? "active" : "waiting");

		if (f->forward->runtime)
			(void)json_object_set_new(o, "runtime", json_true());
		(void)json_array_append_new(json_object_get(guest, "forwards"), o);
	}
}

/* A guest on the LAN itself: what is seen of it at its macvtap. */
static void add_followed(const struct daemon_main *d, const struct guest *g, json_t *o, mono_t now)
{
	json_t *followed = follow_guest_json(d, g->ifindex), *list, *item;
	struct ip ip;
	size_t i;

	if (!followed)
		return;
	for (int family = 4; family <= 6; family += 2) {
		list = json_object_get(followed, family == 4 ? "ipv4" : "ipv6");
		json_array_foreach(list, i, item)
			if (ip_parse(json_string_value(item), &ip))
				add_address(o, &ip, ip.family == AF_INET6 && ip6_is_eui64(&ip.v6, &g->mac) ? "slaac" : "seen", NULL,
					    now);
	}
	for (i = 0; i < 4; i++)
		(void)json_object_del(followed, (const char *const[]){ "device", "mac", "ipv4", "ipv6" }[i]);
	(void)json_object_set_new(o, "macvtap", followed);
}

static json_t *guests_json(const struct daemon_main *d, const struct net *net, mono_t now)
{
	const struct plan_result *result = networks_result(d, net->name);
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	const struct d_network *n = network_with_guests(net->d, d->guests, d->n_guests, arena);
	struct guest_list l = { json_array(), json_object(), json_object() };
	json_t *places = running_guests(d, net->name);
	uint32_t bridge = if_nametoindex(net->d->bridge);

	for (size_t i = 0; i < n->n_guests; i++) {
		const json_t *place = json_object_get(places, n->guests[i].name);
		const struct guest *running = place ? d->guests[json_integer_value(place)] : NULL;
		json_t *o = guest_new_json(n->guests[i].name, &n->guests[i].mac, running ? running->device : NULL,
					   running ? "attached" : "declared");

		text_or_skip(o, "user", running ? running->user : NULL);

		for (size_t k = 0; k < n->guests[i].n_ips; k++)
			add_address(o, &n->guests[i].ips[k], "declared", NULL, now);
		if (running && running->macvtap)
			add_followed(d, running, o, now);
		list_guest(&l, n->guests[i].name, &n->guests[i].mac, o);
	}
	json_decref(places);
	for (const struct holder *h = d->holders; h; h = h->hh.next) {
		const struct mac *mac = h->is_lease ? &h->lease.mac : &h->neighbour.mac;

		if (!str_eq(h->key.network, net->name))
			continue;
		json_t *o = json_object_get(l.by_mac, MAC_STR(mac));
		if (!o) {	/* somebody we didn't start; known by the name it gave, or by its address */
			const char *name = h->is_lease && h->lease.hostname[0] ? h->lease.hostname : MAC_STR(mac);

			o = guest_new_json(name, mac, NULL, "away");
			list_guest(&l, name, mac, o);
		}
		if (!str_eq(json_string_value(json_object_get(o, "state")), "attached") &&
		    seats_has(d, bridge, mac))
			(void)json_object_set_new(o, "state", json_string("attached"));
		add_address(o, &h->key.ip, kind_of(h), h, now);
	}
	add_forwards(&l, result);
	json_decref(l.by_name);
	json_decref(l.by_mac);
	return l.list;
}

static json_t *ipv6_json(const struct plan_result *r)
{
	json_t *o = json_object(), *because = json_array();

	(void)json_object_set_new(o, "address", json_string(PREFIX_STR(&r->address6)));
	(void)json_object_set_new(o, "source", json_string(ip6_source_name[r->source6]));
	(void)json_object_set_new(o, "nat", json_boolean(r->nat6));
	for (size_t i = 0; i < r->n_because; i++)
		(void)json_array_append_new(because, json_string(r->because[i]));
	(void)json_object_set_new(o, "because", because);
	return o;
}

/* Its guests' devices sit on the uplink; one of its own it has only for the host. */
static void macvtap_json(json_t *network, const struct d_network *d)
{
	json_t *o = json_pack("{s:s, s:s}", "mode", macvtap_mode_name[d->macvtap.mode], "multicast",
			      macvtap_multicast_name[d->macvtap.multicast]);

	(void)json_object_set_new(o, "host_access", json_boolean(d->host_access == HOST_ACCESS_YES));
	(void)json_object_set_new(network, "macvtap", o);
	text_or_skip(network, "device", d->host_access == HOST_ACCESS_YES ? d->bridge : NULL);
}

static json_t *network_json(const struct daemon_main *d, const struct net *net, mono_t now, bool brief)
{
	const struct plan_result *r = networks_result(d, net->name);
	char fight[256], lost[256];
	const char *troubles[] = { d->trouble, net->stuck, net->trouble, r ? r->blocked : NULL,
				   repair_trouble(d, net->name, now, fight), macvtap_trouble(d, net->name, lost) };
	bool degraded = !r || (r->service && (net->sent_hash == 0 || net->sent_hash != net->ready_hash));
	json_t *said = json_array();

	for (size_t i = 0; i < ARRAY_LEN(troubles); i++)
		if (troubles[i] && *troubles[i])
			(void)json_array_append_new(said, json_string(troubles[i]));
	degraded = degraded || json_array_size(said) > 0;
	json_t *o = json_pack("{s:s, s:s, s:s}", "name", net->name, "mode", net_mode_name[net->d->mode], "state",
			      degraded ? "degraded" : "up");

	if (net->d->mode != NET_MODE_MACVTAP)
		text_or_skip(o, "device", net->d->bridge);
	else
		macvtap_json(o, net->d);

	if (r) {
		text_or_skip(o, "uplink", r->uplink4[0] ? r->uplink4 : r->uplink6);
		text_or_skip(o, "uplink6", r->uplink6[0] && !str_eq(r->uplink4, r->uplink6) ? r->uplink6 : NULL);
		if (ip_is_set(&r->address4.ip))
			(void)json_object_set_new(o, "ipv4", json_pack("{s:s}", "address", PREFIX_STR(&r->address4)));
		if (ip_is_set(&r->address6.ip))
			(void)json_object_set_new(o, "ipv6", ipv6_json(r));
	}
	json_t *draining = drain_json(d, net, now);
	if (draining)
		(void)json_object_set_new(o, "draining", draining);
	if (json_array_size(said) > 0)
		(void)json_object_set(o, "troubles", said);
	json_decref(said);
	if (!brief)
		(void)json_object_set_new(o, "guests", guests_json(d, net, now));
	return o;
}

static bool wanted(const struct ctl_request *req, const char *name)
{
	for (size_t i = 0; i < req->n_networks; i++)
		if (str_eq(req->networks[i], name))
			return true;
	return req->n_networks == 0;
}

static int by_name(struct net *a, struct net *b)
{
	return strcmp(a->name, b->name);
}

json_t *status_networks_json(struct daemon_main *d, const struct ctl_request *req)
{
	mono_t now = mono_now();
	json_t *list = json_array();

	HASH_SORT(d->nets, by_name);
	if (!req->brief)
		seats_learn(d);
	for (const struct net *net = d->nets; net; net = net->hh.next)
		if (net->d && !net->leaving && wanted(req, net->name))
			(void)json_array_append_new(list, network_json(d, net, now, req->brief));
	return list;
}

json_t *status_daemon_json(const struct daemon_main *d)
{
	json_t *o = json_pack("{s:i, s:f, s:s, s:b}", "pid", (int)d->conf.ends.monitor_pid, "uptime",
			      (double)((mono_now() - d->started) / MONO_MS) / 1000.0, "release", SIXTAP_VERSION, "unwatched",
			      d->monitor_gone);

	(void)json_object_set_new(o, "processes", json_pack("{s:i, s:i, s:i, s:i}", "monitor",
							    (int)d->conf.ends.monitor_pid, "main", (int)getpid(), "engine",
							    (int)d->engine.pid, "resolver", (int)d->resolver.pid));
	if (d->confirm)
		(void)json_object_set_new(o, "confirm", json_integer(confirm_left(d, mono_now())));
	return o;
}

json_t *status_leases_json(const struct daemon_main *d, const struct ctl_request *req, bool root)
{
	mono_t now = mono_now();
	json_t *list = json_array();

	for (const struct holder *h = d->holders; h; h = h->hh.next) {
		char hex[CLIENT_ID_MAX * 2 + 1] = "";

		if (!h->is_lease || !wanted(req, h->key.network))
			continue;
		const char *name = serve_guest_name(d, h->key.network, &h->lease.mac);
		json_t *o = json_pack("{s:s, s:s, s:s}", "network", h->key.network, "mac", MAC_STR(&h->lease.mac), "address",
				      IP_STR(&h->key.ip));

		text_or_skip(o, "guest", *name ? name : h->lease.hostname);
		(void)json_object_set_new(o, "expires", seconds_left(&h->lease, now));
		for (size_t i = 0; root && i < h->lease.client.len; i++)
			(void)snprintf(hex + i * 2, 3, "%02x", h->lease.client.b[i]);
		text_or_skip(o, h->key.ip.family == AF_INET ? "client_id" : "duid", hex);
		if (h->key.ip.family == AF_INET6)
			(void)json_object_set_new(o, "iaid", json_integer(h->lease.iaid));
		(void)json_array_append_new(list, o);
	}
	return list;
}

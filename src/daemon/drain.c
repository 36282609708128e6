/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drain - prefixes that a network was numbered by before, until guests have left them
 */
#include "daemon/drain.h"

#include <errno.h>
#include <string.h>
#include "base/log.h"
#include "kern/records.h"

#define WITHDRAWN_VALID_S 7200u		/* RFC 4862 5.5.3 e: a guest goes no lower than this */

/* ---- records ---- */

static char *record_key(const char *network, const struct prefix *gateway)
{
	return xasprintf("%s %s", network, PREFIX_STR(gateway));
}

static struct drain *find(const struct net *net, const struct prefix *gateway)
{
	for (size_t i = 0; i < net->n_drains; i++)
		if (prefix_eq(&net->drains[i].gateway, gateway))
			return &net->drains[i];
	return NULL;
}

/* The newest first: when there are too many, the oldest is left out. */
static void put(struct net *net, const struct prefix *gateway, mono_t until)
{
	GROW(net->drains, net->n_drains, net->cap_drains);
	memmove(net->drains + 1, net->drains, net->n_drains * sizeof(*net->drains));
	net->drains[0] = (struct drain){ *gateway, until };
	net->n_drains++;
}

static int restore(void *user, const char *key, const json_t *value)
{
	struct daemon_main *d = user;
	const char *network = json_string_value(json_object_get(value, "network"));
	const char *gateway = json_string_value(json_object_get(value, "gateway"));
	const json_t *until = json_object_get(value, "until");
	struct net *net = network ? networks_find(d, network) : NULL;
	struct prefix p;

	if (!network || !gateway || !json_is_integer(until) || !prefix_parse(gateway, &p)) {
		log_event(LOG_LEVEL_ERROR, "record-unreadable drain=\"%s\"", key);
		return 0;
	}
	if (!net)
		(void)record_del(d->records, RECORD_DRAIN, key);	/* of a `down` that was killed on its last step */
	else if (!find(net, &p))
		put(net, &p, (mono_t)json_integer_value(until));
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	const struct drain *x = a, *y = b;

	return x->until > y->until ? -1 : x->until < y->until;
}

int drain_restore(struct daemon_main *d)
{
	int r = record_each(d->records, RECORD_DRAIN, restore, d);

	for (struct net *net = d->nets; net; net = net->hh.next)
		if (net->n_drains > 1)
			qsort(net->drains, net->n_drains, sizeof(*net->drains), newest_first);
	return r;
}

static void unrecord(struct daemon_main *d, struct net *net, size_t i)
{
	_cleanup_(freep) char *key = record_key(net->name, &net->drains[i].gateway);

	(void)record_del(d->records, RECORD_DRAIN, key);
	net->n_drains--;
	memmove(net->drains + i, net->drains + i + 1, (net->n_drains - i) * sizeof(*net->drains));
}

void drain_forget(struct daemon_main *d, struct net *net)
{
	while (net->n_drains > 0)
		unrecord(d, net, net->n_drains - 1);
	free(net->drains);
	net->drains = NULL;
	net->cap_drains = 0;
}

static struct net *net_of_result(const struct daemon_main *d, const struct plan_result *r)
{
	struct net *net = networks_find((struct daemon_main *)d, r->name);

	return net && net->d && !net->leaving && r->service ? net : NULL;
}

void drain_record(struct daemon_main *d, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_results; i++) {
		const struct plan_result *result = &plan->results[i];
		struct net *net = net_of_result(d, result);

		for (size_t k = 0; net && k < result->n_drains; k++) {
			const struct plan_drain *drain = &result->drains[k];

			if (find(net, &drain->gateway))
				continue;
			_cleanup_(freep) char *key = record_key(net->name, &drain->gateway);
			json_t *o = json_pack("{s:s, s:s, s:I}", "network", net->name, "gateway", PREFIX_STR(&drain->gateway),
					      "until", (json_int_t)drain->until);
			int r = o ? record_put(d->records, RECORD_DRAIN, key, o) : -ENOMEM;

			json_decref(o);
			if (r < 0)	/* a main that is started anew would end it with the last lease */
				log_event(LOG_LEVEL_ERROR, "record-failed drain=\"%s\" error=\"%s\"", key, strerror(-r));
			log_event(LOG_LEVEL_NOTICE, "draining network=%s address=%s leases=%zu", net->name,
				  PREFIX_STR(&drain->gateway), drain->n_leases);
			put(net, &drain->gateway, drain->until);
		}
	}
}

void drain_settle(struct daemon_main *d, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_results; i++) {
		const struct plan_result *result = &plan->results[i];
		struct net *net = net_of_result(d, result);

		for (size_t k = net ? net->n_drains : 0; k-- > 0;) {
			bool drains = false;

			for (size_t j = 0; j < result->n_drains; j++)
				drains = drains || prefix_eq(&result->drains[j].gateway, &net->drains[k].gateway);
			if (drains)
				continue;
			log_event(LOG_LEVEL_NOTICE, "drained network=%s address=%s", net->name,
				  PREFIX_STR(&net->drains[k].gateway));
			unrecord(d, net, k);
		}
	}
}

/* ---- what drains, or would ---- */

/* The engine has said which leases there are. */
static bool leases_known(const struct net *net)
{
	return net->sent_hash != 0 && net->ready_hash == net->sent_hash;
}

/* Until when may a guest have an address that it made of this prefix? */
static mono_t until_of(const struct daemon_main *d, const struct net *net, const struct prefix *gateway, mono_t now)
{
	const struct plan_result *before = networks_result(d, net->name);
	const struct service *s = before ? before->service : NULL;
	const struct ip network = prefix_network(gateway);
	uint32_t valid_s = WITHDRAWN_VALID_S;

	if (gateway->ip.family == AF_INET)
		return mono_add(now, (s ? s->lease_s : net->d->lease_s) * MONO_S);
	for (uint32_t i = 0; s && i < s->n_prefixes; i++) {
		const struct service_prefix *p = &s->prefixes[i];

		if (IN6_ARE_ADDR_EQUAL(&p->prefix, &network.v6) && p->len == gateway->len)
			valid_s = !p->autonomous ? 0 : p->valid_s < valid_s ? p->valid_s : valid_s;
	}
	return mono_add(now, valid_s * MONO_S);
}

struct candidates {
	struct arena *arena;
	struct plan_drain *list;
	size_t n, cap;
};

static void add(struct candidates *c, const struct net *net, const struct prefix *gateway, mono_t until, bool recorded)
{
	for (size_t i = 0; i < c->n; i++)
		if (str_eq(c->list[i].network, net->name) && prefix_eq(&c->list[i].gateway, gateway))
			return;
	ARENA_GROW(c->arena, c->list, c->n, c->cap);
	c->list[c->n++] = (struct plan_drain){ .network = net->name, .gateway = *gateway, .until = until, .recorded = recorded };
}

/* What the configuration wants, as far as that can be told without a plan. */
static bool is_wanted(const struct d_network *n, const struct prefix *p)
{
	return prefix_eq(p, p->ip.family == AF_INET ? &n->address4 : &n->address6);
}

static void add_addresses(const struct daemon_main *d, const struct world *world, mono_t now, struct candidates *c)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	for (size_t i = 0; i < world->n_addrs; i++) {
		const struct w_addr *a = &world->addrs[i];
		const struct w_link *link = world_link(world, a->ifindex);

		if (ip_is_link_local(&a->prefix.ip) || !link || !alias_parse(link->alias, network, guest) || guest[0])
			continue;
		const struct net *net = networks_find((struct daemon_main *)d, network);
		if (!net || !net->d || net->leaving || is_wanted(net->d, &a->prefix))
			continue;
		/* With nobody there, nobody has made an address of it. A guest that sleeps, saved to disk, may have a lease. */
		bool unused = a->prefix.ip.family == AF_INET6 && !world_has_ports(world, link->ifindex);
		add(c, net, &a->prefix, unused ? now : until_of(d, net, &a->prefix, now), false);
	}
}

/*
 * A lease is from before when its address isn't of the prefix that is given
 * from now; of one where only the gateway's address changed, when it hasn't
 * been renewed since.
 */
static bool is_from_before(const struct daemon_main *d, const struct net *net, const struct plan_drain *drain,
			   const struct lease *lease)
{
	const struct plan_result *r = networks_result(d, net->name);
	bool four = lease->ip.family == AF_INET;
	const struct prefix *now = four ? &net->d->address4 : &net->d->address6;

	if (!ip_is_set(&now->ip) && r)
		now = four ? &r->address4 : &r->address6;
	if (prefix_eq(now, &drain->gateway))	/* it is what the configuration wants after all */
		return true;
	return now->ip.family != lease->ip.family || !prefix_contains(now, &lease->ip) || lease->expires <= drain->until;
}

static void count_leases(const struct daemon_main *d, mono_t now, struct candidates *c)
{
	const struct net *net = NULL;

	for (const struct holder *h = c->n > 0 ? d->holders : NULL; h; h = h->hh.next) {
		if (!h->is_lease || h->lease.expires <= now)
			continue;
		if (!net || !str_eq(net->name, h->key.network))
			net = networks_find((struct daemon_main *)d, h->key.network);
		for (size_t i = 0; net && net->d && i < c->n; i++) {
			struct plan_drain *drain = &c->list[i];

			if (!str_eq(drain->network, net->name) || drain->gateway.ip.family != h->key.ip.family ||
			    !prefix_contains(&drain->gateway, &h->key.ip) || !is_from_before(d, net, drain, &h->lease))
				continue;
			drain->n_leases++;
			drain->last = h->lease.expires > drain->last ? h->lease.expires : drain->last;
		}
	}
}

void drain_gather(const struct daemon_main *d, const struct world *world, mono_t now, struct arena *arena,
		  struct plan_facts *facts)
{
	struct candidates c = { .arena = arena };

	for (const struct net *net = d->nets; net; net = net->hh.next)
		for (size_t i = 0; net->d && !net->leaving && i < net->n_drains; i++)
			add(&c, net, &net->drains[i].gateway, net->drains[i].until, true);
	size_t n_recorded = c.n;
	add_addresses(d, world, now, &c);
	count_leases(d, now, &c);
	for (size_t i = 0; i < c.n; i++) {
		struct plan_drain *drain = &c.list[i];
		const struct net *net = networks_find((struct daemon_main *)d, drain->network);

		drain->keep = drain->n_leases > 0 || !leases_known(net) ||
			      (drain->gateway.ip.family == AF_INET6 && drain->until > now);
	}
	/* What begins to drain now comes first: it is what guests use. */
	struct plan_drain *list = arena_alloc(arena, c.n, sizeof(*list));
	for (size_t i = 0; i < c.n; i++)
		list[i] = c.list[(n_recorded + i) % c.n];
	facts->drains = list;
	facts->n_drains = c.n;
}

void drain_tick(struct daemon_main *d, mono_t now)
{
	for (const struct net *net = d->nets; net; net = net->hh.next) {
		const struct plan_result *r = networks_result(d, net->name);

		for (size_t i = 0; r && i < r->n_drains; i++) {
			mono_t last = r->drains[i].last;

			if (r->drains[i].gateway.ip.family == AF_INET6 && r->drains[i].until > last)
				last = r->drains[i].until;
			if (last <= now)
				networks_reconcile_soon(d, 0);
		}
	}
}

/* ---- for people ---- */

json_t *drain_json(const struct daemon_main *d, const struct net *net, mono_t now)
{
	const struct plan_result *r = networks_result(d, net->name);
	struct candidates c = { .arena = arena_new() };
	json_t *list = NULL;

	for (size_t i = 0; r && i < r->n_drains; i++)
		add(&c, net, &r->drains[i].gateway, r->drains[i].until, true);
	count_leases(d, now, &c);
	for (size_t i = 0; i < c.n; i++) {
		const struct plan_drain *drain = &c.list[i];
		mono_t end = drain->last;
		json_t *o = json_pack("{s:s, s:I}", "address", PREFIX_STR(&drain->gateway), "leases", (json_int_t)drain->n_leases);

		if (drain->gateway.ip.family == AF_INET6 && drain->until > end)
			end = drain->until;
		if (end > now && end != MONO_NEVER)
			(void)json_object_set_new(o, "expires", json_integer((json_int_t)((end - now) / MONO_S)));
		list = list ? list : json_array();
		(void)json_array_append_new(list, o);
	}
	arena_free(c.arena);
	return list;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flows - what guests sent while our rules were away
 */
#include "daemon/flows.h"

#include <linux/netfilter.h>
#include <string.h>
#include "base/log.h"
#include "kern/conntrack.h"

struct prefixes {
	struct arena *arena;
	struct prefix *list;
	size_t n, cap;
};

static void add(struct prefixes *p, const struct prefix *prefix)
{
	if (!ip_is_set(&prefix->ip))
		return;
	ARENA_GROW(p->arena, p->list, p->n, p->cap);
	p->list[p->n++] = *prefix;
}

/* Has translation come (back) by this plan? */
static bool brings_translation(const struct plan *plan)
{
	for (size_t i = 0; i < plan->ops->n; i++) {
		const struct op *op = &plan->ops->ops[i];

		if (op->kind == OP_NFT_TABLE && op->nft.family == NFPROTO_INET && op->action != OP_ACTION_REMOVE)
			return true;
		for (size_t k = 0; op->kind == OP_NFT_ELEMS && op->nft.family == NFPROTO_INET && k < op->nft.n_add; k++)
			if (strncmp(op->nft.add[k].set, "snat", 4) == 0)
				return true;
	}
	return false;
}

/* Addresses of the host and of guests aren't translated: those of the world as it was found, and what the plan added. */
static void add_own(const struct world *world, const struct plan *plan, struct prefixes *p)
{
	for (size_t i = 0; i < world->n_addrs; i++) {
		const struct ip *ip = &world->addrs[i].prefix.ip;

		add(p, &(struct prefix){ *ip, (uint8_t)ip_bits(ip) });
	}
	for (size_t i = 0; i < plan->n_results; i++) {
		const struct plan_result *r = &plan->results[i];

		add(p, &r->address4);
		add(p, &r->address6);
		for (size_t k = 0; k < r->n_drains; k++)
			add(p, &r->drains[k].gateway);
	}
}

/* A dump takes the kernel 10 ms a family: only where somebody can have sent something. */
static bool had_guests(const struct world *world, const struct plan_result *r)
{
	const struct w_link *link = world_link_by_name(world, r->device);

	return link && world_has_ports(world, link->ifindex);
}

void flows_mend(const struct world *world, const struct plan *plan)
{
	struct prefixes from = { .arena = arena_new() }, not_to = { .arena = from.arena };
	size_t n = 0;

	for (size_t i = 0; brings_translation(plan) && i < plan->n_results; i++)
		for (size_t k = 0; had_guests(world, &plan->results[i]) && k < plan->results[i].n_translated; k++)
			add(&from, &plan->results[i].translated[k]);
	if (from.n > 0) {
		add_own(world, plan, &not_to);
		int r = conntrack_forget(&(struct untranslated){ from.list, from.n, not_to.list, not_to.n }, &n);

		if (r < 0)
			log_event(LOG_LEVEL_WARNING, "flows-not-mended error=\"%s\"", strerror(-r));
		else if (n > 0)
			log_event(LOG_LEVEL_NOTICE, "flows-mended n=%zu what=\"guests sent while rules were away\"", n);
	}
	arena_free(from.arena);
}

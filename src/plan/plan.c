/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan - from wish and world to an ordered list of changes
 *
 * First everything is found out and checked, then, when nothing is wrong, the
 * ops are added. Their order: what goes (services, ports, addresses, link), the
 * host's settings, what comes (link, addresses, ports), rules, settings given
 * back, services. So a network is never there without its rules for longer
 * than it takes to make it, and never without a guard when hairpin mode is on.
 */
#include "plan/make.h"

const char *net_key(struct make *m, const struct net *net, const char *field)
{
	return arena_printf(m->arena, "networks.%s.%s", net->target->name, field);
}

static void find(struct make *m)
{
	for (size_t i = 0; i < m->n_nets; i++)
		find_link(m, &m->nets[i]);
	for (size_t i = 0; i < m->n_nets; i++) {
		struct net *net = &m->nets[i];

		find_uplink(m, net);
		find_mtu(m, net);
		find_macvtap(m, net);
		find_addresses(m, net);
	}
	for (size_t i = 0; i < m->n_nets; i++) {
		find_services(m, &m->nets[i]);
		find_forwards(m, &m->nets[i]);
	}
	find_collisions(m);
	find_foreign(m);
}

static void emit(struct make *m)
{
	for (size_t i = 0; i < m->n_nets; i++)
		emit_unserve(m, &m->nets[i]);
	for (size_t i = 0; i < m->n_nets; i++)
		emit_link_down(m, &m->nets[i]);
	for (size_t i = 0; i < m->n_nets; i++)
		emit_macvtap_down(m, &m->nets[i]);
	emit_forwarding(m);
	for (size_t i = 0; i < m->n_nets; i++) {
		emit_link(m, &m->nets[i]);
		emit_bridge_sysctls(m, &m->nets[i]);
		emit_addresses(m, &m->nets[i]);
		emit_ports(m, &m->nets[i]);
		emit_macvtap(m, &m->nets[i]);
	}
	for (size_t i = 0; i < m->n_nets; i++)
		emit_hairpin(m, &m->nets[i], false);
	emit_foreign_gone(m);
	emit_rules(m);
	for (size_t i = 0; i < m->n_nets; i++)
		emit_macvtap_host(m, &m->nets[i]);
	emit_foreign(m);
	for (size_t i = 0; i < m->n_nets; i++)
		emit_hairpin(m, &m->nets[i], true);
	emit_restore(m);
	for (size_t i = 0; i < m->n_nets; i++)
		emit_serve(m, &m->nets[i]);
}

int plan_make(const struct plan_target *targets, size_t n_targets, const struct world *world,
	      const struct plan_facts *facts, struct report *report, struct plan **ret)
{
	_cleanup_(plan_freep) struct plan *plan = NEW(struct plan);
	static const struct plan_facts no_facts;
	size_t n_errors = report_n_errors(report);

	plan->ops = ops_new();
	plan->results = arena_alloc(plan->ops->arena, n_targets, sizeof(*plan->results));
	plan->n_results = n_targets;
	struct make m = {
		.arena = plan->ops->arena,
		.ops = plan->ops,
		.world = world,
		.facts = facts ? facts : &no_facts,
		.report = report,
		.nets = arena_alloc(plan->ops->arena, n_targets, sizeof(struct net)),
		.n_nets = n_targets,
	};
	for (size_t i = 0; i < n_targets; i++) {
		m.nets[i] = (struct net){ .target = &targets[i], .d = targets[i].network, .result = &plan->results[i] };
		plan->results[i].name = targets[i].name;
	}
	find(&m);
	if (report_n_errors(report) > n_errors)
		return 1;
	emit(&m);
	*ret = STEAL_PTR(plan);
	return 0;
}

struct plan *plan_free(struct plan *plan)
{
	if (!plan)
		return NULL;
	ops_free(plan->ops);
	free(plan);
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sysctls - forwarding, without costing the host its own IPv6
 *
 * all.forwarding 0 → 1 makes the kernel drop the default routes it learned from
 * router advertisements, at once, on every interface with accept_ra 1, and take
 * no more. So each such interface gets accept_ra 2 before, and its route is
 * confirmed afterwards. An interface with accept_ra 0 has its advertisements
 * handled in user space and is left alone. At boot nobody has heard a router
 * yet: what may turn out to be a way outside keeps listening, too.
 *
 * Going back it is the reverse: forwarding first, then accept_ra. A value that
 * is no longer ours stays, and so does forwarding that somebody else lives on;
 * who does cannot be known, only guessed from the interfaces there are.
 */
#include "plan/make.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#define CONFIRM_MS 4000		/* a router may delay an answer by 0.5 s, and another one by 3 s: RFC 4861 6.2.6 */
#define IFAPROT_KERNEL_RA_ 2	/* linux/if_addr.h, since 5.18 */
#define MTU_MIN 1280

static const char path_forwarding6[] = "net/ipv6/conf/all/forwarding";
static const char path_forwarding4[] = "net/ipv4/ip_forward";
static const char path_default4[] = "net/ipv4/conf/default/forwarding";
static const char path_default_disable6[] = "net/ipv6/conf/default/disable_ipv6";
static const char path_nf_call4[] = "net/bridge/bridge-nf-call-iptables";
static const char path_nf_call6[] = "net/bridge/bridge-nf-call-ip6tables";

static const char *path_accept_ra(struct arena *arena, const char *device)
{
	return arena_printf(arena, "net/ipv6/conf/%s/accept_ra", device);
}

static const char *path_autoconf(struct arena *arena, const char *device)
{
	return arena_printf(arena, "net/ipv6/conf/%s/autoconf", device);
}

static const char *path_disable6(struct arena *arena, const char *device)
{
	return arena_printf(arena, "net/ipv6/conf/%s/disable_ipv6", device);
}

/* IPv4 asks the interface that a packet comes in by; `ip_forward` only sets them all. (IPv6 asks `all`.) */
static const char *path_interface4(struct arena *arena, const char *device)
{
	return arena_printf(arena, "net/ipv4/conf/%s/forwarding", device);
}

/* As sysctl(8) writes it: dots, and a slash for the dot of "eth0.10". */
static const char *dotted(struct arena *arena, const char *path)
{
	char *s = arena_printf(arena, "sysctl %s", path);

	for (char *c = s + sizeof("sysctl"); *c; c++)
		*c = *c == '/' ? '.' : *c == '.' ? '/' : *c;
	return s;
}

bool sysctl_on(const struct world *world, const char *path)
{
	const char *value = world_sysctl(world, path);

	return value && !str_eq(value, "0");
}

bool nf_call(const struct make *m, const struct net *net, sa_family_t family)
{
	if (family == AF_INET)
		return sysctl_on(m->world, path_nf_call4) || (net->link && net->link->bridge.nf_call_iptables);
	return sysctl_on(m->world, path_nf_call6) || (net->link && net->link->bridge.nf_call_ip6tables);
}

static struct op *sysctl_op(struct make *m, const char *path, const char *value, const char *old, const char *why)
{
	struct op *op = ops_add(m->ops, OP_SYSCTL, OP_ACTION_CHANGE);

	op->object = dotted(m->arena, path);
	op->what = old ? arena_printf(m->arena, "%s → %s", old, value) : value;
	op->why = why;
	op->sysctl.path = path;
	op->sysctl.value = value;
	op->sysctl.old = old;
	return op;
}

static bool wants_forwarding(const struct net *net, sa_family_t family)
{
	if (!net->ours || net->d->mode != NET_MODE_NAT)
		return false;
	for (size_t i = 0; i < net->result->n_drains; i++)
		if (net->result->drains[i].gateway.ip.family == family)
			return true;
	return ip_is_set(family == AF_INET ? &net->result->address4.ip : &net->result->address6.ip);
}

/* ---- going up ---- */

static bool has_ra_default(const struct world *world, uint32_t ifindex)
{
	for (size_t i = 0; i < world->n_routes; i++) {
		const struct w_route *r = &world->routes[i];

		if (r->oif == ifindex && is_default_route(r, AF_INET6) && r->protocol == RTPROT_RA)
			return true;
	}
	return false;
}

/* An address that the kernel made from an advertisement. Before 5.18: a /64 that expires and isn't a daemon's. */
static bool has_ra_address(const struct world *world, uint32_t ifindex)
{
	for (size_t i = 0; i < world->n_addrs; i++) {
		const struct w_addr *a = &world->addrs[i];

		if (a->ifindex != ifindex || a->prefix.ip.family != AF_INET6 || ip_is_link_local(&a->prefix.ip))
			continue;
		if (a->proto == IFAPROT_KERNEL_RA_)
			return true;
		if (a->proto == 0 && a->prefix.len == 64 && !(a->flags & (IFA_F_PERMANENT | IFA_F_NOPREFIXROUTE)))
			return true;
	}
	return false;
}

static bool lives_from_ra(const struct make *m, const struct w_link *link)
{
	return link->have_inet6 && link->accept_ra == 1 && link->master == 0 && !(link->flags & IFF_LOOPBACK) &&
	       !link_is_ours(link) &&
	       (has_ra_default(m->world, link->ifindex) || has_ra_address(m->world, link->ifindex));
}

/*
 * We set it to 2, and it is at the kernel's own 1 again: the interface was made
 * anew, or its MTU was below 1280 for a while, which takes all of its IPv6 away.
 */
static bool was_reset(const struct make *m, const struct w_link *link)
{
	const struct w_found *found;

	if (!link->have_inet6 || link->accept_ra != 1 || link->master != 0 || link_is_ours(link))
		return false;
	found = world_found(m->world, path_accept_ra(m->arena, link->name));
	return found && str_eq(found->ours, "2");
}

static bool has_default4(const struct world *world, uint32_t ifindex)
{
	for (size_t i = 0; i < world->n_routes; i++)
		if (world->routes[i].oif == ifindex && is_default_route(&world->routes[i], AF_INET))
			return true;
	return false;
}

static bool is_named_uplink(const struct make *m, const struct w_link *link)
{
	for (size_t i = 0; i < m->n_nets; i++)
		if (m->nets[i].up && wants_forwarding(&m->nets[i], AF_INET6) && str_eq(m->nets[i].d->uplink, link->name))
			return true;
	return false;
}

/*
 * It would take what it needs from advertisements, but none has come, as happens at boot. Only while the host has no
 * other way outside by IPv6, and where forwarding is, or is going to be, of our making: else somebody may want a router
 * that listens to no other. Devices that guests of others
 * may sit on (bridges, veths, taps) count only when a way outside leads through them.
 */
static bool may_live_from_ra(const struct make *m, const struct w_link *link, bool changes)
{
	static const char *const kinds[] = { "", "bond", "team", "vlan" };
	const struct w_found *forwarding = world_found(m->world, path_forwarding6);

	if (!link->have_inet6 || link->accept_ra != 1 || link->master != 0 || (link->flags & IFF_LOOPBACK) || link_is_ours(link) ||
	    uplink_by_route(m->world, AF_INET6) || (!changes && !(forwarding && str_eq(forwarding->ours, "1"))))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_eq(link->kind, kinds[i]))
			return true;
	return has_default4(m->world, link->ifindex) || is_named_uplink(m, link);
}

static void emit_confirm(struct make *m, const struct w_link *link)
{
	struct op *op = ops_add(m->ops, OP_CONFIRM_ROUTE, OP_ACTION_WAIT);

	op->object = arena_printf(m->arena, "route default dev %s", link->name);
	op->what = "confirmed by its router";
	op->why = "the host keeps its own IPv6";
	(void)str_copy(op->confirm.device, sizeof(op->confirm.device), link->name);
	op->confirm.timeout_ms = CONFIRM_MS;
}

static void emit_forwarding6(struct make *m, bool *ret_changes)
{
	*ret_changes = !sysctl_on(m->world, path_forwarding6);
	for (size_t i = 0; i < m->world->n_links; i++) {
		const struct w_link *link = &m->world->links[i];

		if (lives_from_ra(m, link) || was_reset(m, link))
			(void)sysctl_op(m, path_accept_ra(m->arena, link->name), "2", "1",
					"else forwarding costs the host its own default route");
		else if (may_live_from_ra(m, link, *ret_changes))
			(void)sysctl_op(m, path_accept_ra(m->arena, link->name), "2", "1",
					"else forwarding keeps the host from hearing its router");
	}
	if (*ret_changes)
		(void)sysctl_op(m, path_forwarding6, "1", world_sysctl(m->world, path_forwarding6),
				"guests' IPv6 is forwarded");
}

static void emit_interface4(struct make *m, const struct net *net, const struct w_link *link, bool ours)
{
	if (!link || !link->have_inet || link->forwarding4)
		return;
	for (size_t i = 0; i < m->ops->n; i++)	/* two networks with one uplink */
		if (m->ops->ops[i].kind == OP_SYSCTL && str_eq(m->ops->ops[i].sysctl.path, path_interface4(m->arena, link->name)))
			return;
	struct op *op = sysctl_op(m, path_interface4(m->arena, link->name), "1", "0",
				  ours ? "what guests send is forwarded" : "what comes back for guests is forwarded");
	if (!ours)
		return;
	op->network = net->target->name;
	op->sysctl.unrecorded = true;
}

/* It is on for all, but was switched off for one of those that matter. */
static void emit_interfaces4(struct make *m)
{
	for (size_t i = 0; i < m->n_nets; i++) {
		const struct net *net = &m->nets[i];

		if (!net->up || !wants_forwarding(net, AF_INET))
			continue;
		if (!net->creates)
			emit_interface4(m, net, net->link, true);
		if (net->result->uplink4[0])
			emit_interface4(m, net, world_link_by_name(m->world, net->result->uplink4), false);
	}
}

void emit_forwarding(struct make *m)
{
	bool four = false, six = false, changes = false;

	for (size_t i = 0; i < m->n_nets; i++) {
		four |= m->nets[i].up && wants_forwarding(&m->nets[i], AF_INET);
		six |= m->nets[i].up && wants_forwarding(&m->nets[i], AF_INET6);
	}
	if (six)
		emit_forwarding6(m, &changes);
	if (four && !sysctl_on(m->world, path_forwarding4))
		(void)sysctl_op(m, path_forwarding4, "1", world_sysctl(m->world, path_forwarding4),
				"guests' IPv4 is forwarded");
	else if (four)
		emit_interfaces4(m);
	for (size_t i = 0; i < m->world->n_links && changes; i++) {
		const struct w_link *link = &m->world->links[i];

		if (!link_is_ours(link) && link->accept_ra != 0 && has_ra_default(m->world, link->ifindex))
			emit_confirm(m, link);
	}
	/* The kernel sends no router solicitations by itself for an interface that only now may hear the answer. */
	for (size_t i = 0; i < m->world->n_links && six && !changes; i++)
		if (was_reset(m, &m->world->links[i]) || may_live_from_ra(m, &m->world->links[i], false))
			emit_confirm(m, &m->world->links[i]);
}

/* Guests must not configure their host. */
static void emit_off(struct make *m, struct net *net, const char *path, const char *initial, const char *why)
{
	const char *old = net->creates ? world_sysctl(m->world, initial) : world_sysctl(m->world, path);

	/* Not read: of a bridge to be made that is no wonder, of one that is there nothing is known to be wrong. */
	if (str_eq(old, "0") || (!old && !net->creates))
		return;
	struct op *op = sysctl_op(m, path, "0", old, why);
	op->network = net->target->name;
	op->sysctl.unrecorded = true;
}

/* Hosts without IPv6 of their own often have it switched off for whatever comes. The addresses come next. */
static void emit_ipv6_on(struct make *m, struct net *net)
{
	const char *path = path_disable6(m->arena, net->d->bridge);
	bool six = ip_is_set(&net->result->address6.ip);

	for (size_t i = 0; i < net->result->n_drains; i++)
		six |= net->result->drains[i].gateway.ip.family == AF_INET6;
	if (!six || !sysctl_on(m->world, net->creates ? path_default_disable6 : path))
		return;
	struct op *op = sysctl_op(m, path, "0", "1", "guests have IPv6");
	op->network = net->target->name;
	op->sysctl.unrecorded = true;
}

void emit_bridge_sysctls(struct make *m, struct net *net)
{
	struct op *op;

	if (!net->up || !net->ours)
		return;
	/* A new interface takes the default, which somebody may have set apart from `ip_forward`. */
	if (net->creates && wants_forwarding(net, AF_INET) && sysctl_on(m->world, path_forwarding4) &&
	    str_eq(world_sysctl(m->world, path_default4), "0")) {
		op = sysctl_op(m, path_interface4(m->arena, net->d->bridge), "1", "0", "what guests send is forwarded");
		op->network = net->target->name;
		op->sysctl.unrecorded = true;
	}
	if (net->mtu < MTU_MIN)
		return;
	emit_ipv6_on(m, net);
	emit_off(m, net, path_accept_ra(m->arena, net->d->bridge), "net/ipv6/conf/default/accept_ra",
		 "guests cannot configure the host");
	emit_off(m, net, path_autoconf(m->arena, net->d->bridge), "net/ipv6/conf/default/autoconf",
		 "guests cannot configure the host");
}

/* ---- going down ---- */

static bool has_address(const struct world *world, uint32_t ifindex)
{
	for (size_t i = 0; i < world->n_addrs; i++)
		if (world->addrs[i].ifindex == ifindex && !ip_is_link_local(&world->addrs[i].prefix.ip))
			return true;
	return false;
}

static bool has_port(const struct world *world, uint32_t ifindex)
{
	for (size_t i = 0; i < world->n_links; i++)
		if (world->links[i].master == ifindex)
			return true;
	return false;
}

static bool has_default_route(const struct world *world, uint32_t ifindex)
{
	for (size_t i = 0; i < world->n_routes; i++)
		if (world->routes[i].oif == ifindex &&
		    (is_default_route(&world->routes[i], AF_INET) || is_default_route(&world->routes[i], AF_INET6)))
			return true;
	return false;
}

/* Who else may live on forwarding: docker's, libvirt's bridges, tunnels. NULL: nobody that one could see. */
static const struct w_link *other_forwarder(const struct make *m)
{
	for (size_t i = 0; i < m->world->n_links; i++) {
		const struct w_link *l = &m->world->links[i];

		if (!(l->flags & IFF_UP) || link_is_ours(l))
			continue;
		if (str_eq(l->kind, "bridge") && !has_default_route(m->world, l->ifindex) &&
		    (has_address(m->world, l->ifindex) || has_port(m->world, l->ifindex)))
			return l;
		if (str_eq(l->kind, "wireguard"))
			return l;
		if (str_eq(l->kind, "tun") && l->master == 0 && has_address(m->world, l->ifindex))
			return l;
	}
	return NULL;
}

/* A network of ours goes on: one of the plan, or one that the plan wasn't told of. */
static bool still_forwards(const struct make *m, sa_family_t family)
{
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	for (size_t i = 0; i < m->n_nets; i++)
		if (wants_forwarding(&m->nets[i], family))
			return true;
	for (size_t i = 0; i < m->world->n_links; i++) {
		bool known = false;

		if (!alias_parse(m->world->links[i].alias, network, guest) || guest[0])
			continue;
		for (size_t j = 0; j < m->n_nets; j++)
			known |= str_eq(m->nets[j].target->name, network);
		if (!known)
			return true;
	}
	return false;
}

static void note(struct make *m, const char *path, const char *what)
{
	bool down = false;

	for (size_t i = 0; i < m->n_nets; i++)
		down |= m->nets[i].target->want == PLAN_WANT_DOWN;
	if (!down)
		return;
	(void)report_add(m->report, SEVERITY_INFO, NULL, dotted(m->arena, path) + sizeof("sysctl"), "%s", what);
}

enum restored {
	RESTORED_NOTHING,	/* not ours, or no longer */
	RESTORED_LEFT,		/* ours, and has to stay */
	RESTORED_DONE,
};

/* @who: why it has to stay as it is, or NULL. */
static enum restored restore(struct make *m, const struct w_found *found, const char *who)
{
	const char *value = world_sysctl(m->world, found->path);
	struct op *op;

	if (!value) {	/* its interface is gone: forget it */
		op = sysctl_op(m, found->path, found->found, found->ours, "");
		op->action = OP_ACTION_WAIT;
		op->what = "";
		op->sysctl.restore = true;
		return RESTORED_NOTHING;
	}
	if (!str_eq(value, found->ours)) {
		op = sysctl_op(m, found->path, value, value, "somebody else changed it meanwhile");
		op->action = OP_ACTION_WAIT;
		op->what = "";
		op->sysctl.restore = true;
		if (!str_eq(value, found->found))
			note(m, found->path,
			     arena_printf(m->arena, "left at %s: somebody else changed it meanwhile", value));
		return RESTORED_NOTHING;
	}
	if (who) {
		note(m, found->path, arena_printf(m->arena, "left as it is: %s still forwards", who));
		return RESTORED_LEFT;
	}
	op = sysctl_op(m, found->path, found->found, value, "as it was found");
	op->sysctl.restore = true;
	return RESTORED_DONE;
}

static void restore_forwarding(struct make *m, const char *path, sa_family_t family, const char *who, bool *ret_on)
{
	const struct w_found *found = world_found(m->world, path);

	*ret_on = sysctl_on(m->world, path);
	if (still_forwards(m, family)) {
		*ret_on = true;
		return;
	}
	if (found && restore(m, found, who) == RESTORED_DONE)
		*ret_on = !str_eq(found->found, "0");
}

void emit_restore(struct make *m)
{
	const struct w_link *other = other_forwarder(m);
	const char *who = other ? other->name : NULL;
	bool on4, on6;

	if (m->world->n_found == 0)
		return;
	restore_forwarding(m, path_forwarding6, AF_INET6, who, &on6);
	restore_forwarding(m, path_forwarding4, AF_INET, who, &on4);
	for (size_t i = 0; i < m->world->n_found && !still_forwards(m, AF_INET); i++)
		if (strncmp(m->world->found[i].path, "net/ipv4/conf/", strlen("net/ipv4/conf/")) == 0)
			(void)restore(m, &m->world->found[i], on4 ? who : NULL);
	if (still_forwards(m, AF_INET6))
		return;
	for (size_t i = 0; i < m->world->n_found; i++) {
		const struct w_found *f = &m->world->found[i];
		size_t len = strlen(f->path);
		static const char tail[] = "/accept_ra";

		if (len <= sizeof(tail) || !str_eq(f->path + len - (sizeof(tail) - 1), tail))
			continue;
		(void)restore(m, f, on6 ? who ? who : "the host" : NULL);
	}
}

/* ---- what has to be read ---- */

size_t plan_sysctls(const struct plan_target *targets, size_t n_targets, const struct world *world, struct arena *arena,
		    const char ***ret_paths)
{
	const char **paths = NULL;
	size_t n = 0, cap = 0;

#define ADD(path)                                      \
	do {                                           \
		ARENA_GROW(arena, paths, n, cap);      \
		paths[n++] = (path);                   \
	} while (0)
	ADD(path_forwarding6);
	ADD(path_forwarding4);
	ADD(path_default4);
	ADD(path_nf_call4);
	ADD(path_nf_call6);
	ADD("net/ipv6/conf/default/accept_ra");
	ADD("net/ipv6/conf/default/autoconf");
	ADD(path_default_disable6);
	for (size_t i = 0; i < n_targets; i++) {
		const struct d_network *d = targets[i].network;

		if (d && d->mode == NET_MODE_MACVTAP && world_link_by_name(world, d->bridge)) {
			const char *more[MACVTAP_SYSCTLS];

			for (size_t k = 0, n_more = macvtap_sysctls(d, arena, more); k < n_more; k++)
				ADD(more[k]);
		}
		if (!d || d->mode == NET_MODE_BRIDGE || d->mode == NET_MODE_MACVTAP || !world_link_by_name(world, d->bridge))
			continue;
		ADD(path_accept_ra(arena, d->bridge));
		ADD(path_autoconf(arena, d->bridge));
		ADD(path_disable6(arena, d->bridge));
	}
	for (size_t i = 0; i < world->n_found; i++)
		if (!str_eq(world->found[i].path, path_forwarding4) && !str_eq(world->found[i].path, path_forwarding6))
			ADD(world->found[i].path);
#undef ADD
	*ret_paths = paths;
	return n;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observe - read the kernel into a struct world
 */
#include "kern/observe.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netfilter.h>
#include <linux/nl80211.h>
#include "kern/foreign.h"
#include "kern/guard.h"
#include "kern/neigh.h"
#include "kern/nft.h"
#include "kern/priv.h"
#include "kern/records.h"
#include "kern/rtnl.h"
#include "kern/sockdiag.h"
#include "kern/sysctl.h"

struct fill {
	struct world *world;
	size_t cap_links, cap_addrs, cap_routes;
	bool hardware;		/* there is something that may be wireless */
};

static int on_link(void *user, const struct nlmsghdr *nlh)
{
	struct fill *f = user;
	struct world *w = f->world;

	ARENA_GROW(w->arena, w->links, w->n_links, f->cap_links);
	if (!rtnl_parse_link(nlh, &w->links[w->n_links]))
		return 0;
	w->links[w->n_links].sources = rtnl_parse_sources(nlh, &w->links[w->n_links], w->arena);
	f->hardware = f->hardware || rtnl_is_hardware(nlh, &w->links[w->n_links]);
	w->n_links++;
	return 0;
}

static int on_addr(void *user, const struct nlmsghdr *nlh)
{
	struct fill *f = user;
	struct world *w = f->world;

	ARENA_GROW(w->arena, w->addrs, w->n_addrs, f->cap_addrs);
	if (rtnl_parse_addr(nlh, &w->addrs[w->n_addrs]))
		w->n_addrs++;
	return 0;
}

static int on_route(void *user, const struct nlmsghdr *nlh)
{
	struct fill *f = user;
	struct world *w = f->world;
	struct w_route hops[RTNL_NEXTHOPS];
	size_t n = rtnl_parse_route(nlh, hops);

	for (size_t i = 0; i < n; i++) {
		ARENA_GROW(w->arena, w->routes, w->n_routes, f->cap_routes);
		w->routes[w->n_routes++] = hops[i];
	}
	return 0;
}

enum dump {
	DUMP_LINKS,
	DUMP_ADDRS,
	DUMP_ROUTES4,
	DUMP_ROUTES6,
	DUMP_N_,
};
static const char *const dump_name[DUMP_N_] = { "links", "addresses", "IPv4 routes", "IPv6 routes" };

static int dump_once(struct kern *kern, enum dump dump, struct fill *f, char why[static NL_WHY_MAX])
{
	struct world *w = f->world;
	size_t n_routes = w->n_routes;
	nl_fn fn = on_route;

	nlb_reset(&kern->b);
	switch (dump) {
	case DUMP_LINKS:
		w->n_links = 0;
		fn = on_link;
		rtnl_put_links_dump(&kern->b);
		break;
	case DUMP_ADDRS:
		w->n_addrs = 0;
		fn = on_addr;
		rtnl_put_addrs_dump(&kern->b);
		break;
	case DUMP_ROUTES4:
		rtnl_put_routes_dump(&kern->b, AF_INET);
		break;
	case DUMP_ROUTES6:
		rtnl_put_routes_dump(&kern->b, AF_INET6);
		break;
	case DUMP_N_:
		return -EINVAL;
	}
	int r = nl_dump(&kern->rt, &kern->b, fn, f, why);
	if (r != 0)
		w->n_routes = n_routes;
	return r;
}

static int observe_rtnl(struct kern *kern, struct fill *f, struct report *report)
{
	char why[NL_WHY_MAX] = "";
	int r = kern_rt(kern);

	if (r < 0) {
		nl_explain(r, why);
		report_error(report, NULL, "the kernel doesn't tell about the network: %s", why);
		return r;
	}
	for (enum dump dump = DUMP_LINKS; dump < DUMP_N_; dump++) {
		r = NL_E_CHANGED;
		for (int i = 0; r == NL_E_CHANGED && i < NL_TRIES; i++)
			r = dump_once(kern, dump, f, why);
		if (r == NL_E_CHANGED) {
			report_error(report, NULL, "the %s change too fast to be read", dump_name[dump]);
			return -EAGAIN;
		}
		if (r == -EAFNOSUPPORT || (r == -EOPNOTSUPP && dump == DUMP_ROUTES6))
			continue;	/* a kernel without IPv6 */
		if (r < 0) {
			nl_explain(r, why);
			report_error(report, NULL, "the %s can't be read: %s", dump_name[dump], why);
			return r;
		}
	}
	return 0;
}

int kern_observe_links(struct kern *kern, struct world *world)
{
	struct fill f = { .world = world };
	char why[NL_WHY_MAX];
	int r = kern_rt(kern);

	for (int i = 0; r >= 0 && i < NL_TRIES; i++) {
		r = dump_once(kern, DUMP_LINKS, &f, why);
		if (r != NL_E_CHANGED)
			break;
	}
	if (r != 0)
		return r < 0 ? r : -EAGAIN;
	world_sort(world);
	return 0;
}

/* ------------------------------------------------------------------- wireless */

static int on_family(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[CTRL_ATTR_MAX + 1] = { [CTRL_ATTR_FAMILY_ID] = 2 };
	const struct nlattr *tb[CTRL_ATTR_MAX + 1];

	if (nl_parse_msg(nlh, sizeof(struct genlmsghdr), tb, CTRL_ATTR_MAX, policy))
		*(uint16_t *)user = nl_u16(tb[CTRL_ATTR_FAMILY_ID]);
	return 0;
}

static int on_wireless(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NL80211_ATTR_IFINDEX + 1] = { [NL80211_ATTR_IFINDEX] = 4 };
	const struct nlattr *tb[NL80211_ATTR_IFINDEX + 1];
	struct world *w = user;

	if (!nl_parse_msg(nlh, sizeof(struct genlmsghdr), tb, NL80211_ATTR_IFINDEX, policy))
		return 0;
	for (size_t i = 0; tb[NL80211_ATTR_IFINDEX] && i < w->n_links; i++)
		if (w->links[i].ifindex == nl_u32(tb[NL80211_ATTR_IFINDEX]))
			w->links[i].wireless = true;
	return 0;
}

/* rtnetlink doesn't say what is wireless. A kernel without nl80211 has nothing that is; other failures mean "not known". */
static void observe_wireless(struct world *world)
{
	_cleanup_(nl_close) struct nl nl = NL_CLOSED;
	_cleanup_(nlb_free) struct nlb b = { 0 };
	const struct genlmsghdr ctrl = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	const struct genlmsghdr get = { .cmd = NL80211_CMD_GET_INTERFACE };
	char why[NL_WHY_MAX];
	uint16_t family = 0;

	if (nl_open(&nl, NETLINK_GENERIC) < 0)
		return;
	nlb_msg(&b, GENL_ID_CTRL, 0, &ctrl, sizeof(ctrl));
	nlb_strz(&b, CTRL_ATTR_FAMILY_NAME, NL80211_GENL_NAME);
	if (nl_dump(&nl, &b, on_family, &family, why) != 0 || family == 0)
		return;
	nlb_reset(&b);
	nlb_msg(&b, family, NLM_F_DUMP, &get, sizeof(get));
	(void)nl_dump(&nl, &b, on_wireless, world, why);
}

/* ------------------------------------------------------------------- the rest */

int kern_observe_sysctls(struct kern *kern, const char *const *paths, size_t n, struct world *world,
			 struct report *report)
{
	int r = kern_proc_sys(kern);

	if (r < 0) {
		report_error(report, "/proc/sys", "%s", strerror(-r));
		return r;
	}
	world->sysctls = n > 0 ? arena_alloc(world->arena, n, sizeof(*world->sysctls)) : NULL;
	for (size_t i = 0; i < n; i++) {
		char value[SYSCTL_VALUE_MAX];

		r = sysctl_read(kern, paths[i], value);
		world->sysctls[i] = (struct w_sysctl){
			.path = arena_strdup(world->arena, paths[i]),
			.value = r < 0 ? NULL : arena_strdup(world->arena, value),
		};
	}
	world->n_sysctls = n;
	world_sort(world);
	return 0;
}

static int observe_nft(struct kern *kern, struct world *world, struct report *report)
{
	int r = kern_nft_dump(kern, NFPROTO_INET, world->arena, &world->inet);

	if (r == 0)
		r = kern_nft_dump(kern, NFPROTO_BRIDGE, world->arena, &world->bridge);
	if (r == 0)
		r = kern_nft_dump(kern, NFPROTO_NETDEV, world->arena, &world->netdev);
	if (r == -EPERM) {
		world->inet = (struct w_table){ .family = NFPROTO_INET };
		world->bridge = (struct w_table){ .family = NFPROTO_BRIDGE };
		world->netdev = (struct w_table){ .family = NFPROTO_NETDEV };
		world->nft_unreadable = true;
		return 0;
	}
	if (r < 0) {
		report_error(report, NULL, "the nftables rules can't be read: %s", strerror(-r));
		return r;
	}
	r = kern_guard_observe(kern, world);
	if (r < 0)
		report_error(report, NULL, "the guards of ports can't be read: %s", strerror(-r));
	return r;
}

/* ----------------------------------------------------------------- neighbours */

struct fill_neighs {
	struct world *world;
	size_t cap;
};

static void on_neigh(void *user, const struct kern_neigh *neigh)
{
	struct fill_neighs *f = user;
	struct world *w = f->world;

	ARENA_GROW(w->arena, w->neighs, w->n_neighs, f->cap);
	w->neighs[w->n_neighs++] =
		(struct w_neigh){ .ifindex = neigh->ifindex, .ip = neigh->ip, .mac = neigh->mac };
}

/* Whom the host's own macvlans have heard of; a host without has no use for them, and may have thousands. */
static int observe_neighs(struct kern *kern, struct world *world)
{
	struct fill_neighs f = { .world = world };
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < world->n_links && !any; i++)
		any = str_eq(world->links[i].kind, "macvlan") && alias_parse(world->links[i].alias, network, guest);
	if (any)
		r = kern_neigh_dump(kern, AF_INET, on_neigh, &f);
	if (any && r == 0)
		r = kern_neigh_dump(kern, AF_INET6, on_neigh, &f);
	return r == -EAFNOSUPPORT || r == -EOPNOTSUPP ? 0 : r;
}

int kern_observe(struct kern *kern, const char *const *sysctl_paths, size_t n, struct world *world,
		 struct report *report)
{
	struct fill f = { .world = world };
	int r = observe_rtnl(kern, &f, report);

	if (r < 0)
		return r;
	if (f.hardware)
		observe_wireless(world);
	r = observe_neighs(kern, world);
	if (r < 0) {
		report_error(report, NULL, "the neighbours can't be read: %s", strerror(-r));
		return r;
	}
	r = kern_observe_sysctls(kern, sysctl_paths, n, world, report);
	if (r < 0)
		return r;
	r = record_found_all(kern->run_dir, world->arena, &world->found, &world->n_found);
	if (r < 0 && r != -EACCES) {	/* not ours to read: only root changes anything */
		report_error(report, kern->run_dir, "the records can't be read: %s", strerror(-r));
		return r;
	}
	r = observe_nft(kern, world, report);
	if (r < 0)
		return r;
	r = sockdiag_listeners(world->arena, &world->listeners, &world->n_listeners);
	if (r < 0) {
		report_error(report, NULL, "the listening sockets can't be read: %s", strerror(-r));
		return r;
	}
	world_sort(world);
	r = kern_foreign_observe(kern, world);
	if (r < 0)
		report_error(report, NULL, "the firewalls of others can't be read: %s", strerror(-r));
	return r;
}

int kern_observe_listeners(struct world *world)
{
	return sockdiag_listeners(world->arena, &world->listeners, &world->n_listeners);
}

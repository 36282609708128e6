/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab - plans as text, on a kernel in memory
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "lab.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include "conf/conf.h"

struct lab *lab_new(const char *host)
{
	struct lab *lab = NEW(struct lab);

	lab->fake = fake_kern_new();
	lab->arena = arena_new();
	lab_host(lab, host);
	return lab;
}

static void forget(struct lab *lab)
{
	lab->plan = plan_free(lab->plan);
	lab->world = world_free(lab->world);
	lab->desired = desired_free(lab->desired);
	lab->report = report_free(lab->report);
	free(lab->text);
	lab->text = NULL;
}

struct lab *lab_free(struct lab *lab)
{
	if (!lab)
		return NULL;
	forget(lab);
	while (lab->n_running > 0)
		guest_free(lab->running[--lab->n_running]);
	fake_kern_free(lab->fake);
	arena_free(lab->arena);
	free(lab);
	return NULL;
}

/* ---- the host ---- */

/* The value of "KEY=…" among the words, or NULL; "" for the bare word. */
static const char *option(char **words, size_t n, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < n; i++) {
		if (str_eq(words[i], key))
			return "";
		if (strncmp(words[i], key, len) == 0 && words[i][len] == '=')
			return words[i] + len + 1;
	}
	return NULL;
}

static struct world *observe(struct lab *lab)
{
	struct world *w = world_new();

	assert_int_equal(fake_kern_observe(lab->fake, NULL, 0, w, lab->report), 0);
	return w;
}

static uint32_t ifindex_of(struct lab *lab, const char *name)
{
	_cleanup_(world_freep) struct world *w = observe(lab);
	const struct w_link *l = world_link_by_name(w, name);

	assert_non_null(l);
	return l->ifindex;
}

static void host_link(struct lab *lab, char **w, size_t n)
{
	struct w_link l = { .mtu = 1500, .flags = IFF_UP, .have_inet = true, .have_inet6 = true };
	const char *o;

	(void)str_copy(l.name, sizeof(l.name), w[0]);
	(void)str_copy(l.kind, sizeof(l.kind), option(w, n, "kind"));
	(void)str_copy(l.alias, sizeof(l.alias), option(w, n, "alias"));
	if ((o = option(w, n, "mtu")))
		l.mtu = (uint32_t)atoi(o);
	if ((o = option(w, n, "master")))
		l.master = ifindex_of(lab, o);
	if ((o = option(w, n, "ra")))
		l.accept_ra = atoi(o);
	if ((o = option(w, n, "mac")))
		assert_true(mac_parse(o, &l.mac));
	if (option(w, n, "down"))
		l.flags = 0;
	if (str_eq(l.name, "lo"))
		l.flags |= IFF_LOOPBACK;
	else if (l.kind[0] == '\0' && mac_is_zero(&l.mac))	/* hardware has one */
		l.mac = (struct mac){ { 2, 0, 0, 0, (uint8_t)l.name[0], (uint8_t)l.name[strlen(l.name) - 1] } };
	if (!option(w, n, "dark"))
		l.flags |= IFF_LOWER_UP;
	if ((o = option(w, n, "lower")))
		l.lower = ifindex_of(lab, o);
	if ((o = option(w, n, "mode")))
		l.macvlan_mode = (uint32_t)atoi(o);
	l.wireless = option(w, n, "wireless") != NULL;
	l.port.hairpin = option(w, n, "hairpin") != NULL;
	fake_kern_link(lab->fake, &l);
}

static void host_addr(struct lab *lab, char **w, size_t n)
{
	struct w_addr a = { .ifindex = ifindex_of(lab, w[0]), .flags = IFA_F_PERMANENT, .valid_s = UINT32_MAX,
			    .preferred_s = UINT32_MAX };

	assert_true(prefix_parse(w[1], &a.prefix));
	if (option(w, n, "slaac")) {
		a.flags = 0;
		a.valid_s = 1800;
		a.proto = 2;
	}
	if (option(w, n, "ours"))
		a.proto = SIXTAP_PROTO;
	fake_kern_addr(lab->fake, &a);
}

static void host_route(struct lab *lab, char **w, size_t n)
{
	struct w_route r = { .oif = ifindex_of(lab, w[1]), .table = RT_TABLE_MAIN, .type = RTN_UNICAST,
			     .protocol = RTPROT_BOOT };
	const char *metric = option(w, n, "metric");

	assert_true(prefix_parse(w[0], &r.dst));
	r.metric = metric ? (uint32_t)atoi(metric) : 0;
	if (option(w, n, "ra"))
		r.protocol = RTPROT_RA;
	fake_kern_route(lab->fake, &r);
}

static void host_listen(struct lab *lab, char **w, size_t n)
{
	struct w_listener *l = &lab->listeners[lab->n_listeners++];

	l->proto = str_eq(w[0], "udp") ? L4PROTO_UDP : L4PROTO_TCP;
	assert_true(ip_parse(w[1], &l->ip));
	l->port = (uint16_t)atoi(w[2]);
	if (n > 4) {
		l->pid = (uint32_t)atoi(w[3]);
		(void)str_copy(l->comm, sizeof(l->comm), w[4]);
	}
}

static void host_run(struct lab *lab, char **w)
{
	struct guest *g = guest_new();

	assert_true(lab->n_running < ARRAY_LEN(lab->running));
	(void)str_copy(g->network, sizeof(g->network), w[0]);
	(void)str_copy(g->name, sizeof(g->name), w[1]);
	(void)str_copy(g->device, sizeof(g->device), w[2]);
	assert_true(mac_parse(w[3], &g->mac));
	g->macvtap = true;
	lab->running[lab->n_running++] = g;
}

static void host_end(struct lab *lab, const char *name)
{
	for (size_t i = 0; i < lab->n_running; i++) {
		if (!str_eq(lab->running[i]->name, name))
			continue;
		guest_free(lab->running[i]);
		lab->running[i] = lab->running[--lab->n_running];
		return;
	}
	fail_msg("%s doesn't run", name);
}

static void host_neigh(struct lab *lab, char **w)
{
	struct w_neigh n = { .ifindex = ifindex_of(lab, w[0]) };

	assert_true(ip_parse(w[1], &n.ip) && mac_parse(w[2], &n.mac));
	fake_kern_neigh(lab->fake, &n);
}

static void host_line(struct lab *lab, char **w, size_t n)
{
	if (str_eq(w[0], "link")) {
		host_link(lab, w + 1, n - 1);
	} else if (str_eq(w[0], "addr")) {
		host_addr(lab, w + 1, n - 1);
	} else if (str_eq(w[0], "route")) {
		host_route(lab, w + 1, n - 1);
	} else if (str_eq(w[0], "sysctl")) {
		fake_kern_write_sysctl(lab->fake, w[1], w[2]);
	} else if (str_eq(w[0], "listen")) {
		host_listen(lab, w + 1, n - 1);
	} else if (str_eq(w[0], "run")) {
		host_run(lab, w + 1);
	} else if (str_eq(w[0], "end")) {
		host_end(lab, w[1]);
	} else if (str_eq(w[0], "neigh")) {
		host_neigh(lab, w + 1);
	} else if (str_eq(w[0], "drain")) {
		struct plan_drain *drain = &lab->drains[lab->n_drains];

		(void)str_copy(lab->drain_of[lab->n_drains], sizeof(lab->drain_of[0]), w[1]);
		*drain = (struct plan_drain){ .network = lab->drain_of[lab->n_drains++], .recorded = true, .keep = true };
		assert_true(prefix_parse(w[2], &drain->gateway));
	} else if (str_eq(w[0], "lease")) {
		struct lease *l = &lab->leases[lab->n_leases++];

		(void)str_copy(l->network, sizeof(l->network), w[1]);
		assert_true(ip_parse(w[2], &l->ip) && mac_parse(w[3], &l->mac));
	} else if (str_eq(w[0], "seen")) {
		struct neighbour *s = &lab->seen[lab->n_seen++];

		(void)str_copy(s->network, sizeof(s->network), w[1]);
		assert_true(ip_parse(w[2], &s->ip) && mac_parse(w[3], &s->mac));
	} else {
		fail_msg("what is \"%s\"?", w[0]);
	}
}

void lab_host(struct lab *lab, const char *host)
{
	_cleanup_(freep) char *copy = xstrdup(host);
	char *lines = NULL;

	for (char *line = strtok_r(copy, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
		char *words[12] = { 0 }, *rest = NULL;
		size_t n = 0;

		for (char *w = strtok_r(line, " ", &rest); w && n < ARRAY_LEN(words); w = strtok_r(NULL, " ", &rest))
			words[n++] = w;
		if (n > 0)
			host_line(lab, words, n);
	}
}

/* ---- plans ---- */

static void targets_of(struct lab *lab, const char *wants, struct plan_target *t, size_t *ret_n)
{
	char *copy = arena_strdup(lab->arena, wants ? wants : ""), *rest = NULL;
	size_t n = 0;

	for (size_t i = 0; !wants && i < lab->desired->n_networks; i++)
		t[n++] = (struct plan_target){ lab->desired->networks[i].name, &lab->desired->networks[i], PLAN_WANT_UP };
	for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
		enum plan_want want = *w == '-' ? PLAN_WANT_DOWN : *w == '=' ? PLAN_WANT_LEAVE : PLAN_WANT_UP;

		w += want != PLAN_WANT_UP;
		t[n++] = (struct plan_target){ w, desired_network(lab->desired, w), want };
	}
	for (size_t i = 0; i < n && lab->n_running > 0; i++)
		if (t[i].network)
			t[i].network = network_with_guests(t[i].network, lab->running, lab->n_running, lab->arena);
	*ret_n = n;
}

static void tell(struct lab *lab)
{
	static const char *const severity[] = { "error", "warning", "note" };
	size_t len;
	FILE *f = open_memstream(&lab->text, &len);

	assert_non_null(f);
	for (size_t i = 0; i < report_n(lab->report); i++) {
		const struct finding *e = report_get(lab->report, i);

		(void)fprintf(f, "%s %s: %s%s%s\n", severity[e->severity], e->key, e->what, e->help ? "; " : "",
			      e->help ? e->help : "");
		if (e->hint)
			(void)fprintf(f, "  %s\n", e->hint);
	}
	for (size_t i = 0; lab->plan && i < lab->plan->ops->n; i++) {
		const struct op *op = &lab->plan->ops->ops[i];

		(void)fprintf(f, "%s %s: %s%s%s\n", op_action_name[op->action], op->object, op->what, op->why[0] ? "; " : "",
			      op->why);
	}
	(void)fclose(f);
}

const char *lab_plan(struct lab *lab, const char *yaml, const char *wants)
{
	static const struct conf_seed seed = { .secret = "a unit of tests" };
	struct plan_target targets[16];
	const char **paths = NULL;
	size_t n;

	forget(lab);
	lab->report = report_new();
	const char *text = arena_printf(lab->arena, "networks:\n%s", yaml);
	const struct conf_source source = { .file = "t.yaml", .text = text, .len = strlen(text), .path = "t.yaml" };
	if (conf_read(&source, 1, &seed, lab->report, &lab->desired) != 0)
		report_print(lab->report, stderr, false);
	assert_non_null(lab->desired);
	targets_of(lab, wants, targets, &n);
	_cleanup_(world_freep) struct world *first = observe(lab);
	size_t n_paths = plan_sysctls(targets, n, first, lab->arena, &paths);
	lab->world = world_new();
	assert_int_equal(fake_kern_observe(lab->fake, paths, n_paths, lab->world, lab->report), 0);
	lab->world->listeners = lab->listeners;
	lab->world->n_listeners = lab->n_listeners;
	lab->world->has_daemon = !lab->no_daemon;
	lab->world->nft_unreadable = lab->nft_unreadable;
	lab->world->no_egress = lab->no_egress;
	lab->world->no_ibrname = lab->no_ibrname;
	lab->world->served = lab->served;
	lab->world->n_served = lab->no_daemon ? 0 : lab->n_served;
	const struct plan_facts facts = { .drains = lab->drains, .n_drains = lab->n_drains, .leases = lab->leases, .n_leases = lab->n_leases, .neighbours = lab->seen,
					    .n_neighbours = lab->n_seen };
	int r = plan_make(targets, n, lab->world, &facts, lab->report, &lab->plan);
	assert_int_equal(r, report_n_errors(lab->report) > 0);
	tell(lab);
	return lab->text;
}

#define FAILS "fails"

static int serve(void *user, const struct op *op, struct report *report)
{
	struct lab *lab = user;
	size_t i = 0;

	if (str_eq(op->network, FAILS)) {
		(void)report_error(report, "serve", "made to fail");
		return -EIO;
	}
	while (i < lab->n_served && !str_eq(lab->served[i].network, op->network))
		i++;
	if (op->kind == OP_SERVE) {
		struct service *s = ARENA_NEW(lab->arena, struct service);
		struct service_host *hosts = arena_alloc(lab->arena, op->serve.n_hosts, sizeof(*hosts));

		*s = *op->serve.service;
		for (size_t j = 0; j < op->serve.n_hosts; j++)
			hosts[j] = op->serve.hosts[j];
		lab->served[i] = (struct w_served){
			.network = arena_strdup(lab->arena, op->network),
			.hash = service_hash(s, hosts, op->serve.n_hosts),
			.service = s,
			.hosts = hosts,
			.n_hosts = op->serve.n_hosts,
		};
		lab->n_served += i == lab->n_served;
	} else if (i < lab->n_served) {
		lab->served[i] = lab->served[--lab->n_served];
	}
	return 0;
}

void lab_apply(struct lab *lab)
{
	const struct apply_hooks hooks = { .serve = serve, .user = lab };

	assert_non_null(lab->plan);
	if (fake_kern_apply(lab->fake, lab->plan->ops, &hooks, lab->report) != 0)
		report_print(lab->report, stderr, false);
	assert_int_equal(report_n_errors(lab->report), 0);
}

void lab_apply_and_fail(struct lab *lab)
{
	const struct apply_hooks hooks = { .serve = serve, .user = lab };
	struct report *report = lab->report;

	assert_non_null(lab->plan);
	struct op *op = ops_add(lab->plan->ops, OP_SERVE, OP_ACTION_CREATE);
	op->network = FAILS;
	lab->report = report_new();
	assert_true(fake_kern_apply(lab->fake, lab->plan->ops, &hooks, lab->report) < 0);
	lab->plan->ops->n--;
	report_free(lab->report);
	lab->report = report;
}

const struct plan_result *lab_result(const struct lab *lab, const char *network)
{
	for (size_t i = 0; i < lab->plan->n_results; i++)
		if (str_eq(lab->plan->results[i].name, network))
			return &lab->plan->results[i];
	fail_msg("no result for %s", network);
	return NULL;
}

/* ---- state ---- */

static void state_table(FILE *f, const char *name, const struct w_table *t)
{
	if (!t->present)
		return;
	(void)fprintf(f, "table %s %s\n", name, t->comment);
	for (size_t i = 0; i < t->n_elems; i++) {
		const struct nft_elem *e = &t->elems[i];

		(void)fprintf(f, "elem %s %s ", name, e->set);
		for (size_t j = 0; j < e->key_len; j++)
			(void)fprintf(f, "%02x", e->key[j]);
		(void)fputc(' ', f);
		for (size_t j = 0; j < e->data_len; j++)
			(void)fprintf(f, "%02x", e->data[j]);
		(void)fprintf(f, "%s\n", e->chain);
	}
}

static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sort_lines(char *text)
{
	char *lines[2000], *rest = NULL, *sorted = NULL;
	size_t n = 0, len;
	FILE *f = open_memstream(&sorted, &len);

	assert_non_null(f);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		assert_true(n < ARRAY_LEN(lines));
		lines[n++] = line;
	}
	qsort(lines, n, sizeof(*lines), line_cmp);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(f, "%s\n", lines[i]);
	(void)fclose(f);
	free(text);
	return sorted;
}

/* Order, indexes and the routes that addresses bring are left out: a bridge that came back is a new one. */
char *lab_state(struct lab *lab)
{
	_cleanup_(world_freep) struct world *w = observe(lab);
	static const char *const paths[] = { "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding",
					     "net/ipv6/conf/eth0/accept_ra", "net/ipv6/conf/eth1/accept_ra" };
	_cleanup_(world_freep) struct world *s = world_new();
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	for (size_t i = 0; i < w->n_links; i++) {
		const struct w_link *l = &w->links[i], *m = l->master ? world_link(w, l->master) : NULL;

		(void)fprintf(f, "link %s %s %s %s mtu %u up %u master %s group %u hairpin %u gen %u\n", l->name, l->kind,
			      l->alias, MAC_STR(&l->mac), l->mtu, l->flags & IFF_UP, m ? m->name : "-", l->group,
			      l->port.hairpin, l->addr_gen_mode);
		if (l->lower)
			(void)fprintf(f, "lower of %s %s mode %u queue %u sources %u %llx flags %x\n", l->name,
				      world_link(w, l->lower)->name, l->macvlan_mode, l->macvlan_queue, l->n_sources,
				      (unsigned long long)l->sources_sum, l->flags & (IFF_UP | IFF_ALLMULTI));
	}
	for (size_t i = 0; i < w->n_routes; i++)
		if (w->routes[i].protocol == SIXTAP_PROTO)
			(void)fprintf(f, "route %s %s from %s\n", PREFIX_STR(&w->routes[i].dst),
				      world_link(w, w->routes[i].oif)->name, IP_STR(&w->routes[i].src));
	for (size_t i = 0; i < w->n_neighs; i++)
		(void)fprintf(f, "neigh %s %s %s\n", world_link(w, w->neighs[i].ifindex)->name, IP_STR(&w->neighs[i].ip),
			      MAC_STR(&w->neighs[i].mac));
	for (size_t i = 0; i < w->n_addrs; i++)
		(void)fprintf(f, "addr %s %s\n", world_link(w, w->addrs[i].ifindex)->name,
			      PREFIX_STR(&w->addrs[i].prefix));
	assert_int_equal(fake_kern_observe(lab->fake, paths, ARRAY_LEN(paths), s, NULL), 0);
	for (size_t i = 0; i < s->n_sysctls; i++)
		(void)fprintf(f, "sysctl %s %s\n", s->sysctls[i].path, s->sysctls[i].value ? s->sysctls[i].value : "-");
	/* A record of a value that isn't ours any more says nothing. */
	for (size_t i = 0; i < w->n_found; i++)
		if (str_eq(world_sysctl(s, w->found[i].path), w->found[i].ours))
			(void)fprintf(f, "found %s %s %s\n", w->found[i].path, w->found[i].found, w->found[i].ours);
	state_table(f, "inet", &w->inet);
	state_table(f, "bridge", &w->bridge);
	state_table(f, "netdev", &w->netdev);
	for (size_t i = 0; i < lab->n_served; i++)
		(void)fprintf(f, "served %s %llx\n", lab->served[i].network, (unsigned long long)lab->served[i].hash);
	(void)fclose(f);
	return sort_lines(text);
}

static void show_missing(const char *a, const char *b, char mark)
{
	_cleanup_(freep) char *copy = xstrdup(a);
	char *rest = NULL;

	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (!strstr(b, line))
			print_error("%c %s\n", mark, line);
}

void lab_assert_same(const char *was, const char *is, const char *why, const char *more)
{
	if (str_eq(was, is))
		return;
	print_error("%s\n%s\n", why, more);
	show_missing(was, is, '-');
	show_missing(is, was, '+');
	fail();
}

static unsigned int check(const struct lab_row *row, const char *text)
{
	unsigned int n_bad = 0;

	for (size_t i = 0; i < LAB_SAYS; i++) {
		if (row->says[i] && !strstr(text, row->says[i])) {
			print_error("%s: nothing of\n%s\nin\n%s\n", row->why, row->says[i], text);
			n_bad++;
		}
		if (row->not[i] && strstr(text, row->not[i])) {
			print_error("%s: there is \"%s\" in\n%s\n", row->why, row->not[i], text);
			n_bad++;
		}
	}
	return n_bad;
}

static const char *prepare(struct lab *lab, const struct lab_row *row)
{
	if (row->before) {
		(void)lab_plan(lab, row->before, NULL);
		if (!lab->plan)
			fail_msg("%s: before: %s", row->why, lab->text);
		lab_apply(lab);
	}
	if (row->between)
		lab_host(lab, row->between);
	return lab_plan(lab, row->config, row->wants);
}

void lab_test_rows(const struct lab_row *rows, size_t n)
{
	unsigned int n_bad = 0;

	for (size_t i = 0; i < n; i++) {
		_cleanup_(lab_freep) struct lab *lab = lab_new(rows[i].host);

		n_bad += check(&rows[i], prepare(lab, &rows[i]));
	}
	assert_int_equal(n_bad, 0);
}

void lab_test_again_and_back(const struct lab_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct lab_row *row = &rows[i];
		_cleanup_(lab_freep) struct lab *lab = lab_new(row->host);

		(void)prepare(lab, row);
		if (!lab->plan)
			continue;
		_cleanup_(freep) char *first = lab_state(lab);
		lab_apply_and_fail(lab);
		_cleanup_(freep) char *back = lab_state(lab);
		lab_assert_same(first, back, row->why, "");
		(void)lab_plan(lab, row->config, row->wants);	/* a bridge that came back has another index */
		lab_apply(lab);
		(void)lab_plan(lab, row->config, row->wants);
		if (!lab->plan || lab->plan->ops->n > 0)
			fail_msg("%s: the second time:\n%s", row->why, lab->text);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rule_path - guests that get nowhere, for a reason that no other rule knows by its looks
 *
 * Their way outside is walked (diag/path.h), with every base chain of every
 * table. Only what certainly ends there counts, and only where nothing said so
 * far explains it; likewise what the daemon itself says of its networks.
 */
#include "diag/rule.h"

#include <netinet/in.h>
#include "diag/path.h"
#include "diag/rules.h"
#include "diag/scene.h"
#include "kern/nft.h"

#define WALKS 8			/* guests of a network and family; what ends them all ends the first */
#define HTTPS 443
#define RUN "; run: "		/* what the daemon puts before a command */

/* An end of ways: a chain of somebody else's. */
struct end {
	const struct path_step *step;
	const struct path *path;
	const char *port;		/* of the guest's that was walked first */
	bool answer;
	bool v4, v6;
	size_t n;			/* guests */
};

struct ends {
	struct end list[4];
	size_t n;
};

static bool concerns(const struct diag_finding *f, const char *name)
{
	if (!name || !name[0])
		return false;
	for (size_t i = 0; i < f->n_about; i++)
		if (str_eq(f->about[i], name))
			return true;
	return str_eq(f->subject, name) || (f->network && str_eq(f->network, name));
}

/* Has an error been said that explains it? */
static bool is_explained(const struct findings *found, const char *const names[static 4])
{
	for (size_t i = 0; i < found->n; i++) {
		const struct diag_finding *f = found->list[i];

		if (f->severity != SEVERITY_ERROR)
			continue;
		if (f->rule->subject == RULE_SUBJECT_HOST)
			return true;
		for (size_t k = 0; k < 4; k++)
			if (concerns(f, names[k]))
				return true;
	}
	return false;
}

/* The step that ends a path for certain, in a chain that isn't ours; NULL: none does. A lost address is another's finding. */
static const struct path_step *foreign_end(const struct snapshot *s, const struct path *p, bool *ret_answer)
{
	const struct path_way *way = p->there.verdict == PATH_DROP ? &p->there : &p->answer;

	if (way->verdict != PATH_DROP || !way->end || !way->end->rule[0] || way->end->addressless)
		return NULL;
	for (size_t i = 0; i < s->n_tables; i++) {
		const char *name = s->tables[i].name, *at = strchr(way->end->subject, ' ');

		if (at && strncmp(at + 1, name, strlen(name)) == 0 && at[1 + strlen(name)] == ' ') {
			*ret_answer = way == &p->answer;
			return str_eq(name, NFT_TABLE_NAME) ? NULL : way->end;
		}
	}
	return NULL;
}

static void count(struct ends *ends, const struct path *p, const struct path_step *step, bool answer, const char *port)
{
	struct end *e = ends->list;

	while (e < ends->list + ends->n && !(str_eq(e->step->subject, step->subject) && str_eq(e->step->rule, step->rule)))
		e++;
	if (e == ends->list + ARRAY_LEN(ends->list))
		return;
	if (e == ends->list + ends->n) {
		*e = (struct end){ .step = step, .path = p, .port = port, .answer = answer };
		ends->n++;
	}
	e->v4 |= p->family == AF_INET;
	e->v6 |= p->family == AF_INET6;
	e->n++;
}

/* Whatever a guest sends ends there: a connection, and an echo. What drops only some of it may be meant to. */
static void walk(const struct snapshot *s, struct arena *arena, const struct scene_addr *guest, struct ends *ends)
{
	static const uint8_t protos[] = { IPPROTO_TCP, 0 };
	const struct path_step *step = NULL;
	struct path *p = NULL;
	struct path_end from, to;
	bool answer = false;

	if (path_find_end(s, arena, IP_STR(&guest->ip), &from) || from.kind != PATH_GUEST ||
	    path_find_end(s, arena, "outside", &to))
		return;
	for (size_t i = 0; i < ARRAY_LEN(protos); i++) {
		p = arena_alloc(arena, 1, sizeof(*p));
		path_walk(s, arena, &from, &to, guest->ip.family, protos[i], protos[i] ? HTTPS : 0, p);
		const struct path_step *end = foreign_end(s, p, &answer);

		if (!end || (step && !str_eq(end->subject, step->subject)))
			return;
		step = end;
	}
	const struct snap_link *port = snap_link(s, guest->port);

	count(ends, p, step, answer, port ? port->name : "");
}

/* What lets it through, where that can be said in a rule. */
static const char *accept_rule(struct arena *arena, const struct scene_net *net, const struct end *e, bool v6)
{
	const char *at = e->step->at, *up = (v6 ? net->up6 : net->up4)->name;
	const struct prefix *gateway = v6 ? &net->v6 : &net->v4, guests = { prefix_network(gateway), gateway->len };

	if (strncmp(at, "bridge ", 7) == 0)
		return arena_printf(arena, "%s \"%s\" accept", e->answer ? "oifname" : "iifname", e->port);
	/* Also where a bridge runs it, with br_netfilter: the interface is the bridge there. */
	if (strncmp(at, "prerouting", strlen("prerouting")) == 0)
		return e->answer ? arena_printf(arena, "iifname \"%s\" ct state established,related accept", up)
				 : arena_printf(arena, "iifname \"%s\" accept", net->bridge->name);
	if (str_eq(at, "postrouting"))
		return e->answer ? arena_printf(arena, "oifname \"%s\" accept", net->bridge->name)
				 : arena_printf(arena, "oifname \"%s\" %s saddr %s accept", up, v6 ? "ip6" : "ip",
						PREFIX_STR(&guests));
	return NULL;
}

static void tell(struct findings *found, const struct scene_net *net, const struct end *e)
{
	struct diag_finding *f = findings_add(found, net->name);
	const char *rule[2] = { e->v4 ? accept_rule(found->arena, net, e, false) : NULL,
				e->v6 ? accept_rule(found->arena, net, e, true) : NULL };

	finding_about(f, net->bridge->name);
	finding_about(f, e->port);
	if (net->ours)
		finding_network(f, net->ours->name);
	finding_what(f, "Guests on %s are offline over %s: at %s %s ends in chain %s.", net->bridge->name,
		     e->v4 ? e->v6 ? "IPv4 and IPv6" : "IPv4" : "IPv6", e->step->at,
		     e->answer ? "the answer to what they send" : "what they send", e->step->subject);
	finding_why(f, "Whoever accepts it elsewhere doesn't help: every base chain has to, and a drop is final.");
	finding_value(f, "guest", "%s", e->path->from.name);
	finding_value(f, "rule", "%s", e->step->rule);
	finding_seen_in(f, "nft list chain %s; sixtap path %s outside", e->step->subject, e->path->from.name);
	struct diag_fix *fix = finding_fix(f, "accept", FIX_LASTS_LIVE);
	if (!rule[0] && !rule[1])
		fix_command(f, fix, "nft -a list chain %s", e->step->subject);
	for (size_t i = 0; i < 2; i++)
		if (rule[i] && !(i == 1 && rule[0] && str_eq(rule[0], rule[1])))
			fix_command(f, fix, "nft 'insert rule %s %s'", e->step->subject, rule[i]);
	fix_note(f, fix, "until that firewall is loaded anew; whose it is knows what it is for");
}

static void judge_walked(const struct snapshot *s, struct findings *found)
{
	size_t n, n_addrs;
	const struct scene_net *nets = scene_nets(s, found->arena, &n);

	for (size_t i = 0; i < n; i++) {
		const struct scene_net *net = &nets[i];
		const char *const names[] = { net->name, net->bridge->name, net->up4 ? net->up4->name : "",
					      net->up6 ? net->up6->name : "" };
		struct ends ends = { .n = 0 };
		size_t walked[2] = { 0 };

		if (!net->outside || is_explained(found, names))
			continue;
		const struct scene_addr *addrs = scene_behind_bridge(s, found->arena, net->bridge->ifindex, &n_addrs);
		for (size_t k = 0; k < n_addrs; k++) {
			const struct ip *ip = &addrs[k].ip;
			bool v6 = ip->family == AF_INET6;

			if (ip_is_link_local(ip) || !(v6 ? net->up6 : net->up4) || walked[v6]++ >= WALKS)
				continue;
			walk(s, found->arena, &addrs[k], &ends);
		}
		for (size_t k = 0; k < ends.n; k++)
			tell(found, net, &ends.list[k]);
	}
}

/* ----------------------------------------------------------------- network.degraded */

static void judge_degraded(const struct snapshot *s, struct findings *found)
{
	for (size_t i = 0; i < s->n_networks; i++) {
		const struct snap_network *net = &s->networks[i];
		const char *const names[] = { net->name, net->device, "", "" };

		if (!str_eq(net->state, "degraded") || is_explained(found, names))
			continue;
		struct diag_finding *f = findings_add(found, net->name);
		const char *what = "", *line, *end, *command;
		struct diag_fix *fix = NULL;

		f->settling = true;
		finding_network(f, net->name);
		finding_about(f, net->device);
		for (line = net->because ? net->because : ""; *line; line = *end ? end + 1 : end) {
			end = line + strcspn(line, "\n");
			command = strstr(line, RUN);
			command = command && command < end ? command : NULL;
			what = arena_printf(found->arena, "%s%s%.*s", what, what[0] ? "; " : ": ", (int)((command ? command : end) - line),
					    line);
			if (!command)
				continue;
			fix = fix ? fix : finding_fix(f, "command", FIX_LASTS_LIVE);
			command += strlen(RUN);
			fix_command(f, fix, "%.*s", (int)(end - command), command);
		}
		finding_what(f, "Network %s is up, and not whole%s.", net->name, what);
		finding_why(f, "The daemon says so. It mends what it may, and leaves to you what is somebody else's.");
		finding_seen_in(f, "sixtap status %s", net->name);
		if (!fix)
			fix_run(f, finding_fix(f, "up", FIX_LASTS_REBOOT_SAFE), (const char *const[]){ "up", net->name, NULL });
	}
}

static const struct rule rules[] = {
	{ "path.dropped", SEVERITY_ERROR, RULE_SUBJECT_NETWORK, .needs = { SNAP_PART_NFTABLES }, .judge = judge_walked },
	{ "network.degraded", SEVERITY_ERROR, RULE_SUBJECT_NETWORK, .judge = judge_degraded },
};

const struct rule_section rules_path = { "Ways that end", rules, ARRAY_LEN(rules) };

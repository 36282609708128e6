/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slaac - what each interface does with router advertisements, and because of what
 *
 * From settings alone: no packet is sent, and whether a router is there doesn't
 * change the answer. diag/slaac predicts, diag/origin says where a setting was
 * made, the snapshot says who handles advertisements in the kernel's place.
 */
#include "cmd/slaac.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include "cmd/client.h"
#include "diag/role.h"

#define LINK_LOCAL_READY(a) (!((a)->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) || ((a)->flags & IFA_F_OPTIMISTIC))

static void settings_of(const struct snapshot *s, const struct snap_link *link, struct slaac_settings *ret)
{
	const struct snap_conf6 *c = &link->conf6;
	const struct snap_link *master = link->master ? snap_link(s, link->master) : NULL;
	size_t n;
	const struct snap_addr *a = snap_addrs(s, link->ifindex, &n);

	*ret = (struct slaac_settings){
		.present = c->present,
		.up = link->flags & IFF_UP,
		.carrier = link->carrier,
		.loopback = link->flags & IFF_LOOPBACK,
		.port = link->master && !(master && str_eq(master->kind, "vrf")),
		.disable_ipv6 = c->disable_ipv6,
		.accept_ra = c->accept_ra,
		.forwarding = c->forwarding,
		.autoconf = c->autoconf,
		.accept_ra_pinfo = c->accept_ra_pinfo,
		.accept_ra_defrtr = c->accept_ra_defrtr,
		.router_solicitations = c->router_solicitations,
		.addr_gen_mode = c->addr_gen_mode,
		.use_tempaddr = c->use_tempaddr,
		.max_addresses = c->max_addresses,
		.mtu = link->mtu,
		.accept_ra_min_lft = c->accept_ra_min_lft,
		.accept_ra_min_hop_limit = c->accept_ra_min_hop_limit,
		.accept_ra_rt_info_max_plen = c->accept_ra_rt_info_max_plen,
		.accept_ra_mtu = c->accept_ra_mtu,
	};
	for (size_t i = 0; i < n; i++)
		if (a[i].prefix.ip.family == AF_INET6 && ip_is_link_local(&a[i].prefix.ip) && LINK_LOCAL_READY(&a[i]))
			ret->link_local = true;
}

static struct slaac_because *because(struct slaac_view *v, const char *setting, const char *what)
{
	if (v->n_because == SLAAC_BECAUSE)
		return NULL;

	struct slaac_because *b = &v->because[v->n_because++];
	(void)str_copy(b->setting, sizeof(b->setting), setting);
	(void)str_copy(b->what, sizeof(b->what), what);
	return b;
}

static int64_t value_of(const struct slaac_settings *s, const char *setting)
{
	static const struct {
		const char *name;
		size_t at;
	} knobs[] = {
#define KNOB(x) { #x, offsetof(struct slaac_settings, x) }
		KNOB(disable_ipv6),    KNOB(accept_ra),	       KNOB(forwarding),	   KNOB(autoconf),
		KNOB(accept_ra_pinfo), KNOB(accept_ra_defrtr), KNOB(router_solicitations), KNOB(addr_gen_mode),
		KNOB(use_tempaddr),    KNOB(max_addresses),    KNOB(accept_ra_min_lft),
#undef KNOB
	};

	for (size_t i = 0; i < ARRAY_LEN(knobs); i++)
		if (str_eq(knobs[i].name, setting)) {
			int32_t v;

			memcpy(&v, (const char *)s + knobs[i].at, sizeof(v));
			return v;
		}
	return 0;
}

/* The kernel's part: its prediction, each reason with the file it comes from. */
static void by_kernel(struct slaac_view *v)
{
	v->handler = v->settings.accept_ra == 0 && v->settings.present ? "none" : "kernel";
	v->determined = true;
	v->sends_rs = v->kernel.sends_rs;
	v->gets_address = v->kernel.gets_address;
	v->gets_default_route = v->kernel.gets_default_route;
	for (size_t i = 0; i < v->kernel.n_reasons; i++) {
		const struct slaac_reason *r = &v->kernel.reasons[i];
		struct slaac_because *b = because(v, r->setting, r->what);

		if (b && r->setting[0])
			origin_sysctl(v->snap, v->link, r->setting, value_of(&v->settings, r->setting), &b->origin);
	}
	/* The commonest cure that is none. */
	if (v->snap->conf6_all.accept_ra != 1 && v->snap->conf6_all.accept_ra != v->settings.accept_ra) {
		struct slaac_because *b;
		char what[SLAAC_WHAT_MAX];
		const struct snap_sysctl_line *line = snap_sysctl_line(v->snap, "net/ipv6/conf/all/accept_ra");

		(void)snprintf(what, sizeof(what),
			       "conf/all/accept_ra=%d changes nothing: only the interface's own counts",
			       v->snap->conf6_all.accept_ra);
		b = because(v, "", what);
		if (b && line)
			(void)snprintf(b->origin.set_by, sizeof(b->origin.set_by), "%s:%u", line->file, line->line);
	}
}

/* A program's part: what its file says. */
static void by_program(struct slaac_view *v, bool live)
{
	const struct snap_manager *m = v->manager;
	const struct slaac_settings *s = &v->settings;
	struct origin_ra more = { .address = -1, .gateway = -1 };
	bool usable = s->present && !s->disable_ipv6 && s->up && s->carrier && !s->port && !s->loopback;
	struct slaac_because *b;
	char what[SLAAC_WHAT_MAX];

	v->handler = m->manager;
	if (m->accepts_ra < 0) {
		(void)snprintf(what, sizeof(what), "%s handles RAs here; whether it takes them isn't known",
			       m->manager);
		(void)because(v, "", what);
		return;
	}
	v->determined = true;
	if (live)
		origin_ra_options(m, &more);
	v->sends_rs = usable && m->accepts_ra && s->link_local;
	v->gets_address = usable && m->accepts_ra && more.address != 0;
	v->gets_default_route = usable && m->accepts_ra && more.gateway != 0;
	if (!usable) {
		for (size_t i = 0; i < v->kernel.n_reasons; i++)
			if (!str_eq(v->kernel.reasons[i].setting, "accept_ra") &&
			    !str_eq(v->kernel.reasons[i].setting, "forwarding"))
				(void)because(v, v->kernel.reasons[i].setting, v->kernel.reasons[i].what);
	}
	(void)snprintf(what, sizeof(what), "%s %s, whatever accept_ra says%s%s", m->manager,
		       m->accepts_ra ? "takes RAs itself" : "holds this interface and takes no RAs",
		       m->ra_setting[0] ? ": " : "", m->ra_setting);
	b = because(v, "", what);
	if (b)
		origin_manager(v->snap, m, &b->origin);
	if (more.what[0]) {
		b = because(v, "", more.what);
		if (b)
			(void)str_copy(b->origin.set_by, sizeof(b->origin.set_by), more.set_by);
	}
}

void slaac_view(const struct snapshot *snap, const struct snap_link *link, bool live, struct slaac_view *ret)
{
	struct slaac_view v = { .snap = snap, .link = link };
	size_t n;
	const struct snap_manager *m = snap_managers(snap, link->ifindex, &n);
	bool program = false;

	settings_of(snap, link, &v.settings);
	slaac_predict(&v.settings, &v.kernel);
	(void)role_ra_heard(snap, link, &v.heard);
	for (size_t i = 0; i < n; i++) {
		if (!m[i].manages)
			continue;
		/* Not known, but the kernel was told to keep out of it: then it does it itself. */
		bool handles = m[i].handles_ra == 1 || (m[i].handles_ra < 0 && v.settings.accept_ra == 0);

		if (!v.manager || (handles && !program))
			v.manager = &m[i];
		program |= handles;
	}
	if (program)
		by_program(&v, live);
	else
		by_kernel(&v);
	*ret = v;
}

/* ------------------------------------------------------------------------- the command */

/* Could anybody expect SLAAC here? Not on what guests sit on, nor on what belongs to a bridge. */
static bool matters(const struct roles *roles, const struct snap_link *link)
{
	if ((link->flags & IFF_LOOPBACK) || !(link->flags & IFF_UP) || link->master)
		return false;
	if (role_is(roles, link->ifindex, ROLE_UPLINK | ROLE_HEARD))
		return true;
	return !role_is(roles, link->ifindex, ROLE_GUEST | ROLE_GUEST_ONLY | ROLE_OURS);
}

/* What the daemon says of its networks, whose uplinks it has set up; NULL: there is none. */
static json_t *daemon_status(struct cmd *cmd)
{
	struct report *theirs = cmd->report;
	_cleanup_(control_freep) struct control *control = NULL;
	_cleanup_(report_freep) struct report *quiet = report_new();
	json_t *answer = NULL;

	cmd->report = quiet;
	if (client_connect(cmd, CLIENT_MAY_FAIL, &control) == 0)
		(void)client_ask(cmd, control, ctl_request_new(CTL_STATUS), NULL, NULL, &answer, NULL, NULL);
	cmd->report = theirs;
	return answer;
}

static int read_snapshot(struct cmd *cmd, const char *from, struct snapshot **ret)
{
	struct snapshot_conf conf = { .no_guests = true };
	int r;

	if (from)
		return snapshot_load(ret, from, cmd->report);
	json_t *status = daemon_status(cmd);

	conf.status = status;
	r = snapshot_read(ret, &conf, cmd->report);
	json_decref(status);
	return r;
}

static const struct snap_link *find(struct cmd *cmd, const struct snapshot *s, const char *name)
{
	const struct snap_link *link = snap_link_by_name(s, name);

	if (!link)
		report_help(report_error(cmd->report, name, "there is no such interface"),
			    "ip link shows those that there are");
	return link;
}

static int compare(struct cmd *cmd, const struct snapshot *s, bool live, char **names)
{
	static struct slaac_view v[2];

	for (int i = 0; i < 2; i++) {
		const struct snap_link *link = find(cmd, s, names[i]);

		if (!link)
			return EXIT_FAILED;
		slaac_view(s, link, live, &v[i]);
	}
	if (cmd->json)
		cmd_json(cmd, slaac_json_compare(&v[0], &v[1]));
	else if (!cmd->quiet)
		slaac_show_compare(cmd, &v[0], &v[1]);
	return EXIT_DONE;
}

static int show(struct cmd *cmd, const struct snapshot *s, bool live, char **names, int n)
{
	_cleanup_(roles_freep) struct roles *roles = roles_new(s);
	static struct slaac_view v;
	json_t *list = json_array();
	int shown = 0, unknown = 0;

	for (size_t i = 0; i < (n ? (size_t)n : s->n_links); i++) {
		const struct snap_link *link = n ? find(cmd, s, names[i]) : &s->links[i];

		if (!link || (!n && !matters(roles, link)))
			continue;
		slaac_view(s, link, live, &v);
		unknown += !v.determined;
		if (cmd->json) {
			(void)json_array_append_new(list, slaac_json(&v));
		} else if (!cmd->quiet) {
			(void)printf("%s", shown ? "\n" : "");
			slaac_show(cmd, &v);
		}
		shown++;
	}
	if (report_n_errors(cmd->report) > 0) {
		json_decref(list);
		return EXIT_FAILED;
	}
	if (cmd->json)
		cmd_json(cmd, json_pack("{s:o}", "interfaces", list));
	else
		json_decref(list);
	if (!cmd->json && !cmd->quiet && shown == 0)
		(void)printf(
			"no interface here could have use for router advertisements; name one: sixtap slaac eth0\n");
	return unknown ? EXIT_UNDETERMINED : EXIT_DONE;
}

int cmd_slaac(struct cmd *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "compare", no_argument, NULL, 'C' },
		{ "from", required_argument, NULL, 'f' },
		{ 0 },
	};
	_cleanup_(snapshot_freep) struct snapshot *s = NULL;
	const char *from = NULL;
	bool comparing = false;
	int opt;

	cmd->failed = EXIT_UNDETERMINED;
	while ((opt = cmd_option(cmd, argc, argv, options)) != -1) {
		if (opt == 'C')
			comparing = true;
		else if (opt == 'f')
			from = optarg;
		else
			return EXIT_USAGE;
	}
	if (comparing && argc - optind != 2)
		return cmd_usage(cmd, "--compare takes two interfaces");
	if (read_snapshot(cmd, from, &s) < 0)
		return EXIT_UNDETERMINED;
	cmd->failed = EXIT_FAILED;
	if (comparing)
		return compare(cmd, s, !from, argv + optind);
	return show(cmd, s, !from, argv + optind, argc - optind);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * users - what somebody who isn't root may
 *
 * Root says in the configuration who runs guests: `user` of a declared guest
 * names the one who may run that; users and groups in the network's `allow` may
 * run guests that aren't declared, and none that are. Such a guest gets no
 * address, MAC or port that another has, and only so much of everything. Who
 * asks is told by the kernel (SO_PEERCRED, SO_PEERGROUPS of the connection).
 */
#include "daemon/state.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>

#define LOWEST_PORT 1024
#define USER_PORTS 16u		/* of the host, over all running guests of a user */
#define USER_GUESTS 64u
#define NAME_BUFFER 16384

void users_name(uid_t uid, char ret[static USER_NAME_MAX + 1])
{
	char buf[NAME_BUFFER];
	struct passwd pw, *found = NULL;

	if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) != 0 || !found || !str_copy(ret, USER_NAME_MAX + 1, found->pw_name))
		(void)snprintf(ret, USER_NAME_MAX + 1, "uid %u", (unsigned int)uid);
}

static bool is_user(const struct control *who, const char *name)
{
	char buf[NAME_BUFFER];
	struct passwd pw, *found = NULL;

	return name && getpwnam_r(name, &pw, buf, sizeof(buf), &found) == 0 && found && found->pw_uid == who->uid;
}

static bool is_in_group(const struct control *who, const char *name)
{
	char buf[NAME_BUFFER];
	struct group gr, *found = NULL;

	return getgrnam_r(name, &gr, buf, sizeof(buf), &found) == 0 && found && control_peer_in_group(who, found->gr_gid);
}

static bool is_allowed(const struct control *who, const struct d_network *n)
{
	for (size_t i = 0; i < n->n_allow; i++)
		if (n->allow[i][0] == '@' ? is_in_group(who, n->allow[i] + 1) : is_user(who, n->allow[i]))
			return true;
	return false;
}

static int refuse(struct report *report, const struct net *net, const char *user, const struct d_guest *guest)
{
	const struct where *at = guest ? &guest->where : &net->d->where;
	struct finding *f;

	if (guest)
		f = report_error(report, NULL, "%s may not run %s/%s", user, net->name, guest->name);
	else
		f = report_error(report, NULL, "%s may not run guests on %s", user, net->name);
	report_help(f, "root can allow it: %s%s%s  (%s:%u)", guest ? "user: " : "allow: [", user, guest ? "" : "]", net->d->file,
		    at->line);
	return 1;
}

int users_may_run(const struct daemon_main *d, const struct control *who, const struct net *net, const char *guest,
		  struct report *report)
{
	const struct d_guest *declared = desired_guest(net->d, guest);
	char user[USER_NAME_MAX + 1];
	size_t n = 0;

	if (declared ? !is_user(who, declared->user) : !is_allowed(who, net->d)) {
		users_name(who->uid, user);
		return refuse(report, net, user, declared);
	}
	for (size_t i = 0; i < d->n_guests; i++)
		n += d->guests[i]->uid == who->uid;
	if (n < USER_GUESTS)
		return 0;
	users_name(who->uid, user);
	report_help(report_error(report, NULL, "%s runs %zu guests already", user, n), "%u are the most at once", USER_GUESTS);
	return 1;
}

/* What of the host's ports a user's guests have by `run --forward`. Those that root declared don't count. */
static size_t count_ports(const struct guest *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_forwards; i++)
		n += (size_t)(g->forwards[i].host_last - g->forwards[i].host_first) + 1;
	return n;
}

static int check_ports(const struct daemon_main *d, const struct guest *g, struct report *report)
{
	size_t n = count_ports(g), others = 0;

	for (size_t i = 0; i < g->n_forwards; i++) {
		if (g->forwards[i].host_first >= LOWEST_PORT)
			continue;
		report_help(report_error(report, g->forwards[i].spec, "%s may not forward ports below %d", g->user, LOWEST_PORT),
			    "take a higher one, or ask root to declare the guest");
		return 1;
	}
	for (size_t i = 0; i < d->n_guests; i++)
		if (d->guests[i]->uid == g->uid)
			others += count_ports(d->guests[i]);
	if (n == 0 || n + others <= USER_PORTS)
		return 0;
	report_help(report_error(report, g->name, "%s may forward %u ports at once; these would be %zu", g->user, USER_PORTS,
				 n + others), "ask root to declare the guest");
	return 1;
}

/* An address that somebody has without being declared or run by us: a lease, or seen in use. */
static int check_in_use(const struct daemon_main *d, const struct net *net, const struct guest *g, struct report *report)
{
	for (const struct holder *h = d->holders; h; h = h->hh.next) {
		const struct mac *mac = h->is_lease ? &h->lease.mac : &h->neighbour.mac;

		if (!str_eq(h->key.network, net->name) || mac_eq(mac, &g->mac))
			continue;
		for (size_t i = 0; i < g->n_ips; i++) {
			if (!ip_eq(&h->key.ip, &g->ips[i]))
				continue;
			report_help(report_error(report, g->name, "%s is in use by %s", IP_STR(&g->ips[i]), MAC_STR(mac)),
				    "take another");
			return 1;
		}
	}
	return 0;
}

int users_may_have(const struct daemon_main *d, const struct net *net, const struct guest *g, struct report *report)
{
	return check_ports(d, g, report) != 0 || check_in_use(d, net, g, report) != 0;
}

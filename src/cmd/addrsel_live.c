/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addrsel_live - what this host's kernel and name service say
 */
#include "cmd/addrsel_live.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <netdb.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#define DUMP_TRIES 5			/* of a dump that changes interrupt */
#define DUMP_BUF (64 * 1024)
#define HOSTS_LINES_MAX 1000000

/* ---------------------------------------------------------------- netlink */

struct dump {
	struct addrsel_ifaddr *ifaddrs;
	size_t n_ifaddrs, cap_ifaddrs;
	uint32_t *tunnels;		/* interfaces that glibc takes for tunnels */
	size_t n_tunnels, cap_tunnels;
};

static bool attr_ok(const struct nlattr *attr, const struct nlmsghdr *nlh)
{
	return mnl_attr_ok(attr, (int)((const char *)mnl_nlmsg_get_payload_tail(nlh) - (const char *)attr));
}

static int on_addr(const struct nlmsghdr *nlh, void *user)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct dump *dump = user;
	struct addrsel_ifaddr a = { .index = ifa->ifa_index, .len = ifa->ifa_prefixlen, .native = true };
	const struct nlattr *attr, *addr = NULL;
	struct ip ip = { .family = ifa->ifa_family };

	if (nlh->nlmsg_type != RTM_NEWADDR || (ip.family != AF_INET && ip.family != AF_INET6))
		return MNL_CB_OK;
	for (attr = mnl_nlmsg_get_payload_offset(nlh, sizeof(*ifa)); attr_ok(attr, nlh); attr = mnl_attr_next(attr)) {
		uint16_t type = mnl_attr_get_type(attr);

		if (type == IFA_ADDRESS || (type == IFA_LOCAL && !addr))	/* a peer's address rather than ours */
			addr = attr;
	}
	if (!addr || mnl_attr_get_payload_len(addr) < ip_size(&ip))
		return MNL_CB_OK;
	memcpy(ip.b, mnl_attr_get_payload(addr), ip_size(&ip));
	a.addr = policy_bits(&ip);
	a.deprecated = ifa->ifa_flags & (IFA_F_DEPRECATED | IFA_F_OPTIMISTIC);
	a.home = ifa->ifa_flags & IFA_F_HOMEADDRESS;
	GROW(dump->ifaddrs, dump->n_ifaddrs, dump->cap_ifaddrs);
	dump->ifaddrs[dump->n_ifaddrs++] = a;
	return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *nlh, void *user)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(nlh);
	struct dump *dump = user;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	if (link->ifi_type != ARPHRD_TUNNEL6 && link->ifi_type != ARPHRD_TUNNEL && link->ifi_type != ARPHRD_SIT)
		return MNL_CB_OK;
	GROW(dump->tunnels, dump->n_tunnels, dump->cap_tunnels);
	dump->tunnels[dump->n_tunnels++] = (uint32_t)link->ifi_index;
	return MNL_CB_OK;
}

/* Return: 0, -EINTR when the dump was interrupted by a change, or another negative errno. */
static int dump_once(struct mnl_socket *nl, uint16_t type, mnl_cb_t fn, struct dump *dump)
{
	_cleanup_(freep) char *buf = xcalloc(1, DUMP_BUF);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	unsigned int seq = (unsigned int)time(NULL);
	struct rtgenmsg *gen;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	gen = mnl_nlmsg_put_extra_header(nlh, sizeof(*gen));
	gen->rtgen_family = AF_UNSPEC;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, DUMP_BUF);
		int r = n < 0 ? MNL_CB_ERROR : mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), fn, dump);

		if (r == MNL_CB_ERROR)
			return -errno;
		if (r == MNL_CB_STOP)
			return 0;
	}
}

static int read_dump(struct dump *dump)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int r = -EINTR;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	for (unsigned int i = 0; i < DUMP_TRIES && r == -EINTR; i++) {
		dump->n_ifaddrs = dump->n_tunnels = 0;
		r = dump_once(nl, RTM_GETADDR, on_addr, dump);
		if (r == 0)
			r = dump_once(nl, RTM_GETLINK, on_link, dump);
	}
	(void)mnl_socket_close(nl);
	for (size_t i = 0; i < dump->n_ifaddrs; i++)
		for (size_t k = 0; k < dump->n_tunnels; k++)
			if (dump->ifaddrs[i].index == dump->tunnels[k])
				dump->ifaddrs[i].native = false;
	return r;
}

/* ---------------------------------------------------------------- sources */

union any_addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t sockaddr_of(const struct addrsel_dest *d, union any_addr *ret)
{
	*ret = (union any_addr){ .in6 = { 0 } };
	if (d->ip.family == AF_INET) {
		ret->in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = d->ip.v4 };
		return sizeof(ret->in);
	}
	ret->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = d->ip.v6, .sin6_scope_id = d->scope_id };
	return sizeof(ret->in6);
}

/* The source of one destination. @fd and @family: the socket that all share, as glibc shares its own. */
static bool connect_one(int *fd, int *family, struct addrsel_dest *d)
{
	union any_addr addr, from;
	socklen_t len = sockaddr_of(d, &addr), from_len = sizeof(from);

	if (*fd < 0 || (*family == AF_INET && d->ip.family == AF_INET6)) {
		if (*fd >= 0)
			(void)close(*fd);
		*family = d->ip.family;
		*fd = socket(*family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_IP);
	} else {
		struct sockaddr none = { .sa_family = AF_UNSPEC };

		(void)connect(*fd, &none, sizeof(none));
	}
	if (*fd < 0 || connect(*fd, &addr.sa, len) < 0) {
		/* no IPv6 in this kernel, or IPv6 sockets that don't take IPv4 */
		if (errno != EAFNOSUPPORT || *family != AF_INET6 || d->ip.family != AF_INET)
			return false;
		if (*fd >= 0)
			(void)close(*fd);
		*family = AF_INET;
		*fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_IP);
		if (*fd < 0 || connect(*fd, &addr.sa, len) < 0)
			return false;
	}
	if (getsockname(*fd, &from.sa, &from_len) < 0)
		return false;
	d->source = *family == AF_INET ? ip4(from.in.sin_addr) : ip6(from.in6.sin6_addr);
	if (*family == AF_INET6 && d->ip.family == AF_INET) {
		d->source = (struct ip){ .family = AF_INET };
		memcpy(&d->source.v4, &from.in6.sin6_addr.s6_addr[12], 4);
	}
	return true;
}

int addrsel_live_resolve(struct addrsel_dest *dests, size_t n)
{
	struct dump dump = { 0 };
	int fd = -1, family = AF_UNSPEC, r = read_dump(&dump);

	for (size_t i = 0; i < n; i++) {
		dests[i].source = (struct ip){ 0 };
		if (i > 0 && ip_eq(&dests[i].ip, &dests[i - 1].ip) && dests[i].scope_id == dests[i - 1].scope_id)
			dests[i].source = dests[i - 1].source;
		else if (!connect_one(&fd, &family, &dests[i]))
			dests[i].source = (struct ip){ 0 };
	}
	if (fd >= 0)
		(void)close(fd);
	addrsel_learn(dests, n, dump.ifaddrs, dump.n_ifaddrs);
	free(dump.ifaddrs);
	free(dump.tunnels);
	return r;
}

/* ---------------------------------------------------------------- names */

struct list {
	struct addrsel_dest *v;
	size_t n, cap;
};

static void list_add(struct list *list, const struct ip *ip, uint32_t scope_id)
{
	GROW(list->v, list->n, list->cap);
	list->v[list->n++] = (struct addrsel_dest){ .ip = *ip, .scope_id = scope_id, .index = ADDRSEL_NO_INDEX };
}

/* Every address that the hosts file gives @name, line by line. */
static void read_hosts(const char *name, struct list *ret)
{
	FILE *f = fopen("/etc/hosts", "re");
	_cleanup_(freep) char *line = NULL;
	size_t cap = 0;

	if (!f)
		return;
	for (size_t i = 0; i < HOSTS_LINES_MAX && getline(&line, &cap, f) > 0; i++) {
		char *save = NULL, *word;
		struct ip ip;

		line[strcspn(line, "#")] = '\0';
		word = strtok_r(line, " \t\r\n", &save);
		if (!word || !ip_parse(word, &ip))
			continue;
		while ((word = strtok_r(NULL, " \t\r\n", &save)))
			if (strcasecmp(word, name) == 0) {
				list_add(ret, &ip, 0);
				break;
			}
	}
	(void)fclose(f);
}

/* One family in the name service's own order; glibc doesn't sort here. */
static void read_family(const char *name, int family, struct list *ret)
{
	size_t size = 8192;
	_cleanup_(freep) char *buf = NULL;
	struct hostent host, *found = NULL;
	int r, h_error;

	do {
		buf = xrealloc(buf, size, 1);
		r = gethostbyname2_r(name, family, &host, buf, size, &found, &h_error);
		size *= 2;
	} while (r == ERANGE && size <= (16u << 20));
	for (size_t i = 0; r == 0 && found && found->h_addr_list[i]; i++) {
		struct ip ip = { .family = (uint8_t)family };

		memcpy(ip.b, found->h_addr_list[i], ip_size(&ip));
		list_add(ret, &ip, 0);
	}
}

static bool contains(const struct list *list, const struct addrsel_dest *d)
{
	for (size_t i = 0; i < list->n; i++)
		if (ip_eq(&list->v[i].ip, &d->ip))
			return true;
	return false;
}

/* Does @candidate hold the very addresses of @answer, and does it sort into its order? */
static bool explains(const struct policy *policy, struct list *candidate, const struct list *answer)
{
	_cleanup_(freep) size_t *order = xcalloc(candidate->n + 1, sizeof(*order));

	if (candidate->n != answer->n)
		return false;
	if (answer->n < 2)
		return answer->n == 0 || ip_eq(&candidate->v[0].ip, &answer->v[0].ip);
	(void)addrsel_live_resolve(candidate->v, candidate->n);
	addrsel_sort(policy, candidate->v, candidate->n, order);
	for (size_t i = 0; i < answer->n; i++)
		if (!ip_eq(&candidate->v[order[i]].ip, &answer->v[i].ip))
			return false;
	return true;
}

/* The addresses of @answer in the order in which the name service must have given them; false: none explains it. */
static bool find_order(const char *name, const struct policy *policy, const struct list *answer, struct list *ret)
{
	static const int families[2][2] = { { AF_INET, AF_INET6 }, { AF_INET6, AF_INET } };
	struct list families_of[2] = { 0 };
	bool found;

	read_hosts(name, ret);
	if (explains(policy, ret, answer))
		return true;
	read_family(name, AF_INET, &families_of[0]);
	read_family(name, AF_INET6, &families_of[1]);
	found = false;
	for (size_t way = 0; way < ARRAY_LEN(families) && !found; way++) {
		ret->n = 0;
		for (size_t k = 0; k < 2; k++) {
			const struct list *family = &families_of[families[way][k] == AF_INET6];

			for (size_t i = 0; i < family->n; i++)
				if (contains(answer, &family->v[i]))
					list_add(ret, &family->v[i].ip, 0);
		}
		found = explains(policy, ret, answer);
	}
	free(families_of[0].v);
	free(families_of[1].v);
	return found;
}

int addrsel_live_name(const char *name, const struct policy *policy, struct addrsel_dest **ret, size_t *ret_n,
		      bool *ret_differs)
{
	static const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct list answer = { 0 }, found = { 0 };
	struct addrinfo *list = NULL;
	int r = getaddrinfo(name, NULL, &hints, &list);

	*ret_differs = false;
	if (r != 0)
		return r;
	for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		union any_addr addr;

		memcpy(&addr, ai->ai_addr, ai->ai_addrlen < sizeof(addr) ? ai->ai_addrlen : sizeof(addr));
		if (ai->ai_family == AF_INET)
			list_add(&answer, &(struct ip){ .family = AF_INET, .v4 = addr.in.sin_addr }, 0);
		else if (ai->ai_family == AF_INET6)
			list_add(&answer, &(struct ip){ .family = AF_INET6, .v6 = addr.in6.sin6_addr },
				 addr.in6.sin6_scope_id);
	}
	freeaddrinfo(list);
	if (answer.n > 1 && find_order(name, policy, &answer, &found)) {
		free(answer.v);
		answer = found;
	} else {
		free(found.v);
		*ret_differs = answer.n > 1 && !explains(policy, &answer, &answer);
	}
	*ret = answer.v;
	*ret_n = answer.n;
	return 0;
}

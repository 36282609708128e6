/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockdiag - who listens on this host
 *
 * Four dumps (TCP and UDP, two families). A UDP socket that is connected takes
 * packets of one peer only, so it isn't a listener. Not seen: raw sockets, and
 * what the kernel itself takes without a socket (IPVS, nftables).
 */
#include "kern/sockdiag.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>
#include "kern/observe.h"

#define STATE_TCP_LISTEN 10	/* TCP_LISTEN and TCP_CLOSE of the kernel's net/tcp_states.h */
#define STATE_UNCONNECTED 7

struct diag {
	struct arena *arena;
	uint8_t proto;
	struct w_listener *list;
	size_t n, cap;

	/* Looking for one */
	const struct w_listener *wanted;
	uint32_t inode;
};

bool sockdiag_parse(const struct nlmsghdr *nlh, uint8_t proto, struct w_listener *ret, uint32_t *ret_inode)
{
	static const uint16_t policy[INET_DIAG_SKV6ONLY + 1] = { [INET_DIAG_SKV6ONLY] = 1 };
	const struct nlattr *tb[INET_DIAG_SKV6ONLY + 1];
	struct inet_diag_msg m;

	if (!nl_parse_msg(nlh, sizeof(m), tb, INET_DIAG_SKV6ONLY, policy))
		return false;
	memcpy(&m, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(m));
	if ((m.idiag_family != AF_INET && m.idiag_family != AF_INET6) || m.id.idiag_sport == 0)
		return false;
	*ret = (struct w_listener){
		.proto = proto,
		.ip.family = m.idiag_family,
		.v6only = nl_u8(tb[INET_DIAG_SKV6ONLY]),
		.port = ntohs(m.id.idiag_sport),
		.ifindex = m.id.idiag_if,
	};
	memcpy(ret->ip.b, m.id.idiag_src, ip_size(&ret->ip));
	*ret_inode = m.idiag_inode;
	return true;
}

static bool same(const struct w_listener *a, const struct w_listener *b)
{
	return a->proto == b->proto && a->port == b->port && a->ifindex == b->ifindex && a->v6only == b->v6only &&
	       ip_eq(&a->ip, &b->ip);
}

static int on_socket(void *user, const struct nlmsghdr *nlh)
{
	struct diag *d = user;
	struct w_listener l;
	uint32_t inode;

	if (!sockdiag_parse(nlh, d->proto, &l, &inode))
		return 0;
	if (d->wanted) {
		if (same(&l, d->wanted) && inode != 0)
			d->inode = inode;
		return 0;
	}
	ARENA_GROW(d->arena, d->list, d->n, d->cap);
	d->list[d->n++] = l;
	return 0;
}

static int dump(struct nl *nl, struct diag *d, uint8_t family, uint8_t proto)
{
	const struct inet_diag_req_v2 req = {
		.sdiag_family = family,
		.sdiag_protocol = proto,
		.idiag_states = 1U << (proto == IPPROTO_TCP ? STATE_TCP_LISTEN : STATE_UNCONNECTED),
	};
	_cleanup_(nlb_free) struct nlb b = { 0 };
	char why[NL_WHY_MAX];

	nlb_msg(&b, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req, sizeof(req));
	d->proto = proto;
	int r = nl_dump(nl, &b, on_socket, d, why);
	if (r == -ENOENT || r == -EOPNOTSUPP)	/* the kernel has no tcp_diag or udp_diag */
		return 0;
	return r < 0 ? r : 0;	/* sockets come and go all the time: a dump of not quite one moment will do */
}

static int dump_all(struct diag *d)
{
	static const struct {
		uint8_t family, proto;
	} what[] = {
		{ AF_INET, IPPROTO_TCP }, { AF_INET6, IPPROTO_TCP }, { AF_INET, IPPROTO_UDP }, { AF_INET6, IPPROTO_UDP },
	};
	_cleanup_(nl_close) struct nl nl = NL_CLOSED;
	int r = nl_open(&nl, NETLINK_SOCK_DIAG);

	if (r == -EPROTONOSUPPORT)
		return 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(what); i++)
		if (!d->wanted || d->wanted->proto == what[i].proto)
			r = dump(&nl, d, what[i].family, what[i].proto);
	return r;
}

int sockdiag_listeners(struct arena *arena, struct w_listener **ret, size_t *ret_n)
{
	struct diag d = { .arena = arena };
	int r = dump_all(&d);

	if (r < 0)
		return r;
	*ret = d.list;
	*ret_n = d.n;
	return 0;
}

/* ---------------------------------------------------------------------- owner */

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static bool is_pid(const char *name)
{
	return name[0] != '\0' && name[strspn(name, "0123456789")] == '\0';
}

/* Has process @pid a descriptor of socket @inode? */
static bool holds(int proc, const char *pid, uint32_t inode)
{
	_cleanup_(freep) char *path = xasprintf("%s/fd", pid), *wanted = xasprintf("socket:[%u]", inode);
	int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char target[64];

	if (fd < 0)
		return false;
	_cleanup_(closedirp) DIR *dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return false;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		ssize_t n = readlinkat(fd, e->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (strcmp(target, wanted) == 0)
			return true;
	}
	return false;
}

static void read_comm(int proc, const char *pid, char comm[static 16])
{
	_cleanup_(freep) char *path = xasprintf("%s/comm", pid);
	_cleanup_(closep) int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	char text[64] = "";

	if (fd < 0)
		return;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	(void)str_copy(comm, 16, text);
}

int kern_listener_owner(struct kern *kern, struct w_listener *listener)
{
	struct diag d = { .wanted = listener };
	int r = dump_all(&d);

	(void)kern;
	if (r < 0)
		return r;
	if (d.inode == 0)
		return 1;
	int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	_cleanup_(closedirp) DIR *dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -ENOMEM;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		if (!is_pid(e->d_name) || !holds(fd, e->d_name, d.inode))
			continue;
		listener->pid = (uint32_t)strtoul(e->d_name, NULL, 10);
		read_comm(fd, e->d_name, listener->comm);
		return 0;
	}
	return 1;
}

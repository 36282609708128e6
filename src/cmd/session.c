/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session - does a change touch the interface of one's own ssh session?
 */
#include "cmd/session.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"

#define ANCESTORS_MAX 32
#define ENVIRONMENT_MAX (128 * 1024)

static bool parse(const char *s, struct session *ret)
{
	char peer[IP_STRLEN + 32], local[IP_STRLEN + 32];
	unsigned int peer_port;

	if (!s || sscanf(s, "%76s %5u %76s %5u", peer, &peer_port, local, &ret->port) != 4)
		return false;
	peer[strcspn(peer, "%")] = local[strcspn(local, "%")] = '\0';
	return ip_parse(peer, &ret->peer) && ip_parse(local, &ret->local);
}

/* Parent of @pid, or 0. */
static int parent(int pid)
{
	char path[64], buf[512];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	int ppid = 0;

	if (n <= 0)
		return 0;
	buf[n] = '\0';
	const char *p = strrchr(buf, ')');	/* the name before it may hold anything */
	return p && sscanf(p + 1, " %*c %d", &ppid) == 1 ? ppid : 0;
}

/* Variable of another process: "" or its value in @buf. */
static const char *variable_of(int pid, const char *name, char *buf)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0, len = strlen(name);

	while (fd >= 0 && n < ENVIRONMENT_MAX) {
		ssize_t r = read(fd, buf + n, ENVIRONMENT_MAX - n);

		if (r <= 0)
			break;
		n += (size_t)r;
	}
	buf[n] = '\0';
	for (const char *p = buf; p < buf + n; p += strlen(p) + 1)
		if (strncmp(p, name, len) == 0 && p[len] == '=')
			return p + len + 1;
	return "";
}

static struct ip ip_of(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return ip4(((const struct sockaddr_in *)(const void *)sa)->sin_addr);
	return ip6(((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
}

static bool device_with(const struct ip *ip, char ret[static 16])
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
		if (!a->ifa_addr || (a->ifa_addr->sa_family != AF_INET && a->ifa_addr->sa_family != AF_INET6))
			continue;
		struct ip have = ip_of(a->ifa_addr);
		found = have.family == ip->family && memcmp(have.b, ip->b, ip_size(ip)) == 0 && !(a->ifa_flags & IFF_LOOPBACK);
		if (found)
			(void)str_copy(ret, 16, a->ifa_name);
	}
	freeifaddrs(all);
	return found;
}

/* By the source address that the kernel takes for it; nothing is sent. */
static bool device_towards(const struct ip *ip, char ret[static 16])
{
	const struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = ip->v4 };
	const struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_addr = ip->v6 };
	struct sockaddr_storage own = { 0 };
	socklen_t len = sizeof(own);
	_cleanup_(closep) int fd = socket(ip->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	int r = ip->family == AF_INET ? connect(fd, (const struct sockaddr *)&to4, sizeof(to4)) :
					connect(fd, (const struct sockaddr *)&to6, sizeof(to6));
	if (r < 0 || getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		return false;
	const struct ip source = ip_of((const struct sockaddr *)&own);
	return device_with(&source, ret);
}

bool session_find(struct session *ret)
{
	_cleanup_(freep) char *buf = xcalloc(1, ENVIRONMENT_MAX + 1);
	bool found = parse(getenv("SSH_CONNECTION"), ret);
	int pid = getppid();

	for (int i = 0; !found && pid > 1 && i < ANCESTORS_MAX; i++, pid = parent(pid))
		found = parse(variable_of(pid, "SSH_CONNECTION", buf), ret);
	return found && (device_with(&ret->local, ret->device) || device_towards(&ret->peer, ret->device));
}

/* A line of /proc/net/route or ipv6_route that is a default route by @device. */
static bool has_default_route(const char *device)
{
	static const char *const files[] = { "/proc/net/route", "/proc/net/ipv6_route" };
	char line[512], name[17], dst[33], mask[33];
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		FILE *f = fopen(files[i], "re");

		while (f && !found && fgets(line, sizeof(line), f)) {
			if (i == 0 && sscanf(line, "%16s %32s %*s %*s %*s %*s %*s %32s", name, dst, mask) == 3)
				found = str_eq(name, device) && str_eq(dst, "00000000") && str_eq(mask, "00000000");
			else if (i == 1 && sscanf(line, "%32s %32s %*s %*s %*s %*s %*s %*s %*s %16s", dst, mask, name) == 3)
				found = str_eq(name, device) && strspn(dst, "0") == 32 && str_eq(mask, "00");
		}
		if (f)
			(void)fclose(f);
	}
	return found;
}

static bool is_uplink(const struct desired *desired, char **names, int n_names, const char *device)
{
	for (size_t i = 0; i < desired->n_networks; i++) {
		const struct d_network *n = &desired->networks[i];
		bool named = n_names == 0;

		for (int k = 0; k < n_names; k++)
			named = named || str_eq(names[k], n->name);
		if (named && n->mode == NET_MODE_NAT && (n->uplink ? str_eq(n->uplink, device) : has_default_route(device)))
			return true;
	}
	return false;
}

/* "link eth0", "address eth0 …", "sysctl net.ipv6.conf.eth0.accept_ra" (sysctl(8) writes the dot of "eth0.10" as a slash). */
static bool is_about(const char *object, const char *device)
{
	size_t n = strlen(device);

	for (const char *p = object; *p; p++) {
		size_t i = 0;

		while (i < n && (p[i] == device[i] || (device[i] == '.' && p[i] == '/')))
			i++;
		if (i == n && p > object && (p[-1] == ' ' || p[-1] == '.') && (p[n] == '\0' || p[n] == ' ' || p[n] == '.'))
			return true;
	}
	return false;
}

const char *session_touched(const struct session *session, const json_t *changes, const struct desired *desired,
			    char **names, int n_names)
{
	const json_t *o;
	size_t i;

	json_array_foreach(changes, i, o) {
		const char *object = json_string_value(json_object_get(o, "object"));

		if (object && (is_about(object, session->device) ||
			       (strncmp(object, "rules inet", 10) == 0 && is_uplink(desired, names, n_names, session->device))))
			return object;
	}
	return NULL;
}

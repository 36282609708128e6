/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What main takes from the engine, and what it doesn't. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "ctl/inner.h"

static const enum inner_type types[] = {
	INNER_SERVE, INNER_HOST, INNER_SERVE_END, INNER_UNSERVE, INNER_RELEASE, INNER_READY, INNER_LEASES, INNER_LEASE_GONE,
	INNER_NEIGHBOUR, INNER_TROUBLE, INNER_STATS, INNER_DNS_LISTEN, INNER_DNS_STOP, INNER_DNS_NAME, INNER_DNS_NAME_GONE,
	INNER_DNS_UPSTREAM, INNER_FOLLOW, INNER_FOLLOWED, INNER_UNFOLLOW, INNER_QMP, INNER_GROUP, INNER_SIGHT, INNER_QMP_GONE,
	INNER_ALIVE,
};

/* A body that is good for every type: addresses of a known family where one is needed. */
static union inner_body good_body(enum inner_type type)
{
	union inner_body b;

	memset(&b, 0, sizeof(b));
	memcpy(&b, "lan", 3);
	if (type == INNER_LEASE_GONE || type == INNER_RELEASE)
		b.lease.lease.ip.family = AF_INET;
	if (type == INNER_LEASES) {
		memset(&b, 0, sizeof(b));
		b.leases.n = INNER_LEASES_MAX;
		for (size_t i = 0; i < INNER_LEASES_MAX; i++)
			b.leases.leases[i].ip.family = AF_INET6;
	}
	if (type == INNER_NEIGHBOUR)
		b.neighbour.neighbour.ip.family = AF_INET6;
	if (type == INNER_DNS_NAME || type == INNER_DNS_NAME_GONE)
		b.dns_name.ip.family = AF_INET;
	if (type == INNER_SIGHT)
		b.sight.ip.family = AF_INET6;
	if (type == INNER_FOLLOW)
		b.follow.ifindex = 1;
	if (type == INNER_DNS_UPSTREAM)
		memset(&b, 0, sizeof(b));
	return b;
}

static int check(enum inner_type type, const union inner_body *body, struct inner_msg *msg)
{
	uint8_t buf[INNER_MAX] = { 0 };
	struct inner_header h = { INNER_VERSION, (uint16_t)type, (uint32_t)inner_body_size(type) };

	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), body, h.len);
	return inner_check(buf, sizeof(h) + h.len, msg);
}

static void test_every_type(void **state)
{
	struct inner_msg msg;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		const union inner_body b = good_body(types[i]);

		if (inner_body_size(types[i]) == 0 || check(types[i], &b, &msg) != 0)
			fail_msg("type %u", types[i]);
		assert_int_equal(msg.type, types[i]);
		assert_memory_equal(&msg.body, &b, inner_body_size(types[i]));
	}
	assert_int_equal(inner_body_size((enum inner_type)0), 0);
	assert_int_equal(inner_body_size((enum inner_type)9999), 0);
}

static void test_header(void **state)
{
	static const struct {
		uint16_t version, type;
		int32_t len_more, packet_more;
		const char *why;
	} t[] = {
		{ INNER_VERSION + 1, INNER_DNS_STOP, 0, 0, "other version" },
		{ INNER_VERSION, 0, 0, 0, "type 0" },
		{ INNER_VERSION, 31, 0, 0, "type between" },
		{ INNER_VERSION, UINT16_MAX, 0, 0, "type beyond" },
		{ INNER_VERSION, INNER_DNS_STOP, 1, 0, "length says more than there is" },
		{ INNER_VERSION, INNER_DNS_STOP, -1, 0, "length says less" },
		{ INNER_VERSION, INNER_DNS_STOP, 0, 1, "packet is longer" },
		{ INNER_VERSION, INNER_DNS_STOP, 1, 1, "both longer than the type" },
		{ INNER_VERSION, INNER_DNS_STOP, -1, -1, "both shorter" },
		{ INNER_VERSION, INNER_SERVE, 0, 0, "another type's body" },
	};
	struct inner_msg msg;
	uint8_t buf[INNER_MAX] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int32_t len = (int32_t)sizeof(struct inner_name);
		struct inner_header h = { t[i].version, t[i].type, (uint32_t)(len + t[i].len_more) };

		memcpy(buf, &h, sizeof(h));
		if (inner_check(buf, sizeof(h) + (size_t)(len + t[i].packet_more), &msg) != -EBADMSG)
			fail_msg("%s", t[i].why);
	}
	for (size_t n = 0; n < sizeof(struct inner_header); n++)
		assert_int_equal(inner_check(buf, n, &msg), -EBADMSG);
}

/* One byte or number of a good message made bad. */
static void test_bodies(void **state)
{
	static const struct {
		enum inner_type type;
		size_t at;
		uint8_t value;
		const char *why;
	} t[] = {
		{ INNER_READY, offsetof(struct inner_ready, network), '/', "slash in a name" },
		{ INNER_READY, offsetof(struct inner_ready, network), '.', "name begins with a dot" },
		{ INNER_READY, offsetof(struct inner_ready, network), '\n', "control character in a name" },
		{ INNER_READY, offsetof(struct inner_ready, network), 0xc3, "not ASCII" },
		{ INNER_UNSERVE, offsetof(struct inner_unserve, goodbye), 2, "flag" },
		{ INNER_TROUBLE, offsetof(struct inner_trouble, what), 0x1b, "escape sequence in a text" },
		{ INNER_LEASE_GONE, offsetof(struct lease, ip) + offsetof(struct ip, family), 0, "no family" },
		{ INNER_LEASE_GONE, offsetof(struct lease, ip) + offsetof(struct ip, family), AF_PACKET, "unknown family" },
		{ INNER_LEASE_GONE, offsetof(struct lease, client) + offsetof(struct client_id, len), CLIENT_ID_MAX + 1, "client id too long" },
		{ INNER_LEASE_GONE, offsetof(struct lease, hostname), '/', "slash in a host name" },
		{ INNER_LEASES, offsetof(struct inner_leases, n), INNER_LEASES_MAX - 1, "fewer than came" },
		{ INNER_LEASES, offsetof(struct inner_leases, n), INNER_LEASES_MAX + 1, "more than came" },
		{ INNER_LEASES, offsetof(struct inner_leases, n), 0, "none" },
		{ INNER_LEASES, offsetof(struct inner_leases, n) + 3, 0xff, "a number whose size overflows" },
		{ INNER_LEASES, offsetof(struct inner_leases, leases[INNER_LEASES_MAX - 1].ip.family), AF_PACKET, "the last is bad" },
		{ INNER_LEASES, offsetof(struct inner_leases, leases[0].hostname), '/', "the first is bad" },
		{ INNER_NEIGHBOUR, offsetof(struct neighbour, ip) + offsetof(struct ip, family), 0, "no family" },
		{ INNER_SERVE, offsetof(struct service, network), 0, "no name" },
		{ INNER_SERVE, offsetof(struct service, dhcp4), 2, "a bool that is neither" },
		{ INNER_SERVE, offsetof(struct service, managed), 0xff, "a bool that is neither" },
		{ INNER_SERVE, offsetof(struct service, n_prefixes), SERVICE_PREFIXES + 1, "too many prefixes" },
		{ INNER_SERVE, offsetof(struct service, n_dns4), SERVICE_DNS + 1, "too many servers" },
		{ INNER_SERVE, offsetof(struct service, n_dns6), SERVICE_DNS + 1, "too many servers" },
		{ INNER_SERVE, offsetof(struct service, gateway4) + offsetof(struct prefix, len), 1, "length without an address" },
		{ INNER_SERVE, offsetof(struct service, gateway4) + offsetof(struct prefix, ip), AF_INET6, "IPv6 where IPv4 belongs" },
		{ INNER_SERVE, offsetof(struct service, gateway6) + offsetof(struct prefix, ip), AF_INET, "IPv4 where IPv6 belongs" },
		{ INNER_SERVE, offsetof(struct service, range4), AF_INET, "a range with one end" },
		{ INNER_HOST, offsetof(struct inner_host, host) + offsetof(struct service_host, n_ips), SERVICE_HOST_IPS + 1, "too many addresses" },
		{ INNER_HOST, offsetof(struct inner_host, host) + offsetof(struct service_host, n_ips), 1, "an address without family" },
		{ INNER_DNS_LISTEN, offsetof(struct inner_dns, n_fds), INNER_FDS + 1, "too many descriptors" },
		{ INNER_DNS_LISTEN, offsetof(struct inner_dns, gateway6) + offsetof(struct prefix, ip), AF_INET, "family" },
		{ INNER_DNS_NAME, offsetof(struct inner_dns_name, name), ' ' - 1, "control character" },
		{ INNER_FOLLOW, offsetof(struct inner_follow, may_ask), 2, "flag" },
		{ INNER_FOLLOW, offsetof(struct inner_follow, ifindex), 0, "no device" },
		{ INNER_FOLLOW, offsetof(struct inner_follow, mac), 1, "a multicast MAC of a macvtap" },
		{ INNER_FOLLOW, offsetof(struct inner_follow, device), '/', "slash in a name" },
		{ INNER_FOLLOW, offsetof(struct inner_follow, n_declared), MCAST_DECLARED_IPS + 1, "too many addresses" },
		{ INNER_FOLLOW, offsetof(struct inner_follow, n_declared), 1, "an address without family" },
		{ INNER_GROUP, offsetof(struct inner_group, group), 2, "to join a unicast MAC" },
		{ INNER_GROUP, offsetof(struct inner_group, reasons), 1 << MCAST_ALL_BITS, "an unknown reason" },
		{ INNER_FOLLOWED, offsetof(struct inner_group, group), 0xfe, "a unicast MAC" },
		{ INNER_SIGHT, offsetof(struct inner_sight, ip) + offsetof(struct ip, family), 0, "no family" },
		{ INNER_QMP, offsetof(struct inner_qmp, nic), '\n', "control character" },
		{ INNER_DNS_UPSTREAM, offsetof(struct inner_dns_upstream, n), 9, "too many servers" },
		{ INNER_DNS_UPSTREAM, offsetof(struct inner_dns_upstream, n), 1, "a server without family" },
	};
	struct inner_msg msg;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		union inner_body b = good_body(t[i].type);

		assert_int_equal(check(t[i].type, &b, &msg), 0);
		((uint8_t *)&b)[t[i].at] = t[i].value;
		if (check(t[i].type, &b, &msg) != -EBADMSG)
			fail_msg("type %u: %s", t[i].type, t[i].why);
	}
	/* A name that fills its array and doesn't end. */
	union inner_body b = good_body(INNER_READY);
	memset(b.ready.network, 'a', sizeof(b.ready.network));
	assert_int_equal(check(INNER_READY, &b, &msg), -EBADMSG);
}

static void test_leases(void **state)
{
	static const struct {
		size_t says, comes;
		int more, want;
		const char *why;
	} t[] = {
		{ 1, 1, 0, 0, "one" },
		{ INNER_LEASES_MAX, INNER_LEASES_MAX, 0, 0, "as many as fit" },
		{ 0, 0, 0, -EBADMSG, "none" },
		{ 2, 1, 0, -EBADMSG, "fewer than it says" },
		{ 1, 2, 0, -EBADMSG, "more than it says" },
		{ 2, 2, -1, -EBADMSG, "the last isn't whole" },
		{ 1, 1, 1, -EBADMSG, "something after it" },
		{ INNER_LEASES_MAX + 1, INNER_LEASES_MAX + 1, 0, -EBADMSG, "more than fit" },
	};
	struct inner_msg msg;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		union inner_body b = good_body(INNER_LEASES);
		size_t len = inner_leases_size(t[i].comes) + (size_t)t[i].more;
		struct inner_header h = { INNER_VERSION, INNER_LEASES, (uint32_t)len };
		static uint8_t buf[2 * INNER_MAX];

		b.leases.n = (uint32_t)t[i].says;
		memset(buf, 0, sizeof(buf));
		memcpy(buf, &h, sizeof(h));
		memcpy(buf + sizeof(h), &b, sizeof(b));
		if (inner_check(buf, sizeof(h) + len, &msg) != t[i].want)
			fail_msg("%s", t[i].why);
		if (t[i].want == 0)
			assert_memory_equal(&msg.body, &b, len);
	}
}

static void pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

static unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_send(void **state)
{
	struct inner_msg msg;
	int s[2];

	(void)state;
	pair(s);
	assert_int_equal(inner_recv(s[1], &msg), -EAGAIN);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		const union inner_body b = good_body(types[i]);

		assert_int_equal(inner_send(s[0], types[i], &b, inner_body_size(types[i]), NULL, 0), 0);
		if (types[i] == INNER_QMP) {	/* nothing without its connection */
			assert_int_equal(inner_recv(s[1], &msg), -EBADMSG);
			continue;
		}
		assert_int_equal(inner_recv(s[1], &msg), 1);
		assert_int_equal(msg.type, types[i]);
		assert_memory_equal(&msg.body, &b, inner_body_size(types[i]));
		assert_int_equal(msg.n_fds, 0);
	}
	const union inner_body b = good_body(INNER_READY);
	assert_int_equal(inner_send(s[0], INNER_READY, &b, inner_body_size(INNER_READY) - 1, NULL, 0), -EINVAL);
	assert_int_equal(inner_send(s[0], (enum inner_type)99, &b, 4, NULL, 0), -EINVAL);
	assert_int_equal(close(s[0]), 0);
	assert_int_equal(inner_recv(s[1], &msg), 0);
	/* No SIGPIPE, which would end main with the engine. */
	assert_int_equal(inner_send(s[1], INNER_READY, &b, inner_body_size(INNER_READY), NULL, 0), -EPIPE);
	assert_int_equal(inner_send(s[1], INNER_DNS_LISTEN, &b, inner_body_size(INNER_DNS_LISTEN), &s[1], 1), -EPIPE);
	(void)close(s[1]);
}

static void test_full(void **state)
{
	const union inner_body b = good_body(INNER_STATS);
	struct inner_msg msg;
	int s[2], r = 0, sent = 0;

	(void)state;
	pair(s);
	while (r == 0 && sent < 100000) {
		r = inner_send(s[0], INNER_STATS, &b, inner_body_size(INNER_STATS), NULL, 0);
		sent += r == 0;
	}
	assert_int_equal(r, -EAGAIN);
	for (int i = 0; i < sent; i++)
		assert_int_equal(inner_recv(s[1], &msg), 1);
	assert_int_equal(inner_recv(s[1], &msg), -EAGAIN);
	(void)close(s[0]);
	(void)close(s[1]);
}

static void test_fds(void **state)
{
	static const struct {
		enum inner_type type;
		size_t fds;
		uint32_t says;
		int want;
		const char *why;
	} t[] = {
		{ INNER_SERVE, 0, 0, 1, "none" },
		{ INNER_SERVE, ENGINE_SOCKET_N_, 0, 1, "one of each kind" },
		{ INNER_SERVE, ENGINE_SOCKET_N_ + 1, 0, -EBADMSG, "one more" },
		{ INNER_DNS_LISTEN, 4, 4, 1, "as many as it says" },
		{ INNER_DNS_LISTEN, 3, 4, -EBADMSG, "fewer" },
		{ INNER_DNS_LISTEN, 5, 4, -EBADMSG, "more" },
		{ INNER_DNS_LISTEN, 0, 1, -EBADMSG, "none" },
		{ INNER_LEASE_GONE, 1, 0, -EBADMSG, "with a message that has none" },
		{ INNER_READY, INNER_FDS, 0, -EBADMSG, "eight with a message that has none" },
	};
	const unsigned int before = count_fds();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		union inner_body b = good_body(t[i].type);
		int s[2], fds[INNER_FDS];
		struct inner_msg msg;

		pair(s);
		for (size_t k = 0; k < INNER_FDS; k++)
			fds[k] = s[0];
		if (t[i].type == INNER_DNS_LISTEN)
			b.dns.n_fds = t[i].says;
		assert_int_equal(inner_send(s[0], t[i].type, &b, inner_body_size(t[i].type), fds, t[i].fds), 0);
		if (inner_recv(s[1], &msg) != t[i].want)
			fail_msg("%s", t[i].why);
		assert_int_equal(msg.n_fds, t[i].want == 1 ? t[i].fds : 0);
		for (size_t k = 0; k < msg.n_fds; k++) {
			assert_int_equal(fcntl(msg.fds[k], F_GETFD), FD_CLOEXEC);
			(void)close(msg.fds[k]);
		}
		(void)close(s[0]);
		(void)close(s[1]);
		if (count_fds() != before)
			fail_msg("%s: a descriptor leaks", t[i].why);
	}
	assert_int_equal(inner_send(0, INNER_SERVE, &before, inner_body_size(INNER_SERVE), (int[INNER_FDS + 1]){ 0 }, INNER_FDS + 1),
			 -EINVAL);
}

/* Packets that inner_send() never makes. */
static void test_hostile(void **state)
{
	const unsigned int before = count_fds();
	uint8_t big[INNER_MAX + 1] = { 0 };
	struct inner_msg msg;
	int s[2];

	(void)state;
	pair(s);
	assert_int_equal(send(s[0], big, sizeof(big), 0), sizeof(big));
	assert_int_equal(inner_recv(s[1], &msg), -EBADMSG);
	assert_int_equal(send(s[0], big, 3, 0), 3);
	assert_int_equal(inner_recv(s[1], &msg), -EBADMSG);

	/* Many descriptors, twice as many as there is room for; and an empty packet with some. */
	for (size_t n = 0; n <= 3; n += 3) {
		union {
			char buf[CMSG_SPACE(sizeof(int) * 2 * INNER_FDS)];
			struct cmsghdr align;
		} control = { 0 };
		struct iovec iov = { big, n };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf) };
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		int fds[2 * INNER_FDS];

		for (size_t k = 0; k < ARRAY_LEN(fds); k++)
			fds[k] = s[0];
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fds));
		memcpy(CMSG_DATA(c), fds, sizeof(fds));
		assert_int_equal(sendmsg(s[0], &m, 0), n);
		assert_int_equal(inner_recv(s[1], &msg), n ? -EBADMSG : 0);
		assert_int_equal(msg.n_fds, 0);
	}
	assert_int_equal(count_fds(), before + 2);
	(void)close(s[0]);
	(void)close(s[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type), cmocka_unit_test(test_header), cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_send),	   cmocka_unit_test(test_full),	  cmocka_unit_test(test_fds),
		cmocka_unit_test(test_hostile), cmocka_unit_test(test_leases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real packet sockets on a veth pair, in user and network namespaces of our
 * own. Skipped where these can't be made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/time.h"
#include "io/packet.h"
#include "io/pcap.h"

#define DST "\x52\x54\0\0\0\2"		/* of the device that listens */
#define SRC "\x52\x54\0\0\0\1"
#define IP4(proto, frag, port) "\x45\0\0\x24\0\0" frag "\x40" proto "\0\0\0\0\0\0\xff\xff\xff\xff\0\x44" port "\0\x10\0\0"
#define IP4_OPTIONS(port) "\x46\0\0\x28\0\0\0\0\x40\x11\0\0\0\0\0\0\xff\xff\xff\xff\1\1\1\1\0\x44" port "\0\x10\0\0"
#define IP6(next) "\x60\0\0\0\0\x20" next "\xff" "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\2" "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
#define HBH "\x3a\0\5\2\0\0\1\0"
#define FRAME(type, body) DST SRC type body "0123456789012345678901234567890123456789"

static int tx = -1, rx[PACKET_KIND_N_] = { -1, -1 };

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0) {
		(void)!write(fd, text, strlen(text));
		(void)close(fd);
	}
}

static bool make_devices(void)
{
	char map[64];

	(void)snprintf(map, sizeof(map), "0 %u 1", (unsigned int)getuid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", map);
	return system("ip link add tx0 address 52:54:00:00:00:01 type veth peer name rx0 address 52:54:00:00:00:02 && "
		      "sysctl -qw net.ipv6.conf.tx0.disable_ipv6=1 net.ipv6.conf.rx0.disable_ipv6=1 && "
		      "ip link set tx0 up && ip link set rx0 up") == 0;
}

static int setup(void **state)
{
	(void)state;
	if (!make_devices())
		return 0;
	for (unsigned int i = 0; i < PACKET_KIND_N_; i++)
		assert_int_equal(packet_open(if_nametoindex("rx0"), i, &rx[i]), 0);

	/* The sender's kind doesn't matter: a packet socket sends what it is given. */
	assert_int_equal(packet_open(if_nametoindex("tx0"), PACKET_KIND_ARP, &tx), 0);
	return 0;
}

static unsigned int arrived(struct packet_batch *batch, int fd, int wait_ms)
{
	struct pollfd p = { fd, POLLIN, 0 };

	(void)poll(&p, 1, wait_ms);
	int n = packet_recv(batch, fd, PACKET_BATCH);
	assert_true(n >= 0 || n == -ENETDOWN);	/* told once after a test that took the device down */
	return n < 0 ? 0 : (unsigned int)n;
}

static void what_the_filters_let_through(void **state)
{
	static const struct {
		const char *why;
		const char *frame;
		size_t n;
		int kind;	/* -1: nobody wants it */
	} t[] = {
#define F(type, body) FRAME(type, body), sizeof(FRAME(type, body)) - 1
		{ "ARP", F("\x08\x06", ""), PACKET_KIND_ARP },
		{ "DHCP", F("\x08\0", IP4("\x11", "\0\0", "\0\x43")), PACKET_KIND_IP },
		{ "DHCP behind IP options", F("\x08\0", IP4_OPTIONS("\0\x43")), PACKET_KIND_IP },
		{ "UDP to another port", F("\x08\0", IP4("\x11", "\0\0", "\0\x35")), -1 },
		{ "TCP to port 67", F("\x08\0", IP4("\6", "\0\0", "\0\x43")), -1 },
		{ "a later fragment", F("\x08\0", IP4("\x11", "\0\1", "\0\x43")), -1 },
		{ "DHCPv6", F("\x86\xdd", IP6("\x11") "\2\x22\2\x23\0\x10\0\0"), PACKET_KIND_IP },
		{ "UDP to another port", F("\x86\xdd", IP6("\x11") "\2\x22\0\x35\0\x10\0\0"), -1 },
		{ "RS", F("\x86\xdd", IP6("\x3a") "\x85\0\0\0"), PACKET_KIND_IP },
		{ "a guest's RA", F("\x86\xdd", IP6("\x3a") "\x86\0\0\0"), -1 },
		{ "NS", F("\x86\xdd", IP6("\x3a") "\x87\0\0\0"), PACKET_KIND_IP },
		{ "NA", F("\x86\xdd", IP6("\x3a") "\x88\0\0\0"), PACKET_KIND_IP },
		{ "echo request", F("\x86\xdd", IP6("\x3a") "\x80\0\0\0"), -1 },
		{ "MLDv1 report", F("\x86\xdd", IP6("\0") HBH "\x83\0\0\0"), PACKET_KIND_IP },
		{ "MLD done", F("\x86\xdd", IP6("\0") HBH "\x84\0\0\0"), PACKET_KIND_IP },
		{ "MLDv2 report", F("\x86\xdd", IP6("\0") HBH "\x8f\0\0\0"), PACKET_KIND_IP },
		{ "MLDv2 report behind 16 bytes", F("\x86\xdd", IP6("\0") "\x3a\1\5\2\0\0\1\x08\0\0\0\0\0\0\0\0" "\x8f\0\0\0"),
		  PACKET_KIND_IP },
		{ "an MLD query", F("\x86\xdd", IP6("\0") HBH "\x82\0\0\0"), -1 },
		{ "hop-by-hop beyond the frame", F("\x86\xdd", IP6("\0") "\x3a\xff\5\2\0\0\1\0" "\x8f\0\0\0"), -1 },
		{ "TCP", F("\x86\xdd", IP6("\6") "\x85\0\0\0"), -1 },
		{ "in a VLAN", "\x52\x54\0\0\0\2" SRC "\x81\0\0\5\x86\xdd" IP6("\x3a") "\x85\0\0\0\0\0\0\0", 66, -1 },
		{ "an RS of another type of frame", F("\x88\xb5", IP6("\x3a") "\x85\0\0\0"), -1 },
		{ "for another host", "\x52\x54\0\0\0\3" SRC "\x86\xdd" IP6("\x3a") "\x85\0\0\0\0\0\0\0", 62, -1 },
	};
	_cleanup_(packet_batch_freep) struct packet_batch *batch = NULL;

	(void)state;
	if (tx < 0)
		skip();
	assert_int_equal(packet_batch_new(&batch), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_int_equal(packet_send(tx, t[i].frame, t[i].n), 0);
		if (t[i].kind >= 0) {
			if (arrived(batch, rx[t[i].kind], 10000) != 1)
				fail_msg("%s: didn't arrive", t[i].why);
			struct packet p = packet_get(batch, 0);
			if (p.frame.left != t[i].n || memcmp(p.frame.p, t[i].frame, t[i].n) != 0 || !p.csum_ready || p.cut)
				fail_msg("%s: arrived otherwise", t[i].why);
		}
		for (int k = 0; k < PACKET_KIND_N_; k++)
			if (arrived(batch, rx[k], t[i].kind < 0 ? 5 : 0) != 0)
				fail_msg("%s: arrived at %d", t[i].why, k);
	}
}

static void what_we_send_does_not_come_back(void **state)
{
	static const char rs[] = FRAME("\x86\xdd", IP6("\x3a") "\x85\0\0\0");
	_cleanup_(packet_batch_freep) struct packet_batch *batch = NULL;

	(void)state;
	if (tx < 0)
		skip();
	assert_int_equal(packet_batch_new(&batch), 0);
	assert_int_equal(packet_send(rx[PACKET_KIND_ARP], rs, sizeof(rs) - 1), 0);
	assert_int_equal(arrived(batch, rx[PACKET_KIND_IP], 20), 0);
}

static void checksums_left_to_hardware_are_marked(void **state)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(547) };
	_cleanup_(packet_batch_freep) struct packet_batch *batch = NULL;
	_cleanup_(closep) int fd = -1;

	(void)state;
	if (tx < 0)
		skip();
	assert_int_equal(packet_batch_new(&batch), 0);
	write_file("/proc/sys/net/ipv6/conf/tx0/accept_dad", "0");
	write_file("/proc/sys/net/ipv6/conf/tx0/disable_ipv6", "0");
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	memcpy(&to.sin6_addr, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\1\0\2", 16);
	to.sin6_scope_id = if_nametoindex("tx0");
	for (int i = 0; i < 1000; i++) {	/* until a's link-local address is there */
		if (sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1)
			break;
		(void)usleep(10000);
	}
	for (int i = 0; i < 50; i++) {
		unsigned int n = arrived(batch, rx[PACKET_KIND_IP], 100);

		for (unsigned int k = 0; k < n; k++) {
			struct packet p = packet_get(batch, k);

			if (p.frame.left > 20 && p.frame.p[20] == IPPROTO_UDP) {
				assert_false(p.csum_ready);	/* veth offers checksum offload */
				return;
			}
		}
	}
	fail_msg("the datagram didn't arrive");
}

static void the_filter_is_locked(void **state)
{
	int none = 0;

	(void)state;
	if (tx < 0)
		skip();
	assert_int_equal(setsockopt(rx[0], SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(packet_open(99999, PACKET_KIND_ARP, &none), -ENODEV);
}

static void a_device_that_goes_down_and_up(void **state)
{
	static const char arp[] = FRAME("\x08\x06", "");
	_cleanup_(packet_batch_freep) struct packet_batch *batch = NULL;

	(void)state;
	if (tx < 0)
		skip();
	assert_int_equal(packet_batch_new(&batch), 0);
	assert_int_equal(system("ip link set rx0 down"), 0);
	assert_int_equal(packet_recv(batch, rx[PACKET_KIND_ARP], 1), -ENETDOWN);
	assert_int_equal(packet_recv(batch, rx[PACKET_KIND_ARP], 1), 0);
	assert_int_equal(packet_send(rx[PACKET_KIND_ARP], arp, sizeof(arp) - 1), -ENETDOWN);
	assert_int_equal(system("ip link set rx0 up"), 0);
	for (int i = 0; i < 1000; i++) {	/* carrier takes a moment */
		(void)packet_send(tx, arp, sizeof(arp) - 1);
		if (arrived(batch, rx[PACKET_KIND_ARP], 20) > 0)
			return;
	}
	fail_msg("nothing arrives any more");
}

static void pcap_file(void **state)
{
	char path[] = "/tmp/test_packet.XXXXXX";
	_cleanup_(pcap_freep) struct pcap *pcap = NULL;
	_cleanup_(closep) int fd = mkstemp(path);
	uint32_t words[12];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pcap_open(&pcap, path), 0);
	assert_int_equal(pcap_write(pcap, "frame", 5, mono_now() + 3 * MONO_S / 2), 0);
	assert_int_equal(read(fd, words, sizeof(words)), 24 + 16 + 5);
	assert_int_equal(words[0], 0xa1b23c4d);
	assert_int_equal(words[8], 5);
	assert_int_equal(words[9], 5);
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pcap_file),
		cmocka_unit_test(what_the_filters_let_through),
		cmocka_unit_test(what_we_send_does_not_come_back),
		cmocka_unit_test(the_filter_is_locked),
		cmocka_unit_test(a_device_that_goes_down_and_up),
		cmocka_unit_test(checksums_left_to_hardware_are_marked),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

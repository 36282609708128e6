/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * taps - many guests' taps, made by raw rtnetlink or asked of the daemon
 *
 *   taps raw BRIDGE N	the least that the kernel must be asked for what sixtap sets
 *   taps ask SOCKET NETWORK N [PREFIX]	`sixtap run` N times, on one connection
 *
 * Prints {"ms":…} and holds the descriptors until standard input has a line:
 * "group" removes all by RTM_DELLINK with their group and prints {"ms":…} again,
 * whatever else closes them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/mem.h"
#include "io/control.h"
#include "load.h"

#define GROUP 7766
#define MTU 1500
#define GEN_MODE_NONE 1
#define ANSWER_MAX (1u << 20)

static struct mnl_socket *open_netlink(void)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_ROUTE);

	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		fail("netlink");
	return nl;
}

/* Send @len bytes of messages, the last of which asks for an acknowledgement. */
static void ask_kernel(struct mnl_socket *nl, void *msgs, size_t len, struct nlmsghdr *last)
{
	static uint8_t buf[32768];

	last->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(nl, msgs, len) < 0)
		fail("netlink send");
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));

		if (n < 0)
			fail("netlink receive");
		if (mnl_cb_run(buf, (size_t)n, 0, 0, NULL, NULL) < 0)
			fail("netlink answer");
		const struct nlmsghdr *answer = (const struct nlmsghdr *)buf;
		if (answer->nlmsg_seq == last->nlmsg_seq)
			return;
	}
}

static struct nlmsghdr *put_link(void *at, uint16_t type, int ifindex, unsigned int flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nlh->nlmsg_seq = 1;
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = ifindex;
	ifi->ifi_flags = ifi->ifi_change = flags;
	return nlh;
}

/* A program that lets everything pass: what sixtap has there costs the same to put there. */
static int load_guard(void)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_UNSPEC },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SCHED_CLS, .insns = (uintptr_t)code, .insn_cnt = 2,
				.license = (uintptr_t)"GPL" };

	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static struct nlmsghdr *put_tc(void *at, uint16_t type, uint16_t flags, int ifindex, uint32_t parent, uint32_t handle,
			       uint32_t info, const char *kind)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = 1;
	struct tcmsg *t = mnl_nlmsg_put_extra_header(nlh, sizeof(*t));
	t->tcm_ifindex = ifindex;
	t->tcm_parent = parent;
	t->tcm_handle = handle;
	t->tcm_info = info;
	mnl_attr_put_strz(nlh, TCA_KIND, kind);
	return nlh;
}

/*
 * All that sixtap sets, in as few messages as the kernel allows, and in one system call: up comes after the address
 * generation mode, and the guard before it.
 */
static void set_port(struct mnl_socket *nl, int ifindex, uint32_t bridge, unsigned int number, int guard)
{
	uint8_t buf[1024] __attribute__((aligned(4))), mac[6] = { 0xfe, 0x54, 0, 0, (uint8_t)(number >> 8), (uint8_t)number };
	char alias[64];

	(void)snprintf(alias, sizeof(alias), "bench:lan/g%u", number);
	struct nlmsghdr *qdisc = put_tc(buf, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex, TC_H_CLSACT,
					TC_H_MAKE(TC_H_CLSACT, 0), 0, "clsact");
	struct nlmsghdr *filter = put_tc(mnl_nlmsg_get_payload_tail(qdisc), RTM_NEWTFILTER, NLM_F_CREATE, ifindex,
					 TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), 1,
					 TC_H_MAKE(1u << 16, (uint32_t)htons(ETH_P_ALL)), "bpf");
	struct nlattr *options = mnl_attr_nest_start(filter, TCA_OPTIONS);
	mnl_attr_put_u32(filter, TCA_BPF_FD, (uint32_t)guard);
	mnl_attr_put_strz(filter, TCA_BPF_NAME, "bench");
	mnl_attr_put_u32(filter, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(filter, options);
	struct nlmsghdr *set = put_link(mnl_nlmsg_get_payload_tail(filter), RTM_SETLINK, ifindex, 0);
	mnl_attr_put(set, IFLA_ADDRESS, sizeof(mac), mac);
	mnl_attr_put_u32(set, IFLA_MTU, MTU);
	mnl_attr_put_strz(set, IFLA_IFALIAS, alias);
	mnl_attr_put_u32(set, IFLA_GROUP, GROUP);
	mnl_attr_put_u32(set, IFLA_MASTER, bridge);
	struct nlattr *spec = mnl_attr_nest_start(set, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(set, AF_INET6);
	mnl_attr_put_u8(set, IFLA_INET6_ADDR_GEN_MODE, GEN_MODE_NONE);
	mnl_attr_nest_end(set, inet6);
	mnl_attr_nest_end(set, spec);
	struct nlmsghdr *up = put_link(mnl_nlmsg_get_payload_tail(set), RTM_NEWLINK, ifindex, IFF_UP);
	up->nlmsg_seq = 2;
	ask_kernel(nl, buf, (size_t)((uint8_t *)mnl_nlmsg_get_payload_tail(up) - buf), up);
}

static int make_tap(int control, int *ret_ifindex)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	(void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "raw%%d");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(control, SIOCGIFINDEX, &ifr) < 0)
		fail("tap");
	*ret_ifindex = ifr.ifr_ifindex;
	return fd;
}

static void raw(const char *bridge, unsigned int n, int *fds)
{
	struct mnl_socket *nl = open_netlink();
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ifindex;
	uint32_t master = if_nametoindex(bridge);
	int guard = load_guard();

	if (guard < 0)
		fail("bpf");
	for (unsigned int i = 0; i < n; i++) {
		fds[i] = make_tap(control, &ifindex);
		set_port(nl, ifindex, master, i, guard);
	}
	(void)close(guard);
	(void)close(control);
	(void)mnl_socket_close(nl);
}

static void remove_group(void)
{
	struct mnl_socket *nl = open_netlink();
	uint8_t buf[256];
	struct nlmsghdr *nlh = put_link(buf, RTM_DELLINK, 0, 0);

	mnl_attr_put_u32(nlh, IFLA_GROUP, GROUP);
	ask_kernel(nl, nlh, nlh->nlmsg_len, nlh);
	(void)mnl_socket_close(nl);
}

static const char *next_line(struct control *c)
{
	struct pollfd p = { c->fd, POLLIN, 0 };
	const char *line;
	size_t len;

	while (!(line = control_line(c, &len))) {
		if (poll(&p, 1, 30000) <= 0 || (control_read(c) <= 0 && errno != EAGAIN)) {
			(void)fputs("the daemon doesn't answer\n", stderr);
			exit(2);
		}
	}
	return line;
}

static void ask(const char *path, const char *network, unsigned int n, const char *prefix, int *fds)
{
	struct control *c;
	char text[256];

	if (control_connect(&c, path, ANSWER_MAX) != 0)
		fail(path);
	for (unsigned int i = 0; i < n; i++) {
		(void)snprintf(text, sizeof(text),
			       "{\"version\":1,\"do\":\"attach\",\"network\":\"%s\",\"name\":\"%s%u\",\"queues\":1,\"pid\":%d}",
			       network, prefix, i, (int)getpid());
		control_queue(c, text, strlen(text), NULL, 0);
		if (control_flush(c) < 0)
			fail("ask");
		const char *line = next_line(c);
		if (control_take_fds(c, &fds[i], 1) != 1) {
			(void)fprintf(stderr, "guest %u: %s\n", i, line);
			exit(2);
		}
	}
	control_free(c);
}

static void say(uint64_t began)
{
	(void)printf("{\"ms\": %.3f}\n", (double)(now_ns() - began) / 1e6);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	bool is_raw = argc == 4 && strcmp(argv[1], "raw") == 0, is_ask = argc >= 5 && strcmp(argv[1], "ask") == 0;
	char line[64];

	if (!is_raw && !is_ask) {
		(void)fputs("usage: taps raw BRIDGE N\n       taps ask SOCKET NETWORK N [PREFIX]\n", stderr);
		return 2;
	}
	unsigned int n = (unsigned int)atoi(argv[is_raw ? 3 : 4]);
	const struct rlimit files = { n + 100, n + 100 };
	int *fds = calloc(n, sizeof(*fds));
	if (!fds || setrlimit(RLIMIT_NOFILE, &files) < 0)
		fail("descriptors");
	uint64_t began = now_ns();
	if (is_raw)
		raw(argv[2], n, fds);
	else
		ask(argv[2], argv[3], n, argc > 5 ? argv[5] : "g", fds);
	say(began);
	if (fgets(line, sizeof(line), stdin) && strcmp(line, "group\n") == 0) {
		began = now_ns();
		remove_group();
		say(began);
	}
	free(fds);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sniff - look at what crosses interfaces, and send single frames
 *
 * Theory of operation. A packet socket for every protocol (one bound to a
 * protocol sees nothing on a bridge's port, and none sees what is sent), made
 * without a protocol and bound only when its filter is in place. The filter
 * counts from the network header, so that it fits links of every kind. Frames
 * are read by recvmmsg(), a batch at a time, with the kernel's time stamps.
 */
#include "io/sniff.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include "base/time.h"

#define TAKE 0xffffu
#define DROP 0u
#define NET(at) ((uint32_t)(SKF_NET_OFF + (at)))

#define LOAD8(at) BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET(at))
#define LOAD16(at) BPF_STMT(BPF_LD | BPF_H | BPF_ABS, NET(at))
#define LOAD8_X(at) BPF_STMT(BPF_LD | BPF_B | BPF_IND, NET(at))
#define LOAD16_X(at) BPF_STMT(BPF_LD | BPF_H | BPF_IND, NET(at))
#define IF_EQ(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define IF_SET(bits, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), (yes), (no))
#define IF_ABOVE(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (value), (yes), (no))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))

enum {				/* which instruction of the filter decides on what */
	AT_ARP = 2,
	AT_DHCP4 = 15,
	AT_DHCP6 = 24,
	AT_ICMPV6 = 38,
};

/* An instruction that says yes is set to say no where its kind isn't asked for. */
static const struct sock_filter template[] = {
	/*  0 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
	/*  1 */ IF_EQ(ETH_P_ARP, 0, 1),
	/*  2 */ RETURN(TAKE),
	/*  3 */ IF_EQ(ETH_P_IP, 0, 13),
	/*  4 */ LOAD8(9),
	/*  5 */ IF_EQ(IPPROTO_UDP, 0, 10),
	/*  6 */ LOAD16(6),			/* a later fragment has no ports */
	/*  7 */ IF_SET(0x1fff, 8, 0),
	/*  8 */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, NET(0)),
	/*  9 */ LOAD16_X(0),
	/* 10 */ IF_EQ(67, 1, 0),
	/* 11 */ IF_EQ(68, 0, 4),
	/* 12 */ LOAD16_X(2),
	/* 13 */ IF_EQ(67, 1, 0),
	/* 14 */ IF_EQ(68, 0, 1),
	/* 15 */ RETURN(TAKE),
	/* 16 */ RETURN(DROP),
	/* 17 */ IF_EQ(ETH_P_IPV6, 0, 21),
	/* 18 */ LOAD8(6),
	/* 19 */ IF_EQ(IPPROTO_UDP, 0, 5),
	/* 20 */ LOAD16(42),			/* to a client or to a server: no other port takes part */
	/* 21 */ IF_EQ(546, 2, 0),
	/* 22 */ IF_EQ(547, 1, 0),
	/* 23 */ RETURN(DROP),
	/* 24 */ RETURN(TAKE),
	/* 25 */ IF_EQ(IPPROTO_ICMPV6, 0, 2),
	/* 26 */ LOAD8(40),
	/* 27 */ BPF_STMT(BPF_JMP | BPF_JA, 7),
	/* 28 */ IF_EQ(IPPROTO_HOPOPTS, 0, 10),	/* stands before MLD */
	/* 29 */ LOAD8(40),
	/* 30 */ IF_EQ(IPPROTO_ICMPV6, 0, 8),
	/* 31 */ LOAD8(41),			/* its length: 8 bytes and this many times 8 */
	/* 32 */ BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 3),
	/* 33 */ BPF_STMT(BPF_MISC | BPF_TAX, 0),
	/* 34 */ LOAD8_X(48),
	/* 35 */ IF_EQ(143, 2, 0),		/* the types: MLDv2 report, */
	/* 36 */ IF_ABOVE(137, 2, 0),		/* and MLD query to redirect */
	/* 37 */ IF_ABOVE(129, 0, 1),
	/* 38 */ RETURN(TAKE),
	/* 39 */ RETURN(DROP),
};

struct sniff {
	int fd;
	uint64_t passed, lost;
	struct mmsghdr msgs[SNIFF_BATCH];
	struct iovec iov[SNIFF_BATCH];
	struct sockaddr_ll from[SNIFF_BATCH];
	union {
		char buf[CMSG_SPACE(sizeof(struct tpacket_auxdata)) + CMSG_SPACE(sizeof(struct timespec))];
		struct cmsghdr align;
	} control[SNIFF_BATCH];
	uint8_t data[SNIFF_BATCH][SNIFF_FRAME_MAX];
};

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_filter(int fd, unsigned int what)
{
	struct sock_filter filter[ARRAY_LEN(template)];
	struct sock_fprog prog = { ARRAY_LEN(filter), filter };

	memcpy(filter, template, sizeof(filter));
	if (!(what & SNIFF_ARP))
		filter[AT_ARP].k = DROP;
	if (!(what & SNIFF_DHCP4))
		filter[AT_DHCP4].k = DROP;
	if (!(what & SNIFF_DHCP6))
		filter[AT_DHCP6].k = DROP;
	if (!(what & SNIFF_ICMPV6))
		filter[AT_ICMPV6].k = DROP;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

int sniff_new(struct sniff **ret, uint32_t ifindex, unsigned int what, size_t buffer)
{
	const struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)ifindex,
	};
	_cleanup_(sniff_freep) struct sniff *s = NEW(struct sniff);
	int r;

	s->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	r = set_filter(s->fd, what);
	if (r == 0)
		r = set_int(s->fd, SOL_PACKET, PACKET_AUXDATA, 1);
	if (r == 0)
		r = set_int(s->fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	if (r == 0 && set_int(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, (int)buffer) < 0)
		r = set_int(s->fd, SOL_SOCKET, SO_RCVBUF, (int)buffer);
	if (r < 0)
		return r;
	if (bind(s->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	for (unsigned int i = 0; i < SNIFF_BATCH; i++) {
		s->iov[i] = (struct iovec){ s->data[i], SNIFF_FRAME_MAX };
		s->msgs[i].msg_hdr.msg_iov = &s->iov[i];
		s->msgs[i].msg_hdr.msg_iovlen = 1;
		s->msgs[i].msg_hdr.msg_name = &s->from[i];
		s->msgs[i].msg_hdr.msg_control = &s->control[i];
	}
	*ret = STEAL_PTR(s);
	return 0;
}

struct sniff *sniff_free(struct sniff *sniff)
{
	if (sniff && sniff->fd >= 0)
		(void)close(sniff->fd);
	free(sniff);
	return NULL;
}

int sniff_fd(const struct sniff *sniff)
{
	return sniff->fd;
}

static bool has_ethernet(uint16_t hatype)
{
	return hatype == ARPHRD_ETHER || hatype == ARPHRD_LOOPBACK;
}

static void frame_get(const struct sniff *s, unsigned int i, struct sniff_frame *ret)
{
	struct msghdr hdr = s->msgs[i].msg_hdr;
	const struct sockaddr_ll *from = &s->from[i];
	uint8_t pkttype = from->sll_pkttype;

	*ret = (struct sniff_frame){
		.data = rd_init(s->data[i], s->msgs[i].msg_len),
		.ifindex = (uint32_t)from->sll_ifindex,
		.type = has_ethernet(from->sll_hatype) ? 0 : ntohs(from->sll_protocol),
		.way = pkttype == PACKET_OUTGOING ? SNIFF_OUT : pkttype == PACKET_OTHERHOST ? SNIFF_PASSING : SNIFF_IN,
		.csum_ready = true,
		.cut = hdr.msg_flags & MSG_TRUNC,
	};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c)) {
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
			struct tpacket_auxdata aux;

			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
			ret->csum_ready = !(aux.tp_status & TP_STATUS_CSUMNOTREADY);
			if (aux.tp_status & TP_STATUS_VLAN_VALID)
				ret->vlan = aux.tp_vlan_tci & 0xfff;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec ts;

			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			ret->at_ns = (uint64_t)ts.tv_sec * MONO_S + (uint64_t)ts.tv_nsec;
		}
	}
}

int sniff_recv(struct sniff *sniff, struct sniff_frame frames[static SNIFF_BATCH])
{
	for (unsigned int i = 0; i < SNIFF_BATCH; i++) {
		sniff->msgs[i].msg_hdr.msg_namelen = sizeof(sniff->from[i]);
		sniff->msgs[i].msg_hdr.msg_controllen = sizeof(sniff->control[i]);
	}
	int n = recvmmsg(sniff->fd, sniff->msgs, SNIFF_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++)
		frame_get(sniff, (unsigned int)i, &frames[i]);
	return n;
}

void sniff_counts(struct sniff *sniff, uint64_t *ret_passed, uint64_t *ret_lost)
{
	struct tpacket_stats st;
	socklen_t len = sizeof(st);

	/* Asking sets the kernel's counters back to 0. Its packets include its drops. */
	if (getsockopt(sniff->fd, SOL_PACKET, PACKET_STATISTICS, &st, &len) == 0) {
		sniff->passed += st.tp_packets;
		sniff->lost += st.tp_drops;
	}
	*ret_passed = sniff->passed;
	*ret_lost = sniff->lost;
}

int sniff_join(struct sniff *sniff, uint32_t ifindex, const struct mac *mac)
{
	struct packet_mreq m = { .mr_ifindex = (int)ifindex, .mr_type = mac ? PACKET_MR_MULTICAST : PACKET_MR_PROMISC };

	if (mac) {
		m.mr_alen = sizeof(mac->b);
		memcpy(m.mr_address, mac->b, sizeof(mac->b));
	}
	return setsockopt(sniff->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)) < 0 ? -errno : 0;
}

int sniff_send(struct sniff *sniff, uint32_t ifindex, uint16_t type, const void *frame, size_t len)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(type), .sll_ifindex = (int)ifindex };

	if (type == 0 && len >= ETH_HLEN)
		memcpy(&to.sll_protocol, (const uint8_t *)frame + ETH_HLEN - 2, 2);
	return sendto(sniff->fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
}

int sniff_is_ethernet(const struct sniff *sniff, const char *ifname)
{
	struct ifreq ifr = { 0 };

	(void)str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), ifname);
	if (ioctl(sniff->fd, SIOCGIFHWADDR, &ifr) < 0)
		return -errno;
	return has_ethernet(ifr.ifr_hwaddr.sa_family);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * packet - packet sockets on a network's device
 *
 * Theory of operation. A socket is made with protocol 0, so that it gets
 * nothing before its filter is in place; bind() then names protocol and
 * device. Frames are read by recvmmsg() and written one by one: batching of
 * writes gains 5 % (measured), and write() to a packet socket works without an
 * address, which is all that the engine's system call filter lets through.
 */
#include "io/packet.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define RCVBUF (8 << 20)	/* ten thousand frames: a whole host's guests starting at once */
#define GUEST_RCVBUF (1 << 20)	/* one guest's; what it says beyond that is asked for again */

#define TAKE 0xffffu		/* return values of a filter: bytes of the frame to keep */
#define DROP 0u

/* Offsets in a frame. */
#define IP4 ETH_HLEN
#define IP6 ETH_HLEN
#define IP6_PAYLOAD (ETH_HLEN + 40)

#define LOAD8(at) BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (at))
#define LOAD16(at) BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (at))
#define LOAD8_X(at) BPF_STMT(BPF_LD | BPF_B | BPF_IND, (at))
#define LOAD16_X(at) BPF_STMT(BPF_LD | BPF_H | BPF_IND, (at))
#define IF_EQ(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define IF_SET(bits, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), (yes), (no))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))

/* Unicast to another MAC shows up while the bridge is promiscuous (tcpdump), and in foreign VLANs. */
#define NOT_FOR_OTHERS                                                        \
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)), \
		IF_EQ(PACKET_OTHERHOST, 0, 1), RETURN(DROP)

static struct sock_filter arp_filter[] = {
	NOT_FOR_OTHERS,
	RETURN(TAKE),
};

/*
 * Both families in one, as nothing but the whole device can be listened to without a price: a socket that is bound to one
 * protocol gets frames together with the kernel's own IP, which then copies each that it forwards. This one gets them
 * before. So nearly all that comes is of no interest: what is, is behind few comparisons.
 */
static struct sock_filter ip_filter[] = {
	NOT_FOR_OTHERS,
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG)),
	IF_SET(0xfff, 31, 0),		/* VID 0 is no VLAN */
	LOAD16(12),
	IF_EQ(ETH_P_IPV6, 9, 0),
	IF_EQ(ETH_P_IP, 0, 28),
	LOAD8(IP4 + 9),			/* protocol */
	IF_EQ(IPPROTO_UDP, 0, 26),
	LOAD16(IP4 + 6),		/* fragment offset; a first fragment is dropped by the parser */
	IF_SET(0x1fff, 24, 0),
	BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, IP4),
	LOAD16_X(IP4 + 2),		/* destination port */
	IF_EQ(67, 0, 21),
	RETURN(TAKE),
	LOAD8(IP6 + 6),			/* next header */
	IF_EQ(IPPROTO_ICMPV6, 0, 2),
	LOAD8(IP6_PAYLOAD),		/* ICMPv6 type */
	BPF_STMT(BPF_JMP | BPF_JA, 10),	/* to the types */
	IF_EQ(IPPROTO_UDP, 0, 2),
	LOAD16(IP6_PAYLOAD + 2),	/* destination port */
	IF_EQ(547, 14, 13),
	IF_EQ(IPPROTO_HOPOPTS, 0, 12),	/* stands before MLD */
	LOAD8(IP6_PAYLOAD),		/* what is behind it */
	IF_EQ(IPPROTO_ICMPV6, 0, 10),
	LOAD8(IP6_PAYLOAD + 1),		/* its length: 8 bytes and this many times 8 */
	BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 3),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	LOAD8_X(IP6_PAYLOAD + 8),
	IF_EQ(131, 6, 0),		/* the types: MLD report */
	IF_EQ(132, 5, 0),		/* MLD done */
	IF_EQ(133, 4, 0),		/* router solicitation */
	IF_EQ(135, 3, 0),		/* neighbour solicitation */
	IF_EQ(136, 2, 0),		/* neighbour advertisement */
	IF_EQ(143, 1, 0),		/* MLDv2 report */
	RETURN(DROP),
	RETURN(TAKE),
};

/* What a guest sends through its macvtap is outgoing there; what it gets isn't looked at. */
static struct sock_filter guest_filter[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
	IF_EQ(PACKET_OUTGOING, 0, 22),
	LOAD16(12),
	IF_EQ(ETH_P_IPV6, 4, 0),
	IF_EQ(ETH_P_ARP, 20, 0),
	IF_EQ(ETH_P_IP, 0, 18),
	LOAD8(IP4 + 9),			/* protocol */
	IF_EQ(IPPROTO_IGMP, 17, 16),
	LOAD8(IP6 + 6),			/* next header */
	IF_EQ(IPPROTO_ICMPV6, 0, 2),
	LOAD8(IP6_PAYLOAD),		/* ICMPv6 type */
	BPF_STMT(BPF_JMP | BPF_JA, 7),	/* to the types */
	IF_EQ(IPPROTO_HOPOPTS, 0, 11),	/* stands before MLD */
	LOAD8(IP6_PAYLOAD),		/* what is behind it */
	IF_EQ(IPPROTO_ICMPV6, 0, 9),
	LOAD8(IP6_PAYLOAD + 1),		/* its length: 8 bytes and this many times 8 */
	BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 3),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	LOAD8_X(IP6_PAYLOAD + 8),
	IF_EQ(131, 5, 0),		/* the types: MLD report */
	IF_EQ(132, 4, 0),		/* MLD done */
	IF_EQ(135, 3, 0),		/* neighbour solicitation */
	IF_EQ(136, 2, 0),		/* neighbour advertisement */
	IF_EQ(143, 1, 0),		/* MLDv2 report */
	RETURN(DROP),
	RETURN(TAKE),
};

static const struct {
	uint16_t protocol;
	struct sock_fprog filter;
} kinds[PACKET_KIND_N_] = {
	[PACKET_KIND_ARP] = { ETH_P_ARP, { ARRAY_LEN(arp_filter), arp_filter } },
	[PACKET_KIND_IP] = { ETH_P_ALL, { ARRAY_LEN(ip_filter), ip_filter } },
};

struct packet_batch {
	struct mmsghdr msgs[PACKET_BATCH];
	struct iovec iov[PACKET_BATCH];
	union {
		char buf[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} control[PACKET_BATCH];
	uint8_t data[PACKET_BATCH][PACKET_MAX];
};

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int open_filtered(uint32_t ifindex, uint16_t protocol, const struct sock_fprog *filter, bool outgoing, int rcvbuf,
			 int *ret_fd)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = (int)ifindex,
	};
	_cleanup_(closep) int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int r = set_int(fd, SOL_PACKET, PACKET_AUXDATA, 1);
	if (r == 0 && !outgoing)
		r = set_int(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	if (r == 0 && set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, rcvbuf) < 0)
		r = set_int(fd, SOL_SOCKET, SO_RCVBUF, rcvbuf);
	if (r < 0)
		return r;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, filter, sizeof(*filter)) < 0)
		return -errno;
	r = set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
	if (r < 0)
		return r;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	*ret_fd = STEAL_FD(fd);
	return 0;
}

int packet_open(uint32_t ifindex, unsigned int kind, int *ret_fd)
{
	assert(kind < PACKET_KIND_N_);
	return open_filtered(ifindex, kinds[kind].protocol, &kinds[kind].filter, false, RCVBUF, ret_fd);
}

int packet_open_guest(uint32_t ifindex, uint32_t mark, bool hears, int *ret_fd)
{
	const struct sock_fprog filter = { ARRAY_LEN(guest_filter), guest_filter };

	_cleanup_(closep) int fd = -1;
	int r = open_filtered(ifindex, hears ? ETH_P_ALL : 0, &filter, true, GUEST_RCVBUF, &fd);

	if (r == 0)
		r = set_int(fd, SOL_SOCKET, SO_MARK, (int)mark);
	if (r < 0)
		return r;
	*ret_fd = STEAL_FD(fd);
	return 0;
}

int packet_batch_new(struct packet_batch **ret)
{
	struct packet_batch *b = NEW(struct packet_batch);

	for (unsigned int i = 0; i < PACKET_BATCH; i++) {
		b->iov[i] = (struct iovec){ b->data[i], PACKET_MAX };
		b->msgs[i].msg_hdr.msg_iov = &b->iov[i];
		b->msgs[i].msg_hdr.msg_iovlen = 1;
		b->msgs[i].msg_hdr.msg_control = &b->control[i];
	}
	*ret = b;
	return 0;
}

struct packet_batch *packet_batch_free(struct packet_batch *batch)
{
	free(batch);
	return NULL;
}

int packet_recv(struct packet_batch *batch, int fd, unsigned int max)
{
	if (max > PACKET_BATCH)
		max = PACKET_BATCH;
	for (unsigned int i = 0; i < max; i++)
		batch->msgs[i].msg_hdr.msg_controllen = sizeof(batch->control[i]);

	int n = recvmmsg(fd, batch->msgs, max, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return n;
}

unsigned int packet_lost(int fd)
{
	struct tpacket_stats stats = { 0 };
	socklen_t len = sizeof(stats);

	return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) < 0 ? 0 : stats.tp_drops;
}

struct packet packet_get(const struct packet_batch *batch, unsigned int i)
{
	const struct mmsghdr *m = &batch->msgs[i];
	struct msghdr hdr = m->msg_hdr;
	struct packet packet = {
		.frame = rd_init(batch->data[i], m->msg_len),
		.csum_ready = true,
		.cut = m->msg_hdr.msg_flags & MSG_TRUNC,
	};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		packet.csum_ready = !(aux.tp_status & TP_STATUS_CSUMNOTREADY);
	}
	return packet;
}

int packet_send(int fd, const void *frame, size_t len)
{
	ssize_t n = write(fd, frame, len);

	return n < 0 ? -errno : 0;
}

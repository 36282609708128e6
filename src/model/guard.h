/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard - what the guards in the kernel and user space say to each other
 *
 * Layouts of the maps of guard.bpf.c. Only fixed-size integers, host byte order
 * unless said; no padding that isn't named.
 */
#pragma once
#include <linux/types.h>

#define GUARD_MARK_INWARD 0x73697874u	/* of frames that are for a macvtap's own guest; in plan/schema.c, too */
#define GUARD_PORTS_MAX 8192
#define GUARD_OWNERS_MAX 262144
#define GUARD_CLAIMS_MAX 65536

#define GUARD_CLAIM_NS 3000000000ULL	/* how long a claim holds unless main confirms it: DAD and the way to main take less */
#define GUARD_DAD_NS 1200000000ull	/* RFC 4862 5.4: DupAddrDetectTransmits 1, RetransTimer 1 s; and a little */
#define GUARD_ACD_NS 2200000000ull	/* RFC 5227 1.1: PROBE_MAX and ANNOUNCE_WAIT, 2 s each; and a little */
#define GUARD_WINDOW_NS 1000000000ULL	/* of a meter */

/* What each port may send in a second; the rest is dropped. nft's fallback has the same figures. */
#define GUARD_ND_MAX 200
#define GUARD_MLD_MAX 100
#define GUARD_ARP_MAX 200
#define GUARD_DHCP_MAX 50

/* What is heard on macvtaps: in the ring, and by one guest in a window. The engine may be busy for a while. */
#define GUARD_HEARD_BYTES (512u << 10)
#define GUARD_HEARD_SHARE (128u << 10)
#define GUARD_FRAME_SMALL 160u	/* bytes of a frame in either size of record */
#define GUARD_FRAME_MAX 2048u

enum guard_meter {
	GUARD_METER_ND,
	GUARD_METER_MLD,
	GUARD_METER_ARP,
	GUARD_METER_DHCP,
	GUARD_METER_N_,
};

/* A port. Key: its interface index. */
struct guard_port {
	__u32 net;		/* network_group() */
	__u32 unused;
	__u64 mac;		/* guard_mac(); 0: the first source seen is taken */
};

/* How much a port has sent; apart, so that a change of the port doesn't start it anew. Key: interface index. */
struct guard_meters {
	struct {
		__u64 since;	/* ns, monotonic */
		__u64 n;
	} of[GUARD_METER_N_];
};

/* An address on a network; IPv4 as ::ffff:a.b.c.d. Its value: guard_mac() of who may speak for it. */
struct guard_address {
	__u32 net;
	__u8 ip[16];
};

/* First come, first served: who spoke for an address that had no owner. Key: struct guard_address. */
struct guard_claim {
	__u64 mac;
	__u64 since;		/* ns, monotonic */
	__u64 probed;		/* when it probed for the address last (DAD); 0: it has spoken from it since */
};

/* A record of the ring: a frame that a guest sent by its macvtap. */
struct guard_heard {
	__u32 ifindex;
	__u16 len;
	__u16 lost;		/* 1: it said more, before this or behind it */
	__u8 frame[];		/* GUARD_FRAME_SMALL or GUARD_FRAME_MAX bytes, of which len count */
};

/* How much was heard of a macvtap. Key: interface index. */
struct guard_ear {
	__u64 since;		/* ns, monotonic */
	__u32 n;		/* bytes of records */
	__u32 lost;
};

/* The six bytes as they stand in the frame, in the low bytes of a little-endian number, the rest zero. */
static inline __u64 guard_mac(const __u8 *b)
{
	return (__u64)b[0] | (__u64)b[1] << 8 | (__u64)b[2] << 16 | (__u64)b[3] << 24 | (__u64)b[4] << 32 |
	       (__u64)b[5] << 40;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_bridge - what bridges know: MACs, multicast groups, VLANs
 */
#include "diag/snap_read.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#define NTF_EXT_LOCKED_ (1 << 1)	/* 6.2 */
#define NDA_FLAGS_EXT_ 15
#define MDBA_ROUTER_PATTR_INET6_TIMER_ 4	/* 5.14 */

static int on_fdb(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[NDA_FLAGS_EXT_ + 1] = { [NDA_MASTER] = 4, [NDA_VLAN] = 2, [NDA_FLAGS_EXT_] = 4 };
	const struct nlattr *tb[NDA_FLAGS_EXT_ + 1];
	struct snapshot *s = user;
	struct ndmsg ndm;

	if (!nl_parse_msg(nlh, sizeof(ndm), tb, NDA_FLAGS_EXT_, policy) || !tb[NDA_LLADDR] ||
	    nl_len(tb[NDA_LLADDR]) != sizeof(struct mac))
		return 0;
	memcpy(&ndm, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(ndm));
	if (ndm.ndm_family != AF_BRIDGE)
		return 0;
	struct mac mac = snap_mac(tb[NDA_LLADDR]);
	if (mac_is_multicast(&mac))
		return 0;	/* a device's own list: that is in mcasts */
	uint32_t port = (uint32_t)ndm.ndm_ifindex, bridge = nl_u32(tb[NDA_MASTER]);
	const struct snap_link *link = snap_link(s, port);
	if (bridge == 0 && link && strcmp(link->kind, "bridge") == 0)
		bridge = port;
	*SNAP_ADD(s, fdb) = (struct snap_fdb){
		.port = port,
		.bridge = bridge,
		.mac = mac,
		.vlan = nl_u16(tb[NDA_VLAN]),
		.state = ndm.ndm_state,
		.flags = ndm.ndm_flags,
		.locked = nl_u32(tb[NDA_FLAGS_EXT_]) & NTF_EXT_LOCKED_,
	};
	return 0;
}

/* ------------------------------------------------------------------- multicast */

struct mdb {
	struct snapshot *s;
	uint32_t bridge;
};

static void parse_entry(const struct mdb *d, const struct nlattr *info)
{
	struct br_mdb_entry e;
	uint32_t timer = 0;

	/* A struct, and attributes behind it. */
	if (nl_len(info) < sizeof(e))
		return;
	memcpy(&e, nl_data(info), sizeof(e));
	if (nl_len(info) > NLA_ALIGN(sizeof(e))) {
		static const uint16_t policy[MDBA_MDB_EATTR_MAX + 1] = { [MDBA_MDB_EATTR_TIMER] = 4 };
		const struct nlattr *tb[MDBA_MDB_EATTR_MAX + 1];

		nl_parse((const uint8_t *)nl_data(info) + NLA_ALIGN(sizeof(e)), nl_len(info) - NLA_ALIGN(sizeof(e)), tb,
			 MDBA_MDB_EATTR_MAX, policy);
		timer = nl_u32(tb[MDBA_MDB_EATTR_TIMER]);
	}
	struct snap_mdb *m = SNAP_ADD(d->s, mdb);
	*m = (struct snap_mdb){
		.bridge = d->bridge,
		.port = e.ifindex,
		.vlan = e.vid,
		.permanent = e.state == MDB_PERMANENT,
		.flags = e.flags,
		.timer = timer,
	};
	if (e.addr.proto == htons(0x0800)) {
		m->group.family = AF_INET;
		memcpy(m->group.b, &e.addr.u.ip4, 4);
	} else if (e.addr.proto == htons(0x86dd)) {
		m->group = ip6(e.addr.u.ip6);
	} else {
		memcpy(&m->mac, e.addr.u.mac_addr, sizeof(m->mac));
	}
}

/* Visit every attribute of one type in a nest. */
#define EACH(nest, wanted, a)                                                                                   \
	for (const void *at_##a = (nest) ? nl_data(nest) : NULL, *once_##a = &at_##a; once_##a; once_##a = NULL) \
		for (size_t left_##a = (nest) ? nl_len(nest) : 0; ((a) = nl_next(&at_##a, &left_##a));)          \
			if (nl_type(a) == (wanted))

static void parse_router(const struct mdb *d, const struct nlattr *port)
{
	static const uint16_t policy[MDBA_ROUTER_PATTR_INET6_TIMER_ + 1] = {
		[MDBA_ROUTER_PATTR_TIMER] = 4,
		[MDBA_ROUTER_PATTR_TYPE] = 1,
		[3] = 4,
		[MDBA_ROUTER_PATTR_INET6_TIMER_] = 4,
	};
	const struct nlattr *tb[MDBA_ROUTER_PATTR_INET6_TIMER_ + 1];
	uint32_t ifindex;

	if (nl_len(port) < 4)
		return;
	memcpy(&ifindex, nl_data(port), 4);
	nl_parse((const uint8_t *)nl_data(port) + 4, nl_len(port) - 4, tb, MDBA_ROUTER_PATTR_INET6_TIMER_, policy);
	*SNAP_ADD(d->s, mdb_routers) = (struct snap_mdb_router){
		.bridge = d->bridge,
		.port = ifindex,
		.type = nl_u8(tb[MDBA_ROUTER_PATTR_TYPE]),
		.timer4 = tb[3] ? nl_u32(tb[3]) : nl_u32(tb[MDBA_ROUTER_PATTR_TIMER]),
		.timer6 = nl_u32(tb[MDBA_ROUTER_PATTR_INET6_TIMER_]),
	};
}

static int on_mdb(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[MDBA_MAX + 1];
	const struct nlattr *tb[MDBA_MAX + 1], *entry, *info, *port;
	struct mdb d = { .s = user };
	struct br_port_msg bpm;

	if (!nl_parse_msg(nlh, sizeof(bpm), tb, MDBA_MAX, policy))
		return 0;
	memcpy(&bpm, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(bpm));
	d.bridge = bpm.ifindex;
	EACH(tb[MDBA_MDB], MDBA_MDB_ENTRY, entry)
		EACH(entry, MDBA_MDB_ENTRY_INFO, info)
			parse_entry(&d, info);
	EACH(tb[MDBA_ROUTER], MDBA_ROUTER_PORT, port)
		parse_router(&d, port);
	return 0;
}

/* ----------------------------------------------------------------------- VLANs */

static int on_vlan(void *user, const struct nlmsghdr *nlh)
{
	static const uint16_t policy[IFLA_MAX + 1];
	const struct nlattr *tb[IFLA_MAX + 1], *a;
	struct snapshot *s = user;
	struct ifinfomsg ifi;
	uint16_t begin = 0;

	if (!nl_parse_msg(nlh, sizeof(ifi), tb, IFLA_MAX, policy))
		return 0;
	memcpy(&ifi, (const uint8_t *)nlh + NLMSG_HDRLEN, sizeof(ifi));
	EACH(tb[IFLA_AF_SPEC], IFLA_BRIDGE_VLAN_INFO, a) {
		struct bridge_vlan_info v;

		if (nl_len(a) < sizeof(v))
			continue;
		memcpy(&v, nl_data(a), sizeof(v));
		if (v.flags & BRIDGE_VLAN_INFO_RANGE_BEGIN) {
			begin = v.vid;
			continue;
		}
		*SNAP_ADD(s, vlans) = (struct snap_vlan){
			.ifindex = (uint32_t)ifi.ifi_index,
			.vid = v.flags & BRIDGE_VLAN_INFO_RANGE_END && begin ? begin : v.vid,
			.vid_end = v.vid,
			.flags = v.flags & (uint16_t)~(BRIDGE_VLAN_INFO_RANGE_BEGIN | BRIDGE_VLAN_INFO_RANGE_END),
		};
	}
	return 0;
}

void snap_read_bridges(struct snap_reader *r)
{
	const struct ndmsg ndm = { .ndm_family = AF_BRIDGE };
	const struct br_port_msg bpm = { .family = AF_BRIDGE };
	const struct ifinfomsg ifi = { .ifi_family = AF_BRIDGE };
	struct snapshot *s = r->s;
	bool any = false;

	nlb_reset(&r->b);
	nlb_msg(&r->b, RTM_GETNEIGH, NLM_F_DUMP, &ndm, sizeof(ndm));
	if (snap_dump(r, &r->rt, on_fdb, s, &s->n_fdb, NULL) < 0)
		snapshot_add_unread(s, "fdb", "", "%s", r->why);
	for (size_t i = 0; i < s->n_links; i++)
		any |= strcmp(s->links[i].kind, "bridge") == 0;
	if (!any)
		return;	/* without the module the kernel doesn't know the questions */
	nlb_reset(&r->b);
	nlb_msg(&r->b, RTM_GETMDB, NLM_F_DUMP, &bpm, sizeof(bpm));
	if (snap_dump(r, &r->rt, on_mdb, s, &s->n_mdb, &s->n_mdb_routers) < 0)
		snapshot_add_unread(s, SNAP_PART_MDB, "", "%s", r->why);
	nlb_reset(&r->b);
	nlb_msg(&r->b, RTM_GETLINK, NLM_F_DUMP, &ifi, sizeof(ifi));
	nlb_u32(&r->b, IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED);
	if (snap_dump(r, &r->rt, on_vlan, s, &s->n_vlans, NULL) < 0)
		snapshot_add_unread(s, "vlans", "", "%s", r->why);
}

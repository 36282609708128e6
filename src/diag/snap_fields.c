/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_fields - what the structs of a snapshot are made of
 *
 * In the order of snapshot.h. The type of a member is found by the compiler; the
 * name in JSON is that of the member.
 */
#include "diag/snap_fields.h"

#include "base/mem.h"
#include "diag/snapshot.h"

#define TYPE(m)                             \
	_Generic(((T *)0)->m,               \
		bool: SNAP_BOOL,            \
		uint8_t: SNAP_U8,           \
		uint16_t: SNAP_U16,         \
		uint32_t: SNAP_U32,         \
		uint64_t: SNAP_U64,         \
		int8_t: SNAP_I8,            \
		int32_t: SNAP_I32,          \
		int64_t: SNAP_I64,          \
		const char *: SNAP_STR,     \
		struct mac: SNAP_MAC,       \
		struct ip: SNAP_IP,         \
		struct prefix: SNAP_PREFIX, \
		struct snap_bytes: SNAP_BYTES)

#define F(m) { .name = #m, .type = TYPE(m), .offset = offsetof(T, m) }
#define NEST(m, s) { .name = #m, .type = SNAP_STRUCT, .offset = offsetof(T, m), .of = &(s) }
#define OCTETS(m) { .name = #m, .type = SNAP_OCTETS, .offset = offsetof(T, m) }
#define LIST(m, e, s) \
	{ .name = #m, .type = SNAP_ARRAY, .elem = (e), .offset = offsetof(T, m), .count = offsetof(T, n_##m), .of = (s) }
#define ARRAY(m, s) LIST(m, SNAP_STRUCT, &(s))
#define MACS(m) LIST(m, SNAP_MAC, NULL)
#define STRUCT(n, t) const struct snap_struct snap_struct_##n = { sizeof(t), n##_fields, ARRAY_LEN(n##_fields) };

#define T struct snap_unread
static const struct snap_field unread_fields[] = {
	F(part), F(subject), F(why),
};
#undef T
static STRUCT(unread, struct snap_unread)

#define CONF_FIELD(name, index) F(name),
#define T struct snap_conf4
static const struct snap_field conf4_fields[] = { F(present), SNAP_CONF4(CONF_FIELD) };
#undef T
STRUCT(conf4, struct snap_conf4)

#define T struct snap_conf6
static const struct snap_field conf6_fields[] = { F(present), SNAP_CONF6(CONF_FIELD) };
#undef T
STRUCT(conf6, struct snap_conf6)

#define T struct snap_stats
static const struct snap_field stats_fields[] = {
	F(rx_packets), F(tx_packets), F(rx_bytes), F(tx_bytes), F(rx_errors), F(tx_errors), F(rx_dropped),
	F(tx_dropped), F(multicast), F(rx_nohandler),
};
#undef T
static STRUCT(stats, struct snap_stats)

#define T struct snap_bridge
static const struct snap_field bridge_fields[] = {
	F(stp), F(vlan_filtering), F(mcast_snooping), F(mcast_querier), F(nf_call_iptables),
	F(nf_call_ip6tables), F(nf_call_arptables), F(forward_delay), F(ageing_time), F(default_pvid),
	F(mcast_router), F(group_fwd_mask), F(querier4), F(querier6), F(querier4_port), F(querier6_port),
	F(querier4_other_ms), F(querier6_other_ms),
};
#undef T
static STRUCT(bridge, struct snap_bridge)

#define T struct snap_port
static const struct snap_field port_fields[] = {
	F(state), F(hairpin), F(guard), F(fast_leave), F(learning), F(flood), F(mcast_flood), F(bcast_flood),
	F(neigh_suppress), F(isolated), F(locked), F(proxyarp), F(proxyarp_wifi), F(vlan_tunnel),
	F(mcast_to_unicast), F(mcast_router),
};
#undef T
static STRUCT(port, struct snap_port)

#define T struct snap_macvlan
static const struct snap_field macvlan_fields[] = {
	F(mode), F(flags), F(bc_queue_len), F(bc_queue_len_used), MACS(sources),
};
#undef T
static STRUCT(macvlan, struct snap_macvlan)

#define T struct snap_tun
static const struct snap_field tun_fields[] = {
	F(tap), F(persist), F(vnet_hdr), F(multi_queue), F(owner), F(group), F(queues),
};
#undef T
static STRUCT(tun, struct snap_tun)

#define T struct snap_link
static const struct snap_field link_fields[] = {
	F(ifindex), F(name), F(kind), F(slave_kind), F(alias), F(altnames), F(type), F(mac), F(perm_mac),
	F(mac_assign), F(mtu), F(min_mtu), F(max_mtu), F(flags), F(operstate), F(carrier),
	F(carrier_changes), F(promiscuity), F(allmulti), F(master), F(lower), F(lower_elsewhere), F(group),
	F(vlan_id), F(wireless), F(four_address), NEST(stats, snap_struct_stats),
	NEST(bridge, snap_struct_bridge), NEST(port, snap_struct_port), NEST(macvlan, snap_struct_macvlan),
	NEST(tun, snap_struct_tun), NEST(conf4, snap_struct_conf4), NEST(conf6, snap_struct_conf6),
	F(inet6_flags), F(token), F(ra_mtu), F(xdp_prog),
};
#undef T
static STRUCT(link, struct snap_link)

#define T struct snap_addr
static const struct snap_field addr_fields[] = {
	F(ifindex), F(prefix), F(peer), F(flags), F(valid_s), F(preferred_s), F(age_ms), F(scope), F(proto),
	F(label),
};
#undef T
static STRUCT(addr, struct snap_addr)

#define T struct snap_route
static const struct snap_field route_fields[] = {
	F(dst), F(src), F(table), F(metric), F(protocol), F(type), F(scope), F(preference), F(flags),
	F(gateway), F(source), F(oif), F(expires_s), F(mtu), F(nh_id), F(nexthop), F(n_nexthops), F(weight),
};
#undef T
static STRUCT(route, struct snap_route)

#define T struct snap_rule
static const struct snap_field rule_fields[] = {
	F(family), F(priority), F(action), F(invert), F(table), F(target), F(src), F(dst), F(iif), F(oif),
	F(mark), F(mask), F(tos), F(ip_proto), F(protocol), F(l3mdev), F(suppress_prefixlen), F(sport_first),
	F(sport_last), F(dport_first), F(dport_last), F(has_uid), F(uid_first), F(uid_last),
};
#undef T
static STRUCT(rule, struct snap_rule)

#define T struct snap_neigh
static const struct snap_field neigh_fields[] = {
	F(ifindex), F(ip), F(mac), F(state), F(flags), F(protocol),
};
#undef T
static STRUCT(neigh, struct snap_neigh)

#define T struct snap_proxy
static const struct snap_field proxy_fields[] = {
	F(ifindex), F(ip), F(protocol),
};
#undef T
static STRUCT(proxy, struct snap_proxy)

#define T struct snap_neigh_table
static const struct snap_field neigh_table_fields[] = {
	F(family), F(ifindex), F(entries), F(gc_thresh1), F(gc_thresh2), F(gc_thresh3), F(table_fulls),
	F(proxy_delay_ms), F(anycast_delay_ms), F(retrans_ms), F(base_reachable_ms), F(delay_probe_ms),
	F(proxy_qlen), F(ucast_probes), F(mcast_probes), F(app_probes),
};
#undef T
static STRUCT(neigh_table, struct snap_neigh_table)

#define T struct snap_fdb
static const struct snap_field fdb_fields[] = {
	F(port), F(bridge), F(mac), F(vlan), F(state), F(flags), F(locked),
};
#undef T
static STRUCT(fdb, struct snap_fdb)

#define T struct snap_mdb
static const struct snap_field mdb_fields[] = {
	F(bridge), F(port), F(group), F(mac), F(vlan), F(permanent), F(flags), F(timer),
};
#undef T
static STRUCT(mdb, struct snap_mdb)

#define T struct snap_mdb_router
static const struct snap_field mdb_router_fields[] = {
	F(bridge), F(port), F(type), F(timer4), F(timer6),
};
#undef T
static STRUCT(mdb_router, struct snap_mdb_router)

#define T struct snap_vlan
static const struct snap_field vlan_fields[] = {
	F(ifindex), F(vid), F(vid_end), F(flags),
};
#undef T
static STRUCT(vlan, struct snap_vlan)

#define T struct snap_mcast
static const struct snap_field mcast_fields[] = {
	F(ifindex), F(mac), F(users), F(global),
};
#undef T
static STRUCT(mcast, struct snap_mcast)

#define T struct snap_group
static const struct snap_field group_fields[] = {
	F(ifindex), F(ip), F(users),
};
#undef T
static STRUCT(group, struct snap_group)

#define T struct snap_sysctl
static const struct snap_field sysctl_fields[] = {
	F(path), F(value),
};
#undef T
static STRUCT(sysctl, struct snap_sysctl)

#define T struct snap_counter
static const struct snap_field counter_fields[] = {
	F(ifindex), F(name), F(value),
};
#undef T
static STRUCT(counter, struct snap_counter)

#define T struct snap_sysctl_line
static const struct snap_field sysctl_line_fields[] = {
	F(path), F(value), F(file), F(line), F(excluded), F(by),
};
#undef T
static STRUCT(sysctl_line, struct snap_sysctl_line)

#define T struct snap_manager
static const struct snap_field manager_fields[] = {
	F(ifindex), F(manager), F(state), F(file), F(source), F(manages), F(handles_ra), F(accepts_ra),
	F(ra_setting), F(ra_line), F(dhcp4), F(dhcp6),
};
#undef T
static STRUCT(manager, struct snap_manager)

#define T struct snap_program
static const struct snap_field program_fields[] = {
	F(name), F(running), F(enabled), F(pid), F(started), F(evidence),
};
#undef T
static STRUCT(program, struct snap_program)

#define T struct snap_text
static const struct snap_field text_fields[] = {
	F(path), F(text),
};
#undef T
static STRUCT(text, struct snap_text)

#define T struct snap_listener
static const struct snap_field listener_fields[] = {
	F(proto), F(ip), F(v6only), F(port), F(ifindex), F(pid), F(comm),
};
#undef T
static STRUCT(listener, struct snap_listener)

#define T struct snap_tap_node
static const struct snap_field tap_node_fields[] = {
	F(ifindex), F(major), F(minor), F(present), F(node_major), F(node_minor), F(mode), F(uid), F(gid),
};
#undef T
static STRUCT(tap_node, struct snap_tap_node)

#define T struct snap_expr
static const struct snap_field expr_fields[] = {
	F(name), F(dreg), F(sreg), F(sreg2), F(sreg3), F(sreg4), F(key), F(base), F(offset), F(len), F(op),
	F(flags), F(modulus), F(seed), F(add), F(family), F(data), F(data2), F(set), F(has_verdict),
	F(verdict), F(chain),
};
#undef T
static STRUCT(expr, struct snap_expr)

#define T struct snap_nft_rule
static const struct snap_field nft_rule_fields[] = {
	F(handle), F(packets), F(bytes), F(has_counter), F(comment), F(text), ARRAY(exprs, snap_struct_expr),
};
#undef T
static STRUCT(nft_rule, struct snap_nft_rule)

#define T struct snap_chain
static const struct snap_field chain_fields[] = {
	F(name), F(handle), F(base), F(hook), F(priority), F(type), F(policy), F(devices),
	ARRAY(rules, snap_struct_nft_rule),
};
#undef T
static STRUCT(chain, struct snap_chain)

#define T struct snap_elem
static const struct snap_field elem_fields[] = {
	F(key), F(key_end), F(data), F(has_verdict), F(verdict), F(chain), F(catchall),
};
#undef T
static STRUCT(elem, struct snap_elem)

#define T struct snap_set
static const struct snap_field set_fields[] = {
	F(name), F(flags), F(key_type), F(key_len), F(data_type), F(data_len), OCTETS(fields), F(n_fields),
	F(complete), ARRAY(elems, snap_struct_elem),
};
#undef T
static STRUCT(set, struct snap_set)

#define T struct snap_table
static const struct snap_field table_fields[] = {
	F(family), F(name), F(flags), F(owner), ARRAY(chains, snap_struct_chain),
	ARRAY(sets, snap_struct_set),
};
#undef T
static STRUCT(table, struct snap_table)

#define T struct snap_legacy
static const struct snap_field legacy_fields[] = {
	F(family), F(name), F(entries), F(empty), F(info), F(block),
};
#undef T
static STRUCT(legacy, struct snap_legacy)

#define T struct snap_guest
static const struct snap_field guest_fields[] = {
	F(name), F(by), F(network), F(guest), F(uuid), F(running), F(declared), F(pid), F(qmp),
};
#undef T
static STRUCT(guest, struct snap_guest)

#define T struct snap_nic
static const struct snap_field nic_fields[] = {
	F(guest), F(kind), F(device), F(ifindex), F(mac), F(model), F(source), F(mode), F(live), F(trust_rx),
	F(rx_known), F(rx_promiscuous), F(rx_multicast), F(rx_overflow), F(rx_main), MACS(rx_groups),
};
#undef T
static STRUCT(nic, struct snap_nic)

#define T struct snap_guest_addr
static const struct snap_field guest_addr_fields[] = {
	F(guest), F(ip), F(mac), F(source), F(ifindex),
};
#undef T
static STRUCT(guest_addr, struct snap_guest_addr)

#define T struct snap_network
static const struct snap_field network_fields[] = {
	F(name), F(mode), F(state), F(because), F(declared), F(adopted), F(adopts), F(device), F(ifindex),
	F(uplink), F(uplink_ifindex), F(ipv4), F(ipv6), F(ipv6_source), F(nat4), F(nat6), F(dhcp4), F(dhcp6),
	F(ra), F(dns), F(host_access), F(multicast), F(firewall),
};
#undef T
static STRUCT(network, struct snap_network)

#define T struct snap_forward
static const struct snap_field forward_fields[] = {
	F(network), F(guest), F(spec), F(state), F(host), F(proto), F(host_first), F(host_last),
	F(guest_first), F(guest_last),
};
#undef T
static STRUCT(forward, struct snap_forward)

#define T struct snap_lease
static const struct snap_field lease_fields[] = {
	F(network), F(guest), F(mac), F(ip), F(expires),
};
#undef T
static STRUCT(lease, struct snap_lease)

#define T struct snap_libvirt_net
static const struct snap_field libvirt_net_fields[] = {
	F(name), F(bridge), F(mode), F(active), F(persistent), F(autostart), F(live_xml), F(stored_xml),
};
#undef T
static STRUCT(libvirt_net, struct snap_libvirt_net)

#define T struct snap_hook
static const struct snap_field hook_fields[] = {
	F(name), F(path), F(present), F(ours), F(changed),
};
#undef T
static STRUCT(hook, struct snap_hook)

#define T struct snap_change
static const struct snap_field change_fields[] = {
	F(object), F(action), F(what), F(why),
};
#undef T
static STRUCT(change, struct snap_change)

#define T struct snap_answer
static const struct snap_field answer_fields[] = {
	F(from), F(mac), F(after_us), F(lifetime), F(managed),
};
#undef T
static STRUCT(answer, struct snap_answer)

#define T struct snap_probe
static const struct snap_field probe_fields[] = {
	F(kind), F(ifindex), F(target), F(why), F(value), F(small_came), F(too_big), ARRAY(answers, snap_struct_answer),
	MACS(groups),
};
#undef T
static STRUCT(probe, struct snap_probe)

#define T struct snapshot
static const struct snap_field snapshot_fields[] = {
	F(version), F(program), F(taken), F(took_us), F(host), F(kernel), F(root), F(initial_netns),
	F(conntrack), F(br_netfilter), ARRAY(unread, snap_struct_unread), ARRAY(links, snap_struct_link),
	NEST(conf4_all, snap_struct_conf4), NEST(conf4_default, snap_struct_conf4),
	NEST(conf6_all, snap_struct_conf6), NEST(conf6_default, snap_struct_conf6),
	ARRAY(addrs, snap_struct_addr), ARRAY(routes, snap_struct_route), ARRAY(rules, snap_struct_rule),
	ARRAY(neighs, snap_struct_neigh), ARRAY(proxies, snap_struct_proxy),
	ARRAY(neigh_tables, snap_struct_neigh_table), ARRAY(fdb, snap_struct_fdb),
	ARRAY(mdb, snap_struct_mdb), ARRAY(mdb_routers, snap_struct_mdb_router),
	ARRAY(vlans, snap_struct_vlan), ARRAY(mcasts, snap_struct_mcast), ARRAY(groups, snap_struct_group),
	ARRAY(anycasts, snap_struct_group), ARRAY(sysctls, snap_struct_sysctl),
	ARRAY(counters, snap_struct_counter), ARRAY(sysctl_lines, snap_struct_sysctl_line),
	ARRAY(managers, snap_struct_manager), ARRAY(programs, snap_struct_program),
	ARRAY(texts, snap_struct_text), ARRAY(listeners, snap_struct_listener),
	ARRAY(tap_nodes, snap_struct_tap_node), ARRAY(tables, snap_struct_table),
	ARRAY(legacy, snap_struct_legacy), ARRAY(guests, snap_struct_guest), ARRAY(nics, snap_struct_nic),
	ARRAY(guest_addrs, snap_struct_guest_addr), ARRAY(networks, snap_struct_network),
	ARRAY(forwards, snap_struct_forward), ARRAY(leases, snap_struct_lease),
	ARRAY(libvirt_nets, snap_struct_libvirt_net), ARRAY(hooks, snap_struct_hook),
	ARRAY(changes, snap_struct_change), ARRAY(probes, snap_struct_probe),
};
#undef T
STRUCT(snapshot, struct snapshot)

size_t snap_field_elem_size(const struct snap_field *f)
{
	return f->of ? f->of->size : sizeof(struct mac);
}

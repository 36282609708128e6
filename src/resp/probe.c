/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe - ask who uses an address before it is offered
 */
#include "resp/probe.h"

#include "net/arp.h"
#include "net/eth.h"
#include "net/ndp.h"

#define WINDOW (200 * MONO_MS)
#define QUIET (60 * MONO_S)
#define BATCH 32u
#define FRAMES_LEFT 16u		/* of struct out, for replies */

void probe_init(struct probe *probe)
{
	*probe = (struct probe){ .target = PROBE_TARGET_MIN };
}

void probe_taken(struct probe *probe, mono_t now)
{
	if (now - probe->window > WINDOW) {
		probe->window = now;
		probe->n_taken = 0;
	}
	if (++probe->n_taken < probe->target)
		return;
	probe->window = now;
	probe->n_taken = 0;
	probe->grown = now;
	if (probe->target < PROBE_TARGET_MAX)
		probe->target *= 2;
}

static void send_arp(const struct in_addr *target, const struct service *service, struct out *out)
{
	static const struct mac broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	const struct arp arp = { .op = ARP_OP_REQUEST, .sender_mac = service->mac, .target = *target };
	struct wr w = out_begin(out);

	eth_begin(&w, &broadcast, &service->mac, ETH_TYPE_ARP);
	arp_put(&w, &arp);
	(void)out_send(out, &w, OUT_SOCKET_ARP);
}

static void send_ns(const struct in6_addr *target, const struct service *service, struct out *out)
{
	const struct ndp_ns ns = { .target = *target, .has_slla = true, .slla = service->mac };
	const struct in6_addr group = ip6_solicited_node(target);
	const struct mac dst = mac_of_multicast6(&group);
	struct wr w = out_begin(out);

	eth_begin(&w, &dst, &service->mac, ETH_TYPE_IP6);
	ndp_put_ns(&w, &service->link_local, &group, &ns);
	(void)out_send(out, &w, OUT_SOCKET_IP6);
}

static bool below_target(const struct probe *probe, const struct bindings *bs)
{
	return bindings_n_ready(bs) + bindings_n_probing(bs) < probe->target && bindings_has_candidate(bs);
}

void probe_fill(struct probe *probe, struct bindings *bs, const struct service *service, mono_t now, struct out *out)
{
	if (probe->target > PROBE_TARGET_MIN && now - probe->grown > QUIET) {
		probe->target /= 2;
		probe->grown = now;
	}
	for (unsigned int i = 0; i < BATCH && out->n_frames + FRAMES_LEFT < OUT_FRAMES; i++) {
		if (!below_target(probe, bs))
			return;
		struct binding *b = bindings_candidate(bs, now);
		if (!b)
			return;
		struct ip ip = binding_ip(bs, b);
		if (ip.family == AF_INET)
			send_arp(&ip.v4, service, out);
		else
			send_ns(&ip.v6, service, out);
	}
}

mono_t probe_deadline(const struct probe *probe, const struct bindings *bs)
{
	return below_target(probe, bs) ? 0 : MONO_NEVER;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service - what the engine is told about one network
 */
#include "model/service.h"

#include <string.h>
#include "base/fnv.h"

#define HASH_FIELD(h, field) ((h) = fnv64((h), &(field), sizeof(field)))

/* By field: padding is nobody's, and an IPv4 address leaves bytes of its union behind. */
static uint64_t hash_ip(uint64_t h, const struct ip *ip)
{
	HASH_FIELD(h, ip->family);
	return fnv64(h, ip->b, ip_size(ip));
}

static uint64_t hash_prefix(uint64_t h, const struct prefix *p)
{
	HASH_FIELD(h, p->len);
	return hash_ip(h, &p->ip);
}

static uint64_t hash_range(uint64_t h, const struct ip_range *r)
{
	return hash_ip(hash_ip(h, &r->first), &r->last);
}

static uint64_t hash_service(uint64_t h, const struct service *s)
{
	h = fnv64(h, s->network, strlen(s->network) + 1);
	h = fnv64(h, s->device, strlen(s->device) + 1);
	h = fnv64(h, s->domain, strlen(s->domain) + 1);
	HASH_FIELD(h, s->ifindex);
	HASH_FIELD(h, s->mac);
	HASH_FIELD(h, s->mtu);
	HASH_FIELD(h, s->routes);
	HASH_FIELD(h, s->dhcp4);
	h = hash_prefix(h, &s->gateway4);
	h = hash_range(h, &s->range4);
	HASH_FIELD(h, s->n_dns4);
	h = fnv64(h, s->dns4, s->n_dns4 * sizeof(s->dns4[0]));
	HASH_FIELD(h, s->ra);
	HASH_FIELD(h, s->managed);
	HASH_FIELD(h, s->other);
	HASH_FIELD(h, s->link_local);
	HASH_FIELD(h, s->n_prefixes);
	for (uint32_t i = 0; i < s->n_prefixes; i++) {
		const struct service_prefix *p = &s->prefixes[i];

		HASH_FIELD(h, p->prefix);
		HASH_FIELD(h, p->len);
		HASH_FIELD(h, p->on_link);
		HASH_FIELD(h, p->autonomous);
		HASH_FIELD(h, p->valid_s);
		HASH_FIELD(h, p->preferred_s);
	}
	HASH_FIELD(h, s->dhcp6);
	h = hash_prefix(h, &s->gateway6);
	h = hash_range(h, &s->range6);
	HASH_FIELD(h, s->n_dns6);
	h = fnv64(h, s->dns6, s->n_dns6 * sizeof(s->dns6[0]));
	HASH_FIELD(h, s->lease_s);
	HASH_FIELD(h, s->n_drains);
	for (uint32_t i = 0; i < s->n_drains; i++) {
		h = hash_prefix(h, &s->drains[i].gateway);
		HASH_FIELD(h, s->drains[i].until);
	}
	return h;
}

const struct service_drain *service_draining(const struct service *service, const struct ip *ip)
{
	for (uint32_t i = 0; i < service->n_drains; i++)
		if (service->drains[i].gateway.ip.family == ip->family && prefix_contains(&service->drains[i].gateway, ip))
			return &service->drains[i];
	return NULL;
}

uint64_t service_hash(const struct service *service, const struct service_host *hosts, size_t n_hosts)
{
	uint64_t h = hash_service(FNV64_BASIS, service);

	for (size_t i = 0; i < n_hosts; i++) {
		h = fnv64(h, hosts[i].name, strlen(hosts[i].name) + 1);
		HASH_FIELD(h, hosts[i].mac);
		HASH_FIELD(h, hosts[i].n_ips);
		for (uint32_t k = 0; k < hosts[i].n_ips; k++)
			h = hash_ip(h, &hosts[i].ips[k]);
	}
	return h ? h : 1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service - what the engine is told about one network
 */
#include "model/service.h"

static uint64_t fnv1a(uint64_t h, const void *data, size_t n)
{
	const uint8_t *b = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(1099511628211);
	return h;
}

/* Both structs are zeroed before they are filled, so their padding is the same each time. */
uint64_t service_hash(const struct service *service, const struct service_host *hosts, size_t n_hosts)
{
	uint64_t h = fnv1a(UINT64_C(14695981039346656037), service, sizeof(*service));

	h = fnv1a(h, hosts, n_hosts * sizeof(*hosts));
	return h ? h : 1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_read(): any bytes as two files; what is taken must hold what struct desired promises. */
#include <stdlib.h>
#include "conf/conf.h"
#include "conf/forward.h"

#define MUST(condition)            \
	do {                       \
		if (!(condition))  \
			abort();   \
	} while (0)

static void check_forward(const struct d_forward *f)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct forward_fault fault;
	struct d_forward again;

	MUST(f->host_first > 0 && f->host_last >= f->host_first && f->guest_first > 0);
	MUST(f->host_last - f->host_first == f->guest_last - f->guest_first);
	MUST(forward_parse(f->spec, arena, &again, &fault) && str_eq(again.spec, f->spec));
	for (size_t i = 0; i < f->n_from; i++)
		MUST(f->from[i].len <= ip_bits(&f->from[i].ip));
}

static void check_network(const struct d_network *n)
{
	MUST(!conf_network_name_fault(n->name) && n->bridge && n->domain && n->file && n->source);
	MUST(n->mode == NET_MODE_NAT || n->mode == NET_MODE_ISOLATED || n->mode == NET_MODE_BRIDGE);
	MUST(n->lease_s >= 120 && n->nat_port_first <= n->nat_port_last);
	if (n->ipv4 && !n->ipv4_auto) {
		MUST(n->address4.ip.family == AF_INET && n->address4.len >= 8 && n->address4.len <= 30);
		MUST(!n->dhcp4 || (prefix_contains(&n->address4, &n->range4.first) &&
				   prefix_contains(&n->address4, &n->range4.last) && range_size(&n->range4) > 0));
	}
	if (n->ipv6 == IP6_SOURCE_STATIC || n->ipv6 == IP6_SOURCE_ULA) {
		MUST(n->address6.ip.family == AF_INET6 && n->address6.len >= 64 && n->address6.len <= 126);
		MUST(n->assign != 0 && (!(n->assign & ASSIGN_SLAAC) || n->address6.len == 64));
		MUST(!(n->assign & ASSIGN_DHCP) || (prefix_contains(&n->address6, &n->range6.first) &&
						    prefix_contains(&n->address6, &n->range6.last)));
	}
	for (size_t i = 0; i < n->n_guests; i++) {
		const struct d_guest *g = &n->guests[i];

		MUST(!conf_guest_name_fault(g->name) && !conf_mac_fault(&g->mac));
		MUST(i == 0 || strcmp(n->guests[i - 1].name, g->name) < 0);
		for (size_t k = 0; k < g->n_ips && n->mode != NET_MODE_BRIDGE; k++)
			MUST(prefix_contains(g->ips[k].family == AF_INET ? &n->address4 : &n->address6, &g->ips[k]));
		for (size_t k = 0; k < g->n_forwards; k++)
			check_forward(&g->forwards[k]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conf_seed seed = { { 1 } };
	const char *text = (const char *)data, *cut = memchr(text, '\0', size);
	size_t first = cut ? (size_t)(cut - text) : size;
	struct conf_source sources[] = { { "a.yaml", text, first, "d" }, { "b.yaml", text, 0, "d" } };
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(freep) char *printed = NULL;
	size_t n = 0;

	if (cut) {
		sources[1].text = cut + 1;
		sources[1].len = size - first - 1;
	}
	int r = conf_read(sources, 2, &seed, report, &desired);
	MUST(r == (report_n_errors(report) > 0) && (r == 0) == (desired != NULL));
	FILE *f = open_memstream(&printed, &n);
	report_print(report, f, false);
	MUST(fclose(f) == 0);
	for (size_t i = 0; i < n; i++)
		MUST((unsigned char)printed[i] >= 0x20 || printed[i] == '\n');
	json_decref(report_json(report));
	for (size_t i = 0; desired && i < desired->n_networks; i++)
		check_network(&desired->networks[i]);
	return 0;
}

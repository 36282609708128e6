/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include "base/mem.h"
#include "net/heard.h"

/* First byte: how the frame begins. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = { 0, ETH_TYPE_IP6, ETH_TYPE_IP4, ETH_TYPE_ARP };
	static struct heard h;
	char buf[HEARD_NAME_MAX];

	if (size < 1)
		return 0;
	memset(&h, 0xa5, sizeof(h));
	int r = heard_read(rd_init(data + 1, size - 1), types[data[0] % ARRAY_LEN(types)], data[0] & 0x80, &h);
	if (r == HEARD_E_NOT_OURS)
		return 0;
	if (h.kind >= HEARD_KIND_N_ || (r == HEARD_E_BROKEN) != (h.why != NULL))
		abort();
	if (r != 0)
		return 0;
	if (h.kind == HEARD_DHCP4 && (!*heard_dhcp4_name(h.dhcp4.type, buf) || strlen(h.dhcp4.hostname) > LABEL_MAX))
		abort();
	if (h.kind == HEARD_DHCP6) {
		(void)heard_dhcp6_status(h.dhcp6.status);
		if (!*heard_dhcp6_name(h.dhcp6.type, buf) || h.dhcp6.n_addrs > HEARD_ADDRS || h.dhcp6.n_prefixes > HEARD_ADDRS ||
		    h.dhcp6.client_len > HEARD_DUID_MAX || h.dhcp6.server_len > HEARD_DUID_MAX)
			abort();
		for (size_t i = 0; i < h.dhcp6.n_prefixes; i++)
			if (h.dhcp6.prefixes[i].len > 128)
				abort();
	}
	if (h.kind == HEARD_MLD_QUERY && h.query.version != 1 && h.query.version != 2)
		abort();
	if (h.kind == HEARD_REDIRECT && IN6_IS_ADDR_MULTICAST(&h.redirect.dest))
		abort();
	return 0;
}

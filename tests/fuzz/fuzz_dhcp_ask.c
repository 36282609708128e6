/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a server, or somebody who plays one, answers to a probe. */
#include <stdlib.h>
#include "net/dhcp_ask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mac mac = { { 2, 0, 0, 0, 0, 1 } };
	struct rd in = rd_init(data, size);
	struct dhcp4_offer offer4;
	struct dhcp6_offer offer6;

	if (rd_u8(&in) & 1) {
		if (dhcp4_parse_offer(in, &mac, 1, &offer4) == 0 && offer4.server.s_addr == 0)
			abort();
	} else if (dhcp6_parse_advertise(in, 1, &offer6) == 0 && (offer6.server.len < 3 || offer6.server.len > DHCP6_DUID_MAX)) {
		abort();
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include "net/arp.h"

/* What is read is written again byte for byte. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buf[28];
	struct wr w = wr_init(buf, sizeof(buf));
	struct arp arp;

	if (arp_parse(rd_init(data, size), &arp) != 0)
		return 0;
	arp_put(&w, &arp);
	if (!wr_ok(&w) || memcmp(buf, data, w.len) != 0)
		abort();
	return 0;
}

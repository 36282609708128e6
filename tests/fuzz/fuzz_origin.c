/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "diag/origin.h"

/* Files of networkd, NetworkManager and netplan: an administrator's, and still bounded. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = xcalloc(size + 1, 1);
	uint32_t n_lines = 1;
	char value[16];

	memcpy(text, data, size);
	for (const char *p = text; *p; p++)
		n_lines += *p == '\n';
	if (origin_key(text, "Network", "IPv6AcceptRA", value, sizeof(value)) > n_lines)
		abort();
	if (origin_yaml(text, "eth0", "accept-ra") > n_lines)
		abort();
	return 0;
}

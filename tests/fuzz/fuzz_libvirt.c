/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain's XML: libvirt's files are root's, but what is in them came from whoever defined the guest. */
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include "attach/libvirt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct libvirt_guest g;

	if (libvirt_parse((const char *)data, size, &g) != 0)
		return 0;
	if (g.n > LIBVIRT_NICS)
		abort();
	for (size_t i = 0; i < g.n; i++)
		if (!memchr(g.nics[i].device, '\0', sizeof(g.nics[i].device)))
			abort();
	return 0;
}

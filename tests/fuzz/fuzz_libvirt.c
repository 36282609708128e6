/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain's XML, or a network's: libvirt's files are root's, but what is in them came from whoever defined the guest. */
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include "io/libvirt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct libvirt_guest g;
	char mode[32];

	libvirt_parse_network((const char *)data, size, mode);
	if (!memchr(mode, '\0', sizeof(mode)))
		abort();
	if (libvirt_parse((const char *)data, size, &g) != 0)
		return g.n == 0 && !g.nics ? 0 : (abort(), 0);
	for (size_t i = 0; i < g.n; i++) {
		const struct libvirt_nic *nic = &g.nics[i];

		if (!memchr(nic->type, '\0', sizeof(nic->type)) || !memchr(nic->device, '\0', sizeof(nic->device)) ||
		    !memchr(nic->model, '\0', sizeof(nic->model)) || !memchr(nic->mode, '\0', sizeof(nic->mode)) ||
		    !memchr(nic->source, '\0', sizeof(nic->source)))
			abort();
	}
	libvirt_guest_clear(&g);
	return 0;
}

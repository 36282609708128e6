/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inner_check(): whatever a taken-over engine may send to main. */
#include <stdlib.h>
#include "ctl/inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inner_msg msg = { 0 };

	if (inner_check(data, size, &msg) == 0 && inner_body_size(msg.type) == 0)
		abort();
	return 0;
}

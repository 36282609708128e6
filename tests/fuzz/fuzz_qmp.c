/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest's VMM may say, a NUL where it pauses; the filters it tells go on into the machine. */
#include <stdlib.h>
#include <string.h>
#include "resp/mcast.h"
#include "resp/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mac mac = { { 0x52, 0x54, 0, 0, 0, 1 } };
	const struct qmp_filter *filter;
	struct mcast_change c;
	struct mcast *m;
	struct qmp *q;
	mono_t now = MONO_S, asked;
	int r = 0;

	(void)qmp_new(&q, "", &mac);
	(void)mcast_new(&m, now);
	while (size > 0 && r >= 0) {
		const uint8_t *end = memchr(data, 0, size);
		size_t n = end ? (size_t)(end - data) : size;

		r = qmp_input(q, (const char *)data, n, now, &filter, &asked);
		while (r == 1) {
			if (filter->multicast >= QMP_MULTICAST_N_ || asked > now)
				abort();
			mcast_rx_filter(m, filter, asked, now);
			r = qmp_input(q, NULL, 0, now, &filter, &asked);
		}
		while (qmp_output(q, now))
			;
		n += end != NULL;
		data += n;
		size -= n;
		now += 300 * MONO_MS;
	}
	while (mcast_change(m, &c))
		if (!mac_is_zero(&c.group) && !mac_is_multicast(&c.group))
			abort();
	mcast_free(m);
	qmp_free(q);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include "net/mld.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ndp_meta meta = { .hop_limit = MLD_HOP_LIMIT };
	struct mld_report report;

	if (mld_parse(rd_init(data, size), &meta, &report) != 0)
		return 0;
	if (report.n_records > MLD_RECORDS || report.n_records * 20 > size)
		abort();
	for (size_t i = 0; i < report.n_records; i++)
		if (!IN6_IS_ADDR_MULTICAST(&report.records[i].group) || (mld_record_joins(&report.records[i]) && size < 24))
			abort();
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl_parse(): whatever somebody who may connect sends to the control socket. */
#include "ctl/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(report_freep) struct report *report = report_new();
	struct ctl_request *r = NULL;

	if (ctl_parse((const char *)data, size, report, &r) == 0)
		ctl_request_free(r);
	else if (report_n_errors(report) == 0)
		abort();
	return 0;
}

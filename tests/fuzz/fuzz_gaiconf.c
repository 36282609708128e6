/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_parse(): any gai.conf; then the same judged, advised and written, and read back. */
#include <stdlib.h>
#include <string.h>
#include "addrsel/advise.h"
#include "addrsel/explain.h"
#include "addrsel/policy.h"

static const char *const pairs[][2] = {
	{ "2a01:4f8:c0c:bd0a::1", "fd12:8848:a2a2:1::74" }, { "49.12.234.183", "192.168.122.154" }, { "::1", "::1" },
	{ "127.0.0.1", "127.0.0.1" }, { "2002:c000:204::1", "fd12:8848:a2a2:1::74" }, { "169.254.1.1", "192.168.122.154" },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(policy_freep) struct policy *policy = policy_parse(data, size, "gai.conf", report);
	struct addrsel_dest dests[ARRAY_LEN(pairs)] = { 0 };
	size_t order[ARRAY_LEN(pairs)], len;

	if (report_n_errors(report) > 0 || report_n(report) > 10)
		abort();
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		if (!ip_parse(pairs[i][0], &dests[i].ip) || !ip_parse(pairs[i][1], &dests[i].source))
			abort();
		dests[i].index = 2;
	}
	addrsel_sort(policy, dests, ARRAY_LEN(pairs), order);
	for (size_t i = 0; i + 1 < ARRAY_LEN(pairs); i++)
		if (addrsel_compare(&dests[order[i]], &dests[order[i + 1]], NULL) >= 0)
			abort();	/* neighbours agree with the order, whatever the tables */
	_cleanup_(freep) char *why = addrsel_explain(dests, order, ARRAY_LEN(pairs));

	if (strlen(why) == 0)
		abort();
	for (int six = 0; six < 2; six++) {
		uint8_t family = six ? AF_INET6 : AF_INET;
		_cleanup_(advice_freep) struct advice *advice = addrsel_advise(policy, dests, 2, dests + 2,
									       ARRAY_LEN(pairs) - 2, family);

		if (advice->outcome != ADVICE_FOUND)
			continue;
		_cleanup_(freep) char *text = advice_merge(advice, policy, data, size, &len);
		_cleanup_(policy_freep) struct policy *after = policy_parse(text, len, "gai.conf", NULL);

		addrsel_sort(after, dests, 2, order);
		if (dests[order[0]].ip.family != family)
			abort();
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "conf/edit.h"
#include "base/mem.h"

#define NET "networks:\n  lan:\n    mode: nat\n"

static const struct {
	const char *why;
	const char *before;
	bool add;
	const char *after;	/* NULL: refused; same pointer text as before: nothing to do */
} cases[] = {
	{ "flow list", NET "    guests:\n      web: { forward: [\"8080:80\"] } # c\n", true,
	  NET "    guests:\n      web: { forward: [\"8080:80\", \"9000:90/tcp\"] } # c\n" },
	{ "flow list over lines, comment and trailing comma",
	  NET "    guests:\n      web:\n        forward: [\n          \"8080:80\", # it's \"one\"\n         ]\n", true,
	  NET "    guests:\n      web:\n        forward: [\n          \"8080:80\", \"9000:90/tcp\" # it's \"one\"\n         ]\n" },
	{ "empty flow list", NET "    guests: { web: { forward: [] } }\n", true,
	  NET "    guests: { web: { forward: [\"9000:90/tcp\"] } }\n" },
	{ "block list", NET "    guests:\n      web:\n        forward:\n          - \"8080:80\"   # a\n        # b\n    domain: x\n", true,
	  NET "    guests:\n      web:\n        forward:\n          - \"8080:80\"   # a\n          - \"9000:90/tcp\"\n        # b\n    domain: x\n" },
	{ "block list of maps, end of file without newline",
	  NET "    guests:\n      web:\n        forward:\n        - port: \"8080:80\"\n          from: [10.0.0.0/8]", true,
	  NET "    guests:\n      web:\n        forward:\n        - port: \"8080:80\"\n          from: [10.0.0.0/8]\n        - \"9000:90/tcp\"\n" },
	{ "one scalar", NET "    guests:\n      web:\n        forward: '8080:80' # x\n", true,
	  NET "    guests:\n      web:\n        forward: ['8080:80', \"9000:90/tcp\"] # x\n" },
	{ "one map", NET "    guests:\n      web:\n        forward: { port: \"8080:80\", from: [10.0.0.0/8] }\n", true,
	  NET "    guests:\n      web:\n        forward: [{ port: \"8080:80\", from: [10.0.0.0/8] }, \"9000:90/tcp\"]\n" },
	{ "no forward yet, block guest with umlauts before", NET "    guests:\n      web:   # \xc3\xa4\xc3\xb6\n        ipv4: 192.168.150.10\n      x: {}\n", true,
	  NET "    guests:\n      web:   # \xc3\xa4\xc3\xb6\n        ipv4: 192.168.150.10\n        forward: [\"9000:90/tcp\"]\n      x: {}\n" },
	{ "no forward yet, flow guest", NET "    guests: { web: {} }\n", true,
	  NET "    guests: { web: {forward: [\"9000:90/tcp\"]} }\n" },
	{ "a guest of nothing", NET "    guests:\n      web:\n      x:\n", true,
	  NET "    guests:\n      web:\n        forward: [\"9000:90/tcp\"]\n      x:\n" },
	{ "a guest that isn't declared", NET "    guests:\n      x: {}\n", true,
	  NET "    guests:\n      x: {}\n      web: { mac: \"52:54:00:00:00:01\", forward: [\"9000:90/tcp\"] }\n" },
	{ "no guests at all", NET "    domain: x\n# end\n", true,
	  NET "    domain: x\n    guests: { web: { mac: \"52:54:00:00:00:01\", forward: [\"9000:90/tcp\"] } }\n# end\n" },
	{ "JSON", "{\"networks\": {\"lan\": {\"mode\": \"nat\", \"guests\": {\"web\": {\"forward\": [\"8080:80\"]}}}}}\n", true,
	  "{\"networks\": {\"lan\": {\"mode\": \"nat\", \"guests\": {\"web\": {\"forward\": [\"8080:80\", \"9000:90/tcp\"]}}}}}\n" },
	{ "JSON without forward", "{\"networks\": {\"lan\": {\n  \"guests\": {\n    \"web\": {\n      \"mac\": \"52:54:00:12:34:56\"\n    }}}}}\n", true,
	  "{\"networks\": {\"lan\": {\n  \"guests\": {\n    \"web\": {\n      \"mac\": \"52:54:00:12:34:56\", \"forward\": [\"9000:90/tcp\"]\n    }}}}}\n" },
	{ "quoted block keys", "networks:\n  \"lan\":\n    \"guests\":\n      \"web\":\n        \"ipv4\": 192.168.150.10\n", true,
	  "networks:\n  \"lan\":\n    \"guests\":\n      \"web\":\n        \"ipv4\": 192.168.150.10\n        \"forward\": [\"9000:90/tcp\"]\n" },
	{ "written otherwise, there already", NET "    guests: { web: { forward: \"9000:90\" } }\n", true, "" },
	{ "CR LF", "networks:\r\n  lan:\r\n    guests:\r\n      web:\r\n        forward: [\"8080:80\"]\r\n", true,
	  "networks:\r\n  lan:\r\n    guests:\r\n      web:\r\n        forward: [\"8080:80\", \"9000:90/tcp\"]\r\n" },
	{ "nothing, said by ~", NET "    guests:\n      web: ~\n", true, NULL },
	{ "nothing inside a flow mapping", NET "    guests: { web: , x: {} }\n", true, NULL },
	{ "forward of nothing", NET "    guests:\n      web:\n        forward:\n        ipv4: 192.168.150.10\n", true, NULL },
	{ "another network", "networks:\n  dmz:\n    mode: nat\n", true, NULL },
	{ "no YAML", "networks: [\n", true, NULL },

	{ "last of a flow list", NET "    guests: { web: { forward: [\"8080:80\", \"9000:90\"] } }\n", false,
	  NET "    guests: { web: { forward: [\"8080:80\"] } }\n" },
	{ "first of a flow list", NET "    guests: { web: { forward: [\"9000:90/tcp\", \"8080:80\"] } }\n", false,
	  NET "    guests: { web: { forward: [\"8080:80\"] } }\n" },
	{ "only one of a flow list", NET "    guests: { web: { forward: [9000:90] } }\n", false,
	  NET "    guests: { web: { forward: [] } }\n" },
	{ "a map of a flow list", NET "    guests: { web: { forward: [{ port: \"9000:90\", from: 10.0.0.0/8 }, \"1:1\"] } }\n", false,
	  NET "    guests: { web: { forward: [\"1:1\"] } }\n" },
	{ "one of a block list", NET "    guests:\n      web:\n        forward:\n          - \"8080:80\" # a\n          - 9000:90 # b\n      x:\n", false,
	  NET "    guests:\n      web:\n        forward:\n          - \"8080:80\" # a\n      x:\n" },
	{ "a map of a block list", NET "    guests:\n      web:\n        forward:\n          - port: \"9000:90\"\n            from: 10.0.0.0/8\n          - \"1:1\"\n", false,
	  NET "    guests:\n      web:\n        forward:\n          - \"1:1\"\n" },
	{ "the only one of a block list", NET "    guests:\n      web:\n        forward:   # f\n          - \"9000:90\"\n        ipv4: 192.168.150.10\n", false,
	  NET "    guests:\n      web:\n        forward: []   # f\n        ipv4: 192.168.150.10\n" },
	{ "a scalar", NET "    guests: { web: { forward: \"9000:90\" } }\n", false, NET "    guests: { web: { forward: [] } }\n" },
	{ "not there", NET "    guests: { web: { forward: \"8080:80\" } }\n", false, "" },
};

static void edits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct conf_edit edit = { .network = "lan", .guest = "web", .spec = "9000:90/tcp",
						.mac = "52:54:00:00:00:01", .add = cases[i].add };
		_cleanup_(freep) char *after = NULL;
		int r = conf_edit_forward(cases[i].before, strlen(cases[i].before), &edit, &after);
		bool good = !cases[i].after ? r == -EOPNOTSUPP : !*cases[i].after ? r == 1 : r == 0 && str_eq(after, cases[i].after);

		if (!good)
			fail_msg("%s: %d\n%s", cases[i].why, r, after ? after : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(edits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

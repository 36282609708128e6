/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_snapshot - a file that says it is a snapshot
 *
 * What is taken must come back the same when it is written, be found by every
 * lookup, and be walked by path reasoning and read by every rule.
 */
#include <assert.h>
#include <string.h>
#include "diag/path.h"
#include "diag/rule.h"
#include "diag/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct snapshot *s)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	static const char *const words[] = { "outside", "host", "lan/web" };

	for (size_t i = 0; i < 9; i++) {
		struct path_end from, to;
		struct path path;

		if (path_find_end(s, arena, words[i / 3], &from) || path_find_end(s, arena, words[i % 3], &to))
			continue;
		for (uint8_t family = AF_INET; family <= AF_INET6; family = family == AF_INET ? AF_INET6 : AF_INET6 + 1) {
			if (!path_has_family(&from, &to, family))
				continue;
			path_walk(s, arena, &from, &to, family, 6, 80, &path);
			json_decref(path_json(&path));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(snapshot_freep) struct snapshot *s = NULL, *again = NULL;
	json_t *root = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

	if (!root)
		return 0;
	if (snapshot_from_json(&s, root, "fuzz", report) == 0) {
		json_t *first = snapshot_json(s), *second;

		assert(snapshot_from_json(&again, first, "again", report) == 0);
		second = snapshot_json(again);
		assert(json_equal(first, second));
		json_decref(first);
		json_decref(second);
		walk(s);
		findings_free(rules_judge(s));
	} else {
		assert(report_n_errors(report) > 0);
	}
	json_decref(root);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot_driver - reads a snapshot and prints it, for tests
 *
 *   snapshot_driver               read this namespace
 *   snapshot_driver FILE          load FILE and print what came of it
 *   snapshot_driver --time N      read N times: the best time and the memory at its peak
 */
#include <inttypes.h>
#include <stdio.h>
#include "base/mem.h"
#include "diag/snapshot.h"

/* KiB. Not getrusage(): its figure has whoever started us in it, too. */
static long peak(void)
{
	_cleanup_(freep) char *line = NULL;
	FILE *f = fopen("/proc/self/status", "re");
	size_t cap = 0;
	long kib = -1;

	while (f && kib < 0 && getline(&line, &cap, f) > 0)
		(void)sscanf(line, "VmHWM: %ld", &kib);
	if (f)
		(void)fclose(f);
	return kib;
}

int main(int argc, char **argv)
{
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(snapshot_freep) struct snapshot *s = NULL;
	const struct snapshot_conf conf = { 0 };
	bool timed = argc == 3 && strcmp(argv[1], "--time") == 0;
	uint64_t best = UINT64_MAX;
	int r = 0;

	for (int i = 0; timed && i < atoi(argv[2]) && r == 0; i++) {
		s = snapshot_free(s);
		r = snapshot_read(&s, &conf, report);
		if (r == 0 && s->took_us < best)
			best = s->took_us;
	}
	if (!timed)
		r = argc == 2 ? snapshot_load(&s, argv[1], report) : snapshot_read(&s, &conf, report);
	if (r == 0 && !timed)
		r = snapshot_save(s, "-", report);
	if (r == 0 && timed)
		(void)printf("{\"us\":%" PRIu64 ",\"kib\":%ld,\"links\":%zu}\n", best, peak(), s->n_links);
	report_print(report, stderr, false);
	return r == 0 ? 0 : 1;
}

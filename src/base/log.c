/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log - one line an event, for the daemon's processes
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *process_name = "sixtapd";
static enum log_level max_level = LOG_LEVEL_INFO;
static bool journal;

void log_open(const char *process, enum log_level max)
{
	process_name = process;
	max_level = max;
	journal = getenv("JOURNAL_STREAM") != NULL;
}

enum log_level log_level(void)
{
	return max_level;
}

void log_event(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	size_t n = 0;
	va_list ap;
	int r;

	if (level > max_level)
		return;
	if (journal) {
		r = snprintf(line, sizeof(line), "<%d>%s: ", (int)level, process_name);
	} else {
		struct timespec ts = { 0 };
		struct tm tm = { 0 };

		(void)clock_gettime(CLOCK_REALTIME, &ts);
		(void)gmtime_r(&ts.tv_sec, &tm);
		r = snprintf(line, sizeof(line), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s: ", tm.tm_year + 1900,
			     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000,
			     process_name);
	}
	if (r > 0)
		n = (size_t)r;
	va_start(ap, fmt);
	r = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	if (r > 0)
		n += (size_t)r < sizeof(line) - n - 1 ? (size_t)r : sizeof(line) - n - 2;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return;		/* nowhere left to say it */
}

/* A token bucket: a line takes a token, one comes back each @every. @next is when, while any is out. */
bool log_gate_pass(struct log_gate *gate, mono_t now, unsigned int *ret_held)
{
	unsigned int burst = gate->burst ? gate->burst : 1;

	if (gate->every == 0)
		gate->passed = 0;
	if (gate->passed > 0 && now >= gate->next) {
		uint64_t back = 1 + (now - gate->next) / gate->every;

		if (back < gate->passed) {
			gate->passed -= (unsigned int)back;
			gate->next += back * gate->every;
		} else {
			gate->passed = 0;
		}
	}
	if (gate->passed >= burst) {
		gate->held++;
		return false;
	}
	if (gate->passed == 0)
		gate->next = mono_add(now, gate->every);
	gate->passed++;
	*ret_held = gate->held;
	gate->held = 0;
	return true;
}

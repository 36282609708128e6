/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log - one line an event, for the daemon's processes
 *
 * Libraries return, edges log: only daemon/ calls this. A line is
 * "event-name key=value …". Whatever a guest can trigger passes a log_gate,
 * which lets a few lines through and counts the rest.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/time.h"

enum log_level {
	LOG_LEVEL_ERROR = 3,	/* numbers of syslog(3) */
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/**
 * log_open() - Choose where lines go
 * @process:	"monitor", "main", "engine" or "resolver"; kept by reference
 * @max:	lines above this level are dropped
 *
 * Lines go to stderr: with a "<N>" prefix under journald (JOURNAL_STREAM is
 * set), else with a time stamp.
 */
void log_open(const char *process, enum log_level max);
enum log_level log_level(void);

void log_event(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* At most @burst lines, then one each @every; the next line tells how many were held back. */
struct log_gate {
	mono_t every;
	unsigned int burst;
	mono_t next;
	unsigned int passed, held;	/* all three start as 0 */
};

bool log_gate_pass(struct log_gate *gate, mono_t now, unsigned int *ret_held);

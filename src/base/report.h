/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report - what a person has to read, collected and printed once at the edge
 *
 * Whoever finds something wrong adds a finding: where, which key, what is
 * wrong, what would be right. Nobody below cmd/ and daemon/ prints. The same
 * findings become text with the source line and a caret, or JSON.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include "base/mem.h"

enum severity {
	SEVERITY_ERROR,
	SEVERITY_WARNING,
	SEVERITY_INFO,
	SEVERITY_N_,
};

/* A place in a source text. line and column count from 1; line 0: the file as a whole, or no place. */
struct where {
	const char *file;	/* borrowed; a report keeps a copy of its own */
	unsigned int line, column;	/* columns are characters, not bytes */
	unsigned int width;	/* columns to underline, at least 1 */
};

struct finding {
	enum severity severity;
	struct where where;
	char *key;		/* "networks.lan.mode", or NULL */
	char *what;		/* what is wrong; one clause, no full stop */
	char *help;		/* what would be right: after the ";" of the first line, or NULL */
	char *hint;		/* at most one line beside the caret, or NULL */
	unsigned int exit_status;	/* of the contract: 1 failed, 2 usage or configuration, 3 undetermined */
	unsigned int caret_skip;	/* columns between @where and the caret: the part of a value that is wrong */
	size_t seq;		/* order of adding, for the report's own use */
};

struct report;

struct report *report_new(void);
struct report *report_free(struct report *report);
DEFINE_FREEP(struct report, report_free)

/**
 * report_source() - Remember a source text, so that findings can show its lines
 * @report:	the report
 * @file:	name as in struct where
 * @text:	text, copied
 * @len:	its length in bytes
 */
void report_source(struct report *report, const char *file, const char *text, size_t len);

/**
 * report_add() - Add a finding
 * @report:	the report
 * @severity:	an error makes the whole operation fail
 * @where:	place, or NULL
 * @key:	configuration key, or NULL; copied
 * @fmt:	what is wrong
 *
 * The exit status of an error is 2 with a place, else 1; report_status() changes
 * that of the finding added last, report_help() and report_hint() complete it.
 *
 * Return: the finding, owned by the report
 */
struct finding *report_add(struct report *report, enum severity severity, const struct where *where, const char *key,
			   const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void report_help(struct finding *finding, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void report_hint(struct finding *finding, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Underline only @width columns, @skip columns after the place: the "/33" of "10.1.1.1/33". */
void report_caret(struct finding *finding, unsigned int skip, unsigned int width);

/* Short form without a place: "sixtap: THING: WHAT; HELP", exit status 1. */
#define report_error(report, key, ...) report_add((report), SEVERITY_ERROR, NULL, (key), __VA_ARGS__)

size_t report_n_errors(const struct report *report);
size_t report_n(const struct report *report);
const struct finding *report_get(const struct report *report, size_t i);	/* in place order after report_sort() */
void report_sort(struct report *report);

/* Of errors that say "the operation failed" (1), make it another exit status: where 1 is an answer. */
void report_set_failed(struct report *report, int status);

/* 0 without errors, else the largest exit status among the errors. */
int report_exit_status(const struct report *report);

/**
 * report_print() - Print every finding for a person
 * @report:	the report; sorted by place first
 * @to:		usually stderr
 * @color:	whether escape sequences are wanted
 *
 * FILE:LINE:COL: error: KEY: WHAT; HELP, then the line with a caret and the hint.
 * Without a line: "sixtap: [FILE: ][KEY: ]WHAT; HELP".
 */
void report_print(struct report *report, FILE *to, bool color);

/* {"version":1,"errors":[{"file","line","column","key","what","help"}]}; new reference. */
json_t *report_json(struct report *report);

/* Copy the source texts of @from into @to. */
void report_copy_sources(struct report *to, const struct report *from);

/* Copy every finding and source of @from into @to; @from stays as it is. */
void report_merge(struct report *to, const struct report *from);

/* Read back what report_json() wrote (an answer of the daemon); unknown members are ignored. */
void report_add_json(struct report *report, const json_t *answer);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report - what a person has to read, collected and printed once at the edge
 */
#include "base/report.h"

#include <stdarg.h>
#include <stdint.h>
#include "base/utf8.h"

struct source {
	char *file;
	char *text;
	size_t len;
};

struct report {
	struct finding **findings;
	size_t n, cap;
	struct source *sources;
	size_t n_sources, cap_sources;
	char **names;		/* file names of findings */
	size_t n_names, cap_names;
	size_t seq;
};

static const char *const severity_name[] = {
	[SEVERITY_ERROR] = "error",
	[SEVERITY_WARNING] = "warning",
	[SEVERITY_INFO] = "note",
};
_Static_assert(ARRAY_LEN(severity_name) == SEVERITY_N_, "severity_name[] misses one");

struct report *report_new(void)
{
	return NEW(struct report);
}

struct report *report_free(struct report *report)
{
	if (!report)
		return NULL;
	for (size_t i = 0; i < report->n; i++) {
		struct finding *f = report->findings[i];

		free(f->key);
		free(f->what);
		free(f->help);
		free(f->hint);
		free(f);
	}
	for (size_t i = 0; i < report->n_sources; i++) {
		free(report->sources[i].file);
		free(report->sources[i].text);
	}
	for (size_t i = 0; i < report->n_names; i++)
		free(report->names[i]);
	free((void *)report->names);
	free((void *)report->findings);
	free(report->sources);
	free(report);
	return NULL;
}

void report_source(struct report *report, const char *file, const char *text, size_t len)
{
	struct source s = { .file = xstrdup(file), .text = xcalloc(len + 1, 1), .len = len };

	if (len > 0)
		memcpy(s.text, text, len);
	GROW(report->sources, report->n_sources, report->cap_sources);
	report->sources[report->n_sources++] = s;
}

static const char *keep_name(struct report *report, const char *name)
{
	for (size_t i = 0; i < report->n_names; i++)
		if (str_eq(report->names[i], name))
			return report->names[i];
	GROW(report->names, report->n_names, report->cap_names);
	report->names[report->n_names] = xstrdup(name);
	return report->names[report->n_names++];
}

static struct finding *add(struct report *report, enum severity severity, const struct where *where)
{
	struct finding *f = NEW(struct finding);

	f->severity = severity;
	f->exit_status = 1;
	if (where && where->file) {
		f->where = *where;
		f->where.file = keep_name(report, where->file);
		f->exit_status = where->line > 0 ? 2 : 1;
	}
	f->seq = report->seq++;
	GROW(report->findings, report->n, report->cap);
	report->findings[report->n++] = f;
	return f;
}

struct finding *report_add(struct report *report, enum severity severity, const struct where *where, const char *key,
			   const char *fmt, ...)
{
	struct finding *f = add(report, severity, where);
	va_list ap;

	f->key = key ? xstrdup(key) : NULL;
	va_start(ap, fmt);
	f->what = xvasprintf(fmt, ap);
	va_end(ap);
	return f;
}

void report_help(struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	free(finding->help);
	va_start(ap, fmt);
	finding->help = xvasprintf(fmt, ap);
	va_end(ap);
}

void report_hint(struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	free(finding->hint);
	va_start(ap, fmt);
	finding->hint = xvasprintf(fmt, ap);
	va_end(ap);
}

void report_caret(struct finding *finding, unsigned int skip, unsigned int width)
{
	finding->caret_skip = skip;
	finding->where.width = width ? width : 1;
}

size_t report_n(const struct report *report)
{
	return report->n;
}

const struct finding *report_get(const struct report *report, size_t i)
{
	return report->findings[i];
}

size_t report_n_errors(const struct report *report)
{
	size_t n = 0;

	for (size_t i = 0; i < report->n; i++)
		n += report->findings[i]->severity == SEVERITY_ERROR;
	return n;
}

void report_set_failed(struct report *report, int status)
{
	for (size_t i = 0; i < report->n; i++)
		if (report->findings[i]->severity == SEVERITY_ERROR && report->findings[i]->exit_status == 1)
			report->findings[i]->exit_status = (unsigned int)status;
}

int report_exit_status(const struct report *report)
{
	unsigned int status = 0;

	for (size_t i = 0; i < report->n; i++) {
		const struct finding *f = report->findings[i];

		if (f->severity == SEVERITY_ERROR && f->exit_status > status)
			status = f->exit_status;
	}
	return (int)status;
}

static int cmp_uint(size_t a, size_t b)
{
	return a < b ? -1 : a > b;
}

/* By place; findings without one come first; then in the order they were added. */
static int cmp_finding(const void *pa, const void *pb)
{
	const struct finding *a = *(const struct finding *const *)pa, *b = *(const struct finding *const *)pb;
	int c = strcmp(a->where.file ? a->where.file : "", b->where.file ? b->where.file : "");

	if (c == 0)
		c = cmp_uint(a->where.line, b->where.line);
	if (c == 0)
		c = cmp_uint(a->where.column, b->where.column);
	return c ? c : cmp_uint(a->seq, b->seq);
}

void report_sort(struct report *report)
{
	if (report->n > 1)
		qsort((void *)report->findings, report->n, sizeof(struct finding *), cmp_finding);
}

/* The text of line @line of @file without its line end, or NULL. Lines end as in YAML: LF, CR LF or CR. */
static const char *source_line(const struct report *report, const char *file, unsigned int line, size_t *ret_len)
{
	for (size_t i = 0; i < report->n_sources; i++) {
		const struct source *s = &report->sources[i];
		const char *p = s->text, *end = s->text + s->len;

		if (strcmp(s->file, file) != 0)
			continue;
		if (s->len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
			p += 3;
		for (unsigned int n = 1; p < end; n++) {
			size_t len = 0;

			while (p + len < end && p[len] != '\n' && p[len] != '\r')
				len++;
			if (n == line) {
				*ret_len = len;
				return p;
			}
			p += len;
			if (p < end)
				p += p + 1 < end && p[0] == '\r' && p[1] == '\n' ? 2 : 1;
		}
	}
	return NULL;
}

/* Bytes of the character at @s, 0 when it isn't UTF-8 or is a control character that a terminal may obey. */
static size_t char_len(const char *s, size_t left)
{
	uint32_t c;
	size_t n = utf8_decode(s, left, &c);

	/* Bidirectional overrides (U+202A…U+202E, U+2066…U+2069) make a line look like another one. */
	if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return 0;
	return n;
}

/* Control characters of a hostile file must reach neither the terminal nor JSON. Free the result. */
static char *clean(const char *s, size_t len)
{
	char *text = xcalloc(len + 1, 1), *to = text;

	for (size_t i = 0, n; i < len; i += n ? n : 1) {
		n = char_len(s + i, len - i);
		if (n > 0) {
			memcpy(to, s + i, n);
			to += n;
		} else if (i > 0 && ((unsigned char)s[i] & 0xc0) == 0x80 && to > text && to[-1] == '?') {
			continue;	/* the rest of a character that was replaced */
		} else {
			*to++ = s[i] == '\t' ? ' ' : '?';
		}
	}
	return text;
}

static void print_clean(FILE *to, const char *s)
{
	_cleanup_(freep) char *text = clean(s, strlen(s));

	(void)fputs(text, to);
}

static const char *skip_chars(const char *s, size_t n)
{
	while (n > 0 && *s) {
		s++;
		while (((unsigned char)*s & 0xc0) == 0x80)
			s++;
		n--;
	}
	return s;
}

static size_t count_chars(const char *s)
{
	size_t n = 0;

	for (; *s; n++)
		s = skip_chars(s, 1);
	return n;
}

#define SHOW_MAX 120u	/* columns of a source line */

static void print_caret(const struct report *report, const struct finding *f, FILE *to)
{
	size_t len = 0;
	const char *line = source_line(report, f->where.file, f->where.line, &len);
	size_t col = (f->where.column ? f->where.column - 1 : 0) + (size_t)f->caret_skip, from = 0, chars;
	size_t width = f->where.width ? f->where.width : 1;
	_cleanup_(freep) char *text = line ? clean(line, len) : NULL;

	if (!text || col > count_chars(text)) {
		if (f->hint) {
			(void)fputs("     │ ", to);
			print_clean(to, f->hint);
			(void)fputc('\n', to);
		}
		return;
	}
	if (col + width > SHOW_MAX)
		from = col > SHOW_MAX / 2 ? col - SHOW_MAX / 2 : 0;
	const char *show = skip_chars(text, from), *end = skip_chars(show, SHOW_MAX);
	bool cut = *end != '\0';
	chars = count_chars(show) < SHOW_MAX ? count_chars(show) : SHOW_MAX;
	col -= from;
	if (col + width > chars)
		width = chars > col ? chars - col : 1;
	(void)fprintf(to, "%4u │ %s%.*s%s\n", f->where.line, from ? "…" : "", (int)(end - show), show, cut ? "…" : "");
	(void)fprintf(to, "     │ %*s^", (int)(col + (from ? 1 : 0)), "");
	for (size_t i = 1; i < width; i++)
		(void)fputc('~', to);
	if (f->hint) {
		(void)fputc(' ', to);
		print_clean(to, f->hint);
	}
	(void)fputc('\n', to);
}

void report_print(struct report *report, FILE *to, bool color)
{
	static const char *const paint[] = { "\033[31m", "\033[33m", "\033[2m" };

	report_sort(report);
	for (size_t i = 0; i < report->n; i++) {
		const struct finding *f = report->findings[i];
		bool placed = f->where.line > 0;

		if (placed)
			(void)fprintf(to, "%s:%u:%u: %s%s%s: ", f->where.file, f->where.line, f->where.column,
				      color ? paint[f->severity] : "", severity_name[f->severity], color ? "\033[0m" : "");
		else
			(void)fprintf(to, "sixtap: %s%s", f->severity == SEVERITY_ERROR ? "" : severity_name[f->severity],
				      f->severity == SEVERITY_ERROR ? "" : ": ");
		if (!placed && f->where.file) {
			print_clean(to, f->where.file);
			(void)fputs(": ", to);
		}
		if (f->key) {
			print_clean(to, f->key);
			(void)fputs(": ", to);
		}
		print_clean(to, f->what);
		if (f->help) {
			(void)fputs("; ", to);
			print_clean(to, f->help);
		}
		(void)fputc('\n', to);
		if (placed)
			print_caret(report, f, to);
	}
}

/* jansson refuses bytes that aren't UTF-8, and what the kernel or a file says may not be. */
static void set_text(json_t *o, const char *key, const char *text)
{
	_cleanup_(freep) char *s = text ? clean(text, strlen(text)) : NULL;

	if (s)
		(void)json_object_set_new(o, key, json_string(s));
}

json_t *report_json(struct report *report)
{
	json_t *errors = json_array();

	report_sort(report);
	for (size_t i = 0; i < report->n; i++) {
		const struct finding *f = report->findings[i];
		json_t *o = json_object();

		set_text(o, "file", f->where.file);
		if (f->where.line > 0) {
			(void)json_object_set_new(o, "line", json_integer(f->where.line));
			(void)json_object_set_new(o, "column", json_integer(f->where.column));
			(void)json_object_set_new(o, "width", json_integer(f->where.width));
			if (f->caret_skip > 0)
				(void)json_object_set_new(o, "skip", json_integer(f->caret_skip));
		}
		set_text(o, "key", f->key);
		set_text(o, "what", f->what);
		set_text(o, "help", f->help);
		set_text(o, "hint", f->hint);
		(void)json_object_set_new(o, "severity", json_string(severity_name[f->severity]));
		(void)json_object_set_new(o, "status", json_integer(f->exit_status));
		(void)json_array_append_new(errors, o);
	}
	return json_pack("{s:i, s:o}", "version", 1, "errors", errors);
}

void report_copy_sources(struct report *to, const struct report *from)
{
	for (size_t i = 0; i < from->n_sources; i++)
		report_source(to, from->sources[i].file, from->sources[i].text, from->sources[i].len);
}

void report_merge(struct report *to, const struct report *from)
{
	report_copy_sources(to, from);
	for (size_t i = 0; i < from->n; i++) {
		const struct finding *f = from->findings[i];
		struct finding *copy = add(to, f->severity, &f->where);

		copy->key = f->key ? xstrdup(f->key) : NULL;
		copy->what = xstrdup(f->what);
		copy->help = f->help ? xstrdup(f->help) : NULL;
		copy->hint = f->hint ? xstrdup(f->hint) : NULL;
		copy->exit_status = f->exit_status;
		copy->caret_skip = f->caret_skip;
	}
}

static unsigned int get_uint(const json_t *o, const char *key, unsigned int otherwise)
{
	const json_t *v = json_object_get(o, key);
	json_int_t i = json_is_integer(v) ? json_integer_value(v) : -1;

	return i >= 0 && i <= INT32_MAX ? (unsigned int)i : otherwise;
}

void report_add_json(struct report *report, const json_t *answer)
{
	const json_t *errors = json_object_get(answer, "errors"), *o;
	size_t i;

	json_array_foreach(errors, i, o) {
		const char *file = json_string_value(json_object_get(o, "file"));
		const char *key = json_string_value(json_object_get(o, "key"));
		const char *what = json_string_value(json_object_get(o, "what"));
		const char *help = json_string_value(json_object_get(o, "help"));
		const char *hint = json_string_value(json_object_get(o, "hint"));
		const char *severity = json_string_value(json_object_get(o, "severity"));
		struct where where = { 0 };
		enum severity s = SEVERITY_ERROR;

		for (unsigned int k = 0; k < SEVERITY_N_; k++)
			if (str_eq(severity, severity_name[k]))
				s = (enum severity)k;
		if (file)
			where = (struct where){ .file = file, .line = get_uint(o, "line", 0),
						.column = get_uint(o, "column", 1), .width = get_uint(o, "width", 1) };
		struct finding *f = report_add(report, s, &where, key, "%s", what ? what : "unknown error");

		if (help)
			report_help(f, "%s", help);
		if (hint)
			report_hint(f, "%s", hint);
		f->caret_skip = get_uint(o, "skip", 0);
		f->exit_status = get_uint(o, "status", f->exit_status);
	}
}

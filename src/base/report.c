/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report - what a person has to read, collected and printed once at the edge
 */
#include "base/report.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>

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
	char **names;		/* file names of findings that came as JSON */
	size_t n_names, cap_names;
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

static char *vprint(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static char *vprint(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	return s;
}

static struct finding *add(struct report *report, enum severity severity, const struct where *where)
{
	struct finding *f = NEW(struct finding);

	f->severity = severity;
	f->exit_status = 1;
	if (where && where->file && where->line > 0) {
		f->where = *where;
		f->exit_status = 2;
	}
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
	f->what = vprint(fmt, ap);
	va_end(ap);
	return f;
}

void report_help(struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	free(finding->help);
	va_start(ap, fmt);
	finding->help = vprint(fmt, ap);
	va_end(ap);
}

void report_hint(struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	free(finding->hint);
	va_start(ap, fmt);
	finding->hint = vprint(fmt, ap);
	va_end(ap);
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

/* Stable order by place: findings without one come first, in the order they were added. */
void report_sort(struct report *report)
{
	for (size_t i = 1; i < report->n; i++) {
		struct finding *f = report->findings[i];
		size_t j = i;

		for (; j > 0; j--) {
			const struct where *a = &report->findings[j - 1]->where, *b = &f->where;
			int c = strcmp(a->file ? a->file : "", b->file ? b->file : "");

			if (c < 0 || (c == 0 && (a->line < b->line || (a->line == b->line && a->column <= b->column))))
				break;
			report->findings[j] = report->findings[j - 1];
		}
		report->findings[j] = f;
	}
}

/* The text of line @line of @file without its newline, or NULL. */
static const char *source_line(const struct report *report, const char *file, unsigned int line, size_t *ret_len)
{
	for (size_t i = 0; i < report->n_sources; i++) {
		const struct source *s = &report->sources[i];
		const char *p = s->text, *end = s->text + s->len;

		if (strcmp(s->file, file) != 0)
			continue;
		for (unsigned int n = 1; p && p < end; n++) {
			const char *nl = memchr(p, '\n', (size_t)(end - p));

			if (n == line) {
				*ret_len = (size_t)((nl ? nl : end) - p);
				return p;
			}
			p = nl ? nl + 1 : NULL;
		}
	}
	return NULL;
}

/* Control characters of a hostile file must not reach the terminal. */
static void print_clean(FILE *to, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '\t')
			(void)fputc(' ', to);
		else
			(void)fputc(c < 0x20 || c == 0x7f ? '?' : c, to);
	}
}

static void print_caret(const struct report *report, const struct finding *f, FILE *to)
{
	size_t len = 0;
	const char *line = source_line(report, f->where.file, f->where.line, &len);
	unsigned int col = f->where.column ? f->where.column : 1, width = f->where.width ? f->where.width : 1;

	if (!line || col > len + 1) {
		if (f->hint)
			(void)fprintf(to, "     %s\n", f->hint);
		return;
	}
	if (len > 200)
		len = 200;
	if (col > len + 1)
		return;
	if (col - 1 + width > len)
		width = len > col - 1 ? (unsigned int)(len - (col - 1)) : 1;
	(void)fprintf(to, "%4u │ ", f->where.line);
	print_clean(to, line, len);
	(void)fprintf(to, "\n     │ %*s^", (int)(col - 1), "");
	for (unsigned int i = 1; i < width; i++)
		(void)fputc('~', to);
	(void)fprintf(to, "%s%s\n", f->hint ? " " : "", f->hint ? f->hint : "");
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
		if (f->key)
			(void)fprintf(to, "%s: ", f->key);
		print_clean(to, f->what, strlen(f->what));
		if (f->help) {
			(void)fputs("; ", to);
			print_clean(to, f->help, strlen(f->help));
		}
		(void)fputc('\n', to);
		if (placed)
			print_caret(report, f, to);
	}
}

json_t *report_json(struct report *report)
{
	json_t *errors = json_array();

	report_sort(report);
	for (size_t i = 0; i < report->n; i++) {
		const struct finding *f = report->findings[i];
		json_t *o = json_object();

		if (f->where.line > 0) {
			(void)json_object_set_new(o, "file", json_string(f->where.file));
			(void)json_object_set_new(o, "line", json_integer(f->where.line));
			(void)json_object_set_new(o, "column", json_integer(f->where.column));
			(void)json_object_set_new(o, "width", json_integer(f->where.width));
		}
		if (f->key)
			(void)json_object_set_new(o, "key", json_string(f->key));
		(void)json_object_set_new(o, "what", json_string(f->what));
		if (f->help)
			(void)json_object_set_new(o, "help", json_string(f->help));
		if (f->hint)
			(void)json_object_set_new(o, "hint", json_string(f->hint));
		(void)json_object_set_new(o, "severity", json_string(severity_name[f->severity]));
		(void)json_object_set_new(o, "status", json_integer(f->exit_status));
		(void)json_array_append_new(errors, o);
	}
	return json_pack("{s:i, s:o}", "version", 1, "errors", errors);
}

void report_merge(struct report *to, const struct report *from)
{
	for (size_t i = 0; i < from->n_sources; i++)
		report_source(to, from->sources[i].file, from->sources[i].text, from->sources[i].len);
	for (size_t i = 0; i < from->n; i++) {
		const struct finding *f = from->findings[i];
		struct finding *copy = add(to, f->severity, NULL);

		copy->where = f->where;
		copy->key = f->key ? xstrdup(f->key) : NULL;
		copy->what = xstrdup(f->what);
		copy->help = f->help ? xstrdup(f->help) : NULL;
		copy->hint = f->hint ? xstrdup(f->hint) : NULL;
		copy->exit_status = f->exit_status;
	}
}

static const char *keep_name(struct report *report, const char *name)
{
	GROW(report->names, report->n_names, report->cap_names);
	report->names[report->n_names] = xstrdup(name);
	return report->names[report->n_names++];
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
			where = (struct where){ keep_name(report, file), get_uint(o, "line", 0), get_uint(o, "column", 1),
						get_uint(o, "width", 1) };
		struct finding *f = report_add(report, s, &where, key, "%s", what ? what : "unknown error");

		if (help)
			report_help(f, "%s", help);
		if (hint)
			report_hint(f, "%s", hint);
		f->exit_status = get_uint(o, "status", f->exit_status);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ascii - what people read, in locales that have no UTF-8
 */
#include "cmd/ascii.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/utf8.h"

static const struct {
	const char *utf8, *ascii;
} spellings[] = {
	{ "→", "->" }, { "⇐", "<=" }, { "⇄", "<->" }, { "↔", "<->" }, { "…", "..." }, { "·", "." }, { "–", "-" }, { "—", "-" },
	{ "−", "-" },  { "×", "x" },  { "≠", "!=" },  { "≤", "<=" },  { "≥", ">=" },  { "≈", "~" }, { "✓", "ok" }, { "✗", "X" },
	{ "●", "*" },  { "◐", "%" },  { "○", "o" },   { "│", "|" },   { "├", "|" },   { "└", "`" }, { "─", "-" }, { "←", "<-" },
	{ "“", "\"" }, { "”", "\"" }, { "’", "'" },   { "∞", "inf" }, { "µ", "u" },   { "⠸", "-" },
};

struct stream {
	int fd;
	char rest[4];		/* of a character that was cut by a buffer's end */
	size_t n_rest;
};

static bool installed;

static const char *spell(const char *s, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++)
		if (strlen(spellings[i].utf8) == n && memcmp(spellings[i].utf8, s, n) == 0)
			return spellings[i].ascii;
	return "?";
}

/* How long the character at @s means to be; 1 for what isn't one. */
static size_t length(unsigned char c)
{
	return c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;
}

static int write_all(int fd, const char *s, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, s, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		s += r;
		n -= (size_t)r;
	}
	return 0;
}

static ssize_t on_write(void *cookie, const char *buf, size_t size)
{
	struct stream *st = cookie;
	char *in = xcalloc(st->n_rest + size + 1, 1), *out = xcalloc((st->n_rest + size) * 3 + 1, 1);
	size_t n = st->n_rest + size, at = 0, len = 0;

	memcpy(in, st->rest, st->n_rest);
	memcpy(in + st->n_rest, buf, size);
	st->n_rest = 0;
	while (at < n) {
		size_t want = length((unsigned char)in[at]);
		uint32_t c;

		if (at + want > n) {
			st->n_rest = n - at;
			memcpy(st->rest, in + at, st->n_rest);
			break;
		}
		size_t got = utf8_decode(in + at, n - at, &c);
		const char *s = got > 1 ? spell(in + at, got) : NULL;

		if (s)
			len += strlen(strcpy(out + len, s));
		else
			out[len++] = (unsigned char)in[at] < 0x80 ? in[at] : '?';
		at += got ? got : 1;
	}
	int r = write_all(st->fd, out, len);

	free(in);
	free(out);
	return r < 0 ? 0 : (ssize_t)size;	/* 0 is an error to fopencookie(3); errno says which */
}

static void install(FILE **stream, struct stream *cookie, int fd, int buffering)
{
	const cookie_io_functions_t io = { .write = on_write };
	FILE *f;

	cookie->fd = fd;
	f = fopencookie(cookie, "w", io);
	if (!f)
		return;
	(void)setvbuf(f, NULL, buffering, BUFSIZ);
	*stream = f;
}

void ascii_install(void)
{
	static struct stream out, err;

	install(&stdout, &out, STDOUT_FILENO, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF);
	install(&stderr, &err, STDERR_FILENO, _IONBF);
	installed = true;
}

int ascii_columns(const char *s)
{
	size_t left = strlen(s);
	int columns = 0;

	while (left > 0) {
		uint32_t c;
		size_t n = utf8_decode(s, left, &c);

		columns += installed && n > 1 ? (int)strlen(spell(s, n)) : 1;
		n = n ? n : 1;
		s += n;
		left -= n;
	}
	return columns;
}

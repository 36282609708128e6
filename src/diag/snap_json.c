/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snap_json - a snapshot as JSON and back
 *
 * Theory of operation: one walk over the tables of snap_fields.h each way. A
 * file is somebody else's until it was read: numbers must fit their members,
 * texts must be free of control characters, and what all arrays together may
 * take is bounded before anything is allocated for them. Members that this
 * version doesn't know are passed over; a newer version is refused.
 */
#include "diag/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include "diag/snap_fields.h"
#include "diag/snap_read.h"

#define HELD_MAX (256U << 20) /* bytes of structs that a file may ask for */
#define DEPTH_MAX 16 /* of what is told about a wrong value */
#define FORMAT "sixtap-snapshot"

/* ---------------------------------------------------------------------- saving */

static json_t *put_struct(const struct snap_struct *of, const void *at);

static json_t *put_bytes(const struct snap_bytes *b)
{
	static const char digits[] = "0123456789abcdef";
	_cleanup_(freep) char *text = xcalloc(b->n * 2 + 1, 1);

	for (uint32_t i = 0; i < b->n; i++) {
		text[i * 2] = digits[b->p[i] >> 4];
		text[i * 2 + 1] = digits[b->p[i] & 15];
	}
	return json_string(text);
}

static json_t *put_integer(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

/* NULL: it is zero. */
static json_t *put_value(enum snap_type type, const struct snap_struct *of, const void *at)
{
	switch (type) {
	case SNAP_BOOL:
		return *(const bool *)at ? json_true() : NULL;
	case SNAP_U8:
		return *(const uint8_t *)at ? json_integer(*(const uint8_t *)at) : NULL;
	case SNAP_U16:
		return *(const uint16_t *)at ? json_integer(*(const uint16_t *)at) : NULL;
	case SNAP_U32:
		return *(const uint32_t *)at ? json_integer(*(const uint32_t *)at) : NULL;
	case SNAP_U64:
		return *(const uint64_t *)at ? put_integer(*(const uint64_t *)at) : NULL;
	case SNAP_I8:
		return *(const int8_t *)at ? json_integer(*(const int8_t *)at) : NULL;
	case SNAP_I32:
		return *(const int32_t *)at ? json_integer(*(const int32_t *)at) : NULL;
	case SNAP_I64:
		return *(const int64_t *)at ? json_integer(*(const int64_t *)at) : NULL;
	case SNAP_STR: {
		const char *s = *(const char *const *)at;

		return s && s[0] ? json_string(s) : NULL;
	}
	case SNAP_MAC:
		return mac_is_zero(at) ? NULL : json_string(MAC_STR((const struct mac *)at));
	case SNAP_IP:
		return ip_is_set(at) ? json_string(IP_STR((const struct ip *)at)) : NULL;
	case SNAP_PREFIX:
		return ip_is_set(&((const struct prefix *)at)->ip) ? json_string(PREFIX_STR((const struct prefix *)at))
								   : NULL;
	case SNAP_BYTES:
		return ((const struct snap_bytes *)at)->n > 0 ? put_bytes(at) : NULL;
	case SNAP_OCTETS: {
		const struct snap_bytes b = { at, 16 };
		static const uint8_t zero[16];

		return memcmp(at, zero, 16) == 0 ? NULL : put_bytes(&b);
	}
	case SNAP_STRUCT: {
		json_t *o = put_struct(of, at);

		if (json_object_size(o) > 0)
			return o;
		json_decref(o);
		return NULL;
	}
	case SNAP_ARRAY:
	case SNAP_TYPE_N_:
		break;
	}
	return NULL;
}

static json_t *put_array(const struct snap_field *f, const uint8_t *at)
{
	const uint8_t *elems = *(uint8_t *const *)(const void *)(at + f->offset);
	size_t n = *(const size_t *)(const void *)(at + f->count), size = snap_field_elem_size(f);

	if (n == 0)
		return NULL;
	json_t *a = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *v = f->of ? put_struct(f->of, elems + i * size) : put_value(f->elem, NULL, elems + i * size);

		(void)json_array_append_new(a, v ? v : json_string(""));
	}
	return a;
}

static json_t *put_struct(const struct snap_struct *of, const void *at)
{
	json_t *o = json_object();

	for (size_t i = 0; i < of->n_fields; i++) {
		const struct snap_field *f = &of->fields[i];
		const uint8_t *p = at;
		json_t *v = f->type == SNAP_ARRAY ? put_array(f, p) : put_value(f->type, f->of, p + f->offset);

		if (v)
			(void)json_object_set_new(o, f->name, v);
	}
	return o;
}

json_t *snapshot_json(const struct snapshot *s)
{
	json_t *root = put_struct(&snap_struct_snapshot, s);

	(void)json_object_set_new(root, "version", json_integer(SNAPSHOT_VERSION));
	(void)json_object_set_new(root, "format", json_string(FORMAT));
	return root;
}

/* --------------------------------------------------------------------- loading */

struct load {
	struct snapshot *s;
	struct report *report;
	const char *name;
	const char *path[DEPTH_MAX]; /* where in the file: member names and … */
	size_t index[DEPTH_MAX]; /* … places in arrays, counted from 1; 0: none */
	size_t depth;
	size_t held;
};

static int refuse(const struct load *l, const char *what)
{
	char at[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < l->depth && i < DEPTH_MAX && n < sizeof(at); i++) {
		int r = l->index[i] > 0 ? snprintf(at + n, sizeof(at) - n, "%s%s[%zu]", i ? "." : "", l->path[i],
						   l->index[i] - 1)
					: snprintf(at + n, sizeof(at) - n, "%s%s", i ? "." : "", l->path[i]);
		n += r > 0 ? (size_t)r : 0;
	}
	report_error(l->report, l->name, "%s%s%s", at, at[0] ? ": " : "", what);
	return -EBADMSG;
}

static int get_struct(struct load *l, const struct snap_struct *of, const json_t *o, void *at);

static int get_unsigned(struct load *l, const json_t *v, uint64_t max, uint64_t *ret)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max)
		return refuse(l, "not a number that fits here");
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

static int get_signed(struct load *l, const json_t *v, int64_t min, int64_t max, int64_t *ret)
{
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return refuse(l, "not a number that fits here");
	*ret = json_integer_value(v);
	return 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int get_bytes(struct load *l, const json_t *v, struct snap_bytes *ret)
{
	const char *s = json_string_value(v);
	size_t len = json_string_length(v);

	if (!s || len % 2 != 0)
		return refuse(l, "not bytes in hexadecimal");
	uint8_t *p = arena_alloc(l->s->arena, len / 2 + 1, 1);
	for (size_t i = 0; i < len; i += 2) {
		int a = digit(s[i]), b = digit(s[i + 1]);

		if (a < 0 || b < 0)
			return refuse(l, "not bytes in hexadecimal");
		p[i / 2] = (uint8_t)(a << 4 | b);
	}
	*ret = (struct snap_bytes){ p, (uint32_t)(len / 2) };
	return 0;
}

static int get_value(struct load *l, enum snap_type type, const struct snap_struct *of, const json_t *v, void *at)
{
	uint64_t u = 0;
	int64_t i = 0;
	int r;

	switch (type) {
	case SNAP_BOOL:
		if (!json_is_boolean(v))
			return refuse(l, "neither true nor false");
		*(bool *)at = json_is_true(v);
		return 0;
	case SNAP_U8:
		r = get_unsigned(l, v, UINT8_MAX, &u);
		*(uint8_t *)at = (uint8_t)u;
		return r;
	case SNAP_U16:
		r = get_unsigned(l, v, UINT16_MAX, &u);
		*(uint16_t *)at = (uint16_t)u;
		return r;
	case SNAP_U32:
		r = get_unsigned(l, v, UINT32_MAX, &u);
		*(uint32_t *)at = (uint32_t)u;
		return r;
	case SNAP_U64:
		r = get_unsigned(l, v, UINT64_MAX, &u);
		*(uint64_t *)at = u;
		return r;
	case SNAP_I8:
		r = get_signed(l, v, INT8_MIN, INT8_MAX, &i);
		*(int8_t *)at = (int8_t)i;
		return r;
	case SNAP_I32:
		r = get_signed(l, v, INT32_MIN, INT32_MAX, &i);
		*(int32_t *)at = (int32_t)i;
		return r;
	case SNAP_I64:
		r = get_signed(l, v, INT64_MIN, INT64_MAX, &i);
		*(int64_t *)at = i;
		return r;
	case SNAP_STR:
		if (!json_is_string(v) || !snap_is_clean(json_string_value(v)))
			return refuse(l, "not a text without control characters");
		*(const char **)at = arena_strdup(l->s->arena, json_string_value(v));
		return 0;
	case SNAP_MAC:
		if (json_is_string(v) && json_string_length(v) == 0)
			return 0; /* an array may hold none */
		return json_is_string(v) && mac_parse(json_string_value(v), at) ? 0 : refuse(l, "not a MAC address");
	case SNAP_IP:
		return json_is_string(v) && ip_parse(json_string_value(v), at) ? 0 : refuse(l, "not an address");
	case SNAP_PREFIX:
		return json_is_string(v) && prefix_parse(json_string_value(v), at) ? 0 : refuse(l, "not a prefix");
	case SNAP_BYTES:
		return get_bytes(l, v, at);
	case SNAP_OCTETS: {
		struct snap_bytes b;

		r = get_bytes(l, v, &b);
		if (r == 0 && b.n != 16)
			return refuse(l, "not 16 bytes");
		if (r == 0)
			memcpy(at, b.p, 16);
		return r;
	}
	case SNAP_STRUCT:
		return get_struct(l, of, v, at);
	case SNAP_ARRAY:
	case SNAP_TYPE_N_:
		break;
	}
	return refuse(l, "of no known type");
}

static int get_array(struct load *l, const struct snap_field *f, const json_t *v, uint8_t *at)
{
	size_t n = json_array_size(v), size = snap_field_elem_size(f);
	int r = 0;

	if (!json_is_array(v))
		return refuse(l, "not a list");
	if (n > HELD_MAX / size || l->held + n * size > HELD_MAX)
		return refuse(l, "more than any host has");
	l->held += n * size;
	uint8_t *elems = arena_alloc(l->s->arena, n, size);
	size_t d = l->depth - 1;
	for (size_t i = 0; i < n && r == 0; i++) {
		if (d < DEPTH_MAX)
			l->index[d] = i + 1;
		r = get_value(l, f->elem, f->of, json_array_get(v, i), elems + i * size);
	}
	if (d < DEPTH_MAX)
		l->index[d] = 0;
	*(uint8_t **)(void *)(at + f->offset) = elems;
	*(size_t *)(void *)(at + f->count) = n;
	return r;
}

static int get_struct(struct load *l, const struct snap_struct *of, const json_t *o, void *at)
{
	if (!json_is_object(o))
		return refuse(l, "not an object");
	for (size_t i = 0; i < of->n_fields; i++) {
		const struct snap_field *f = &of->fields[i];
		const json_t *v = json_object_get(o, f->name);
		uint8_t *p = at;
		int r;

		if (!v)
			continue;
		if (l->depth < DEPTH_MAX) {
			l->path[l->depth] = f->name;
			l->index[l->depth] = 0;
		}
		l->depth++;
		r = f->type == SNAP_ARRAY ? get_array(l, f, v, p) : get_value(l, f->type, f->of, v, p + f->offset);
		l->depth--;
		if (r < 0)
			return r;
	}
	return 0;
}

int snapshot_from_json(struct snapshot **ret, const json_t *root, const char *name, struct report *report)
{
	_cleanup_(snapshot_freep) struct snapshot *s = snapshot_new();
	struct load l = { .s = s, .report = report, .name = name };
	const json_t *version = json_object_get(root, "version");
	const char *format = json_string_value(json_object_get(root, "format"));

	if (!format || strcmp(format, FORMAT) != 0 || !json_is_integer(version))
		return refuse(&l, "not a snapshot of sixtap's (doctor --save writes them)");
	if (json_integer_value(version) != SNAPSHOT_VERSION) {
		report_error(report, name,
			     "a snapshot of version %" JSON_INTEGER_FORMAT "; this sixtap reads version %d",
			     json_integer_value(version), SNAPSHOT_VERSION);
		return -EBADMSG;
	}
	int r = get_struct(&l, &snap_struct_snapshot, root, s);
	if (r < 0)
		return r;
	snapshot_finish(s);
	*ret = STEAL_PTR(s);
	return 0;
}

/* ----------------------------------------------------------------------- files */

static int failed(struct report *report, const char *path, int err)
{
	report_error(report, path, "%s", strerror(-err));
	return err;
}

static int write_all(int fd, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, text, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		text += w;
		n -= (size_t)w;
	}
	return 0;
}

int snapshot_save(const struct snapshot *s, const char *path, struct report *report)
{
	json_t *root = snapshot_json(s);
	_cleanup_(freep) char *text = json_dumps(root, JSON_COMPACT);
	_cleanup_(freep) char *beside = xasprintf("%s.%d.new", path, (int)getpid());
	int r;

	json_decref(root);
	if (!text)
		return failed(report, path, -EINVAL);
	if (strcmp(path, "-") == 0) {
		r = write_all(STDOUT_FILENO, text, strlen(text));
		if (r == 0)
			r = write_all(STDOUT_FILENO, "\n", 1);
		return r < 0 && r != -EPIPE ? failed(report, "standard output", r) : 0;	/* a reader may leave */
	}
	int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return failed(report, path, -errno);
	r = write_all(fd, text, strlen(text));
	if (r == 0)
		r = write_all(fd, "\n", 1);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(beside);
		return failed(report, path, r);
	}
	return 0;
}

int snapshot_load(struct snapshot **ret, const char *path, struct report *report)
{
	bool in = strcmp(path, "-") == 0;
	const char *name = in ? "standard input" : path;
	_cleanup_(closep) int fd =
		in ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_(freep) char *text = NULL;
	size_t n = 0, cap = 0;
	json_error_t e;

	if (fd < 0)
		return failed(report, name, -errno);
	for (;;) {
		if (n + 1 >= cap) {
			cap = cap ? cap * 2 : 64 * 1024;
			text = xrealloc(text, cap, 1);
		}
		ssize_t r = read(fd, text + n, cap - n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EISDIR) {
			report_error(report, name, "a folder, not a file that `sixtap doctor --save` wrote");
			return -EISDIR;
		}
		if (r < 0)
			return failed(report, name, -errno);
		if (r == 0)
			break;
		n += (size_t)r;
		if (n > SNAPSHOT_FILE_MAX) {
			report_error(report, name, "larger than %u MiB, which no snapshot is", SNAPSHOT_FILE_MAX >> 20);
			return -EFBIG;
		}
	}
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e);
	if (!root) {
		if (n == 0)
			report_error(report, name, "it is empty");
		else if (text[strspn(text, " \t\r\n")] != '{')
			report_error(report, name, "not a file that `sixtap doctor --save` wrote");
		else
			report_error(report, name, "line %d: %s; is it cut off?", e.line, e.text);
		return -EBADMSG;
	}
	int r = snapshot_from_json(ret, root, name, report);
	json_decref(root);
	return r;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/mem.h"
#include "kern/records.h"

static char dir[] = "/tmp/st-records-XXXXXX";

static int setup(void **state)
{
	(void)state;
	(void)strcpy(dir, "/tmp/st-records-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	_cleanup_(freep) char *command = xasprintf("rm -r %s", dir);

	(void)state;
	return system(command);
}

static int count(void *user, const char *key, const json_t *value)
{
	(void)key;
	(void)value;
	return ++*(int *)user > 100 ? -E2BIG : 0;
}

static int find(void *user, const char *key, const json_t *value)
{
	const char **wanted = user;

	if (strcmp(key, wanted[0]) == 0 && strcmp(json_string_value(value), wanted[1]) == 0)
		wanted[0] = "";
	return 0;
}

static void test_keys(void **state)
{
	static const struct {
		const char *key, *file, *why;
	} t[] = {
		{ "web", "web.json", "plain" },
		{ "net/ipv4/ip_forward", "net%2Fipv4%2Fip_forward.json", "a path stays below the folder" },
		{ "../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd.json", "no way out" },
		{ ".", "%2E.json", "no hidden files" },
		{ "a b%41\n\xc3\xa4", "a%20b%2541%0A%C3%A4.json", "any byte" },
		{ "x.json", "x.json.json", "a suffix of its own" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		json_t *value = json_string(t[i].why), *back = NULL;
		_cleanup_(freep) char *path = xasprintf("%s/run/kind/%s", dir, t[i].file);
		_cleanup_(freep) char *run = xasprintf("%s/run", dir);
		const char *wanted[] = { t[i].key, t[i].why };
		struct stat st;

		assert_int_equal(record_put(run, "kind", t[i].key, value), 0);
		if (stat(path, &st) < 0)
			fail_msg("%s: no %s", t[i].why, path);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(record_get(run, "kind", t[i].key, &back), 0);
		assert_true(json_equal(back, value));
		assert_int_equal(record_each(run, "kind", find, wanted), 0);
		assert_string_equal(wanted[0], "");
		json_decref(back);
		json_decref(value);
		assert_int_equal(record_del(run, "kind", t[i].key), 0);
		assert_int_equal(record_del(run, "kind", t[i].key), 1);
		assert_int_equal(record_get(run, "kind", t[i].key, &back), 1);
	}
}

static void test_refusals(void **state)
{
	json_t *value = json_true(), *back = NULL;
	char longer[300];
	int n = 0;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(record_put(dir, "kind", longer, value), -ENAMETOOLONG);
	assert_int_equal(record_put(dir, "kind", "", value), -ENAMETOOLONG);
	assert_int_equal(record_put("/proc/nothere", "kind", "a", value), -ENOENT);
	assert_int_equal(record_del(dir, "kind", "a"), 1);
	assert_int_equal(record_get(dir, "kind", "a", &back), 1);
	assert_int_equal(record_each(dir, "kind", count, &n), 0);
	assert_int_equal(n, 0);
	json_decref(value);
}

/* Whatever kinds there were: the folder goes when no record is left. */
static void test_remove(void **state)
{
	_cleanup_(freep) char *own = xasprintf("%s/remove", dir);
	json_t *value = json_true();

	(void)state;
	assert_int_equal(records_remove(own), 0);
	assert_int_equal(mkdir(own, 0700), 0);
	assert_int_equal(record_put(own, "one", "a", value), 0);
	assert_int_equal(record_put(own, "two", "b", value), 0);
	assert_int_equal(record_del(own, "one", "a"), 0);
	assert_int_equal(records_remove(own), -ENOTEMPTY);
	assert_int_equal(record_del(own, "two", "b"), 0);
	assert_int_equal(records_remove(own), 0);
	assert_int_equal(access(own, F_OK), -1);
	json_decref(value);
}

/* What isn't a record is left out, and left alone. */
static void test_strangers(void **state)
{
	static const char *const names[] = { "half.json", "%zz.json", "%00.json", ".new-1", "readme", ".json", "%4.json" };
	_cleanup_(freep) char *link = xasprintf("%s/kind/link.json", dir), *fifo = xasprintf("%s/kind/fifo.json", dir);
	json_t *value = json_pack("{s:i}", "n", 1), *back = NULL;
	int n = 0;

	(void)state;
	assert_int_equal(record_put(dir, "kind", "good", value), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_(freep) char *path = xasprintf("%s/kind/%s", dir, names[i]);
		_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		assert_int_equal(write(fd, "{\"n\":", 5), 5);
	}
	assert_int_equal(symlink("good.json", link), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(record_each(dir, "kind", count, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(record_get(dir, "kind", "half", &back), -EBADMSG);
	assert_int_equal(record_get(dir, "kind", "fifo", &back), -EBADMSG);
	/* Replaced whole, not written into. */
	assert_int_equal(record_put(dir, "kind", "half", value), 0);
	assert_int_equal(record_get(dir, "kind", "half", &back), 0);
	assert_true(json_equal(back, value));
	json_decref(back);
	json_decref(value);
}

static void test_found(void **state)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	char *found = NULL, *ours = NULL;
	struct w_found *all = NULL;
	json_t *odd = json_pack("{s:s}", "found", "1");
	size_t n = 9;

	(void)state;
	assert_int_equal(record_found_all(dir, arena, &all, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(record_found_put(dir, "net/ipv4/ip_forward", "0", "1"), 0);
	assert_int_equal(record_put(dir, "sysctl", "odd", odd), 0);
	assert_int_equal(record_found_get(dir, "net/ipv4/ip_forward", &found, &ours), 0);
	assert_string_equal(found, "0");
	assert_string_equal(ours, "1");
	free(found);
	free(ours);
	assert_int_equal(record_found_get(dir, "odd", &found, &ours), 1);
	assert_int_equal(record_found_all(dir, arena, &all, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(all[0].path, "net/ipv4/ip_forward");
	assert_int_equal(record_found_del(dir, "net/ipv4/ip_forward"), 0);
	assert_int_equal(record_found_get(dir, "net/ipv4/ip_forward", &found, &ours), 1);
	json_decref(odd);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_keys), TEST(test_refusals), TEST(test_remove), TEST(test_strangers), TEST(test_found) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

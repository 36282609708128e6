/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/leasedb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW (5000 * MONO_S)
#define WALL 1700000000

struct folder {
	char dir[64];
	char file[96];
};

static int make_folder(void **state)
{
	struct folder *f = NEW(struct folder);

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/sixtap-leasedb-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->file, sizeof(f->file), "%s/leases.db", f->dir);
	*state = f;
	return 0;
}

static int remove_folder(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal", ".corrupt-1", ".corrupt-1-wal", ".corrupt-2" };
	struct folder *f = *state;

	(void)chmod(f->dir, 0700);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		_cleanup_(freep) char *path = xasprintf("%s%s", f->file, ends[i]);

		(void)unlink(path);
	}
	assert_int_equal(rmdir(f->dir), 0);		/* and nothing else was left there */
	free(f);
	return 0;
}

static struct leasedb *open_db(const struct folder *f)
{
	struct leasedb *db;

	assert_int_equal(leasedb_open(&db, f->file), 0);
	leasedb_set_clock(db, NOW, WALL);
	return db;
}

static struct lease lease_of(const char *network, const char *ip, unsigned int left_s)
{
	struct lease l = { .mac = { { 0x52, 0x54, 0, 0, 0, 1 } }, .client = { .len = 3, .b = { 0, 0xff, 7 } },
			   .iaid = UINT32_MAX, .hostname = "web", .expires = NOW + left_s * MONO_S };

	(void)str_copy(l.network, sizeof(l.network), network);
	assert_true(ip_parse(ip, &l.ip));
	return l;
}

struct seen {
	struct lease leases[16];
	size_t n;
};

static void see(void *user, const struct lease *lease)
{
	struct seen *seen = user;

	if (seen->n < ARRAY_LEN(seen->leases))
		seen->leases[seen->n] = *lease;
	seen->n++;
}

static struct seen load(struct leasedb *db)
{
	struct seen seen = { 0 };

	assert_int_equal(leasedb_load(db, NULL, see, &seen), 0);
	return seen;
}

static void test_round_trip(void **state)
{
	struct lease a = lease_of("lan", "192.168.150.100", 60), b = lease_of("lan", "fd00::100", 50), again = a;
	struct leasedb *db = open_db(*state);

	assert_true(leasedb_writable(db));
	assert_int_equal(leasedb_commit(db), 0);	/* nothing to do */
	b.client.len = 130;
	b.hostname[0] = '\0';
	assert_int_equal(leasedb_put(db, &a), 0);
	assert_int_equal(leasedb_put(db, &b), 0);
	assert_int_equal(leasedb_commit(db), 0);
	again.expires += 100 * MONO_S;
	assert_int_equal(leasedb_put(db, &again), 0);	/* renewed: the same row */
	(void)str_copy(again.network, sizeof(again.network), "other");
	assert_int_equal(leasedb_put(db, &again), 0);	/* another network: another row */
	assert_int_equal(leasedb_commit(db), 0);
	db = leasedb_free(db);

	db = open_db(*state);
	leasedb_set_clock(db, NOW + 7 * MONO_S, WALL + 10);	/* another boot: other offset */
	struct seen seen = load(db);
	assert_int_equal(seen.n, 3);
	assert_memory_equal(&seen.leases[0].client, &b.client, sizeof(b.client));
	assert_int_equal(seen.leases[0].ip.family, AF_INET6);
	assert_int_equal(seen.leases[0].expires, NOW + (50 + 7 - 10) * MONO_S);
	assert_int_equal(seen.leases[1].expires, NOW + (160 + 7 - 10) * MONO_S);
	assert_int_equal(seen.leases[1].iaid, UINT32_MAX);
	assert_string_equal(seen.leases[1].hostname, "web");
	assert_memory_equal(&seen.leases[1].mac, &a.mac, sizeof(a.mac));
	leasedb_free(db);
}

static void test_one_network(void **state)
{
	static const struct { const char *network, *ip, *why; unsigned int left_s; } rows[] = {
		{ "lan", "192.168.150.102", "ends last", 90 },
		{ "lan", "fd00::100", "ends first", 50 },
		{ "lan2", "192.168.150.102", "the name goes on", 40 },
		{ "la", "192.168.150.102", "the name is shorter", 60 },
		{ "lan", "192.168.150.101", "in between", 70 },
	};
	struct seen seen = { 0 };
	struct leasedb *db = open_db(*state);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lease l = lease_of(rows[i].network, rows[i].ip, rows[i].left_s);

		assert_int_equal(leasedb_put(db, &l), 0);
	}
	assert_int_equal(leasedb_commit(db), 0);
	assert_int_equal(leasedb_load(db, "lan", see, &seen), 0);
	assert_int_equal(seen.n, 3);
	for (size_t i = 0; i < seen.n; i++) {
		assert_string_equal(seen.leases[i].network, "lan");
		assert_true(i == 0 || seen.leases[i].expires > seen.leases[i - 1].expires);
	}
	seen.n = 0;
	assert_int_equal(leasedb_load(db, "nobody", see, &seen), 0);
	assert_int_equal(seen.n, 0);
	leasedb_free(db);
}

static void test_gone(void **state)
{
	struct lease a = lease_of("lan", "192.168.150.100", 60), b = lease_of("lan", "192.168.150.101", 60);
	struct leasedb *db = open_db(*state);

	assert_int_equal(leasedb_put(db, &a), 0);
	assert_int_equal(leasedb_put(db, &b), 0);
	assert_int_equal(leasedb_commit(db), 0);
	a.expires = NOW;				/* released: remembered */
	b.expires = 0;					/* declined: removed */
	assert_int_equal(leasedb_gone(db, &a), 0);
	assert_int_equal(leasedb_gone(db, &b), 0);
	assert_int_equal(leasedb_commit(db), 0);
	struct seen seen = load(db);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.leases[0].expires, 0);
	assert_true(ip_eq(&seen.leases[0].ip, &a.ip));
	leasedb_free(db);
}

/* kill -9 behind a commit loses nothing; what wasn't committed isn't there. */
static void test_killed(void **state)
{
	struct lease a = lease_of("lan", "192.168.150.100", 60);
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct leasedb *db = NULL;

		(void)leasedb_open(&db, ((struct folder *)*state)->file);
		leasedb_set_clock(db, NOW, WALL);
		for (uint64_t i = 0; i < 200; i++) {
			a.ip = ip_add(&a.ip, 1);
			(void)leasedb_put(db, &a);
			if (i % 10 == 9)
				(void)leasedb_commit(db);
		}
		a.ip = ip_add(&a.ip, 1);
		(void)leasedb_put(db, &a);
		(void)kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	struct leasedb *db = open_db(*state);
	assert_int_equal(load(db).n, 200);
	leasedb_free(db);
}

static void write_file(const char *path, const void *data, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	(void)close(fd);
}

static void test_no_database(void **state)
{
	static const char text[] = "this was never a database; it is some other file, long enough to have a header in it";
	struct lease a = lease_of("lan", "192.168.150.100", 60);
	struct folder *f = *state;
	char moved[128];

	write_file(f->file, text, sizeof(text));
	struct leasedb *db = open_db(f);
	assert_true(leasedb_writable(db));
	(void)snprintf(moved, sizeof(moved), "%s.corrupt-1", f->file);
	assert_string_equal(leasedb_moved_to(db), moved);
	assert_non_null(strstr(leasedb_error(db), f->file));
	assert_int_equal(access(moved, F_OK), 0);
	assert_int_equal(leasedb_put(db, &a), 0);
	assert_int_equal(leasedb_commit(db), 0);
	assert_int_equal(load(db).n, 1);
	leasedb_free(db);
}

/* Pages in the middle are overwritten: found when the file is opened, not when a guest waits. */
static void test_damaged(void **state)
{
	struct lease a = lease_of("lan", "192.168.0.1", 60);
	struct folder *f = *state;
	struct leasedb *db = open_db(f);
	uint8_t junk[4096];

	for (unsigned int i = 0; i < 2000; i++) {
		a.ip = ip_add(&a.ip, 1);
		assert_int_equal(leasedb_put(db, &a), 0);
	}
	assert_int_equal(leasedb_commit(db), 0);
	leasedb_free(db);
	memset(junk, 0x5a, sizeof(junk));
	int fd = open(f->file, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, junk, sizeof(junk), 3 * 4096), sizeof(junk));
	(void)close(fd);

	db = open_db(f);
	assert_non_null(leasedb_moved_to(db));
	assert_true(leasedb_writable(db));
	assert_int_equal(load(db).n, 0);
	leasedb_free(db);
}

/* Somebody else's database isn't touched. */
static void test_foreign(void **state)
{
	struct lease a = lease_of("lan", "192.168.150.100", 60);
	struct folder *f = *state;
	sqlite3 *sql;

	assert_int_equal(sqlite3_open(f->file, &sql), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sql, "CREATE TABLE mine (x)", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(sql);
	struct leasedb *db = open_db(f);
	assert_false(leasedb_writable(db));
	assert_null(leasedb_moved_to(db));
	assert_non_null(strstr(leasedb_error(db), "another program"));
	assert_int_equal(leasedb_put(db, &a), -EROFS);
	leasedb_free(db);
}

static void test_newer(void **state)
{
	struct folder *f = *state;
	sqlite3 *sql;

	leasedb_free(open_db(f));
	assert_int_equal(sqlite3_open(f->file, &sql), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sql, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(sql);
	struct leasedb *db = open_db(f);
	assert_false(leasedb_writable(db));
	assert_non_null(strstr(leasedb_error(db), "newer"));
	leasedb_free(db);
}

/* Rows that somebody edited can't become anything but leases. */
static void test_odd_rows(void **state)
{
	static const char *const rows[] = {
		"('lan','192.168.150.300','52:54:00:00:00:01','',0,'',9999999999)",
		"('lan','192.168.150.3','52:54:00:00:00','',0,'',9999999999)",
		"('lan','192.168.150.4','52:54:00:00:00:01','0',0,'',9999999999)",
		"('lan','192.168.150.5','52:54:00:00:00:01','zz',0,'',9999999999)",
		"('lan','192.168.150.6','52:54:00:00:00:01','',-1,'',9999999999)",
		"('lan','192.168.150.7','52:54:00:00:00:01','',4294967296,'',9999999999)",
		"('lan','192.168.150.8','52:54:00:00:00:01','',0,'a b',9999999999)",
		"('sixteen-letters-','192.168.150.9','52:54:00:00:00:01','',0,'',9999999999)",
		"('lan','192.168.150.10','52:54:00:00:00:01',hex(zeroblob(131)),0,'',9999999999)",
	};
	struct folder *f = *state;
	struct leasedb *db;
	sqlite3 *sql;

	leasedb_free(open_db(f));
	assert_int_equal(sqlite3_open(f->file, &sql), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_(freep) char *text = xasprintf("INSERT INTO lease VALUES %s", rows[i]);

		assert_int_equal(sqlite3_exec(sql, text, NULL, NULL, NULL), SQLITE_OK);
	}
	(void)sqlite3_close(sql);
	db = open_db(f);
	assert_int_equal(load(db).n, 0);
	leasedb_free(db);
}

static void test_second(void **state)
{
	struct lease a = lease_of("lan", "192.168.150.100", 60);
	struct leasedb *db = open_db(*state), *second = open_db(*state);

	assert_true(leasedb_writable(db));
	assert_false(leasedb_writable(second));
	assert_int_equal(leasedb_put(second, &a), -EROFS);
	leasedb_free(db);
	leasedb_set_clock(second, NOW + 6 * MONO_S, WALL + 6);	/* the first is gone: tried again */
	assert_int_equal(leasedb_put(second, &a), 0);
	assert_int_equal(leasedb_commit(second), 0);
	leasedb_free(second);
}

/* Root may write everywhere: a folder that can't be is one that doesn't exist. */
static void test_unwritable(void **state)
{
	struct lease a = lease_of("lan", "192.168.150.100", 60);
	struct folder nowhere = { .file = "/nonexistent-folder/leases.db" };
	struct leasedb *db = open_db(&nowhere);
	struct seen seen = { 0 };

	(void)state;
	assert_false(leasedb_writable(db));
	assert_non_null(strstr(leasedb_error(db), "/nonexistent-folder/leases.db"));
	assert_int_equal(leasedb_put(db, &a), -EROFS);
	assert_int_equal(leasedb_gone(db, &a), -EROFS);
	assert_int_equal(leasedb_commit(db), 0);
	assert_int_equal(leasedb_load(db, NULL, see, &seen), -EROFS);
	leasedb_free(db);
}

/* A file that may only be read: its leases are served on, and the error says so. */
static void test_read_only(void **state)
{
	struct lease a = lease_of("lan", "192.168.150.100", 60);
	struct folder *f = *state;
	struct leasedb *db = open_db(f);
	int status;

	assert_int_equal(leasedb_put(db, &a), 0);
	assert_int_equal(leasedb_commit(db), 0);
	leasedb_free(db);
	assert_int_equal(chmod(f->file, 0444), 0);
	assert_int_equal(chmod(f->dir, 0555), 0);
	pid_t pid = fork();			/* root may write all the same */
	assert_true(pid >= 0);
	if (pid == 0) {
		struct seen seen = { 0 };
		bool ok = geteuid() != 0 || setuid(65534) == 0;

		(void)leasedb_open(&db, f->file);
		leasedb_set_clock(db, NOW, WALL);
		ok = ok && !leasedb_writable(db) && strstr(leasedb_error(db), "read-only") &&
		     leasedb_load(db, NULL, see, &seen) == 0 && seen.n == 1 && leasedb_put(db, &a) == -EROFS;
		_exit(ok ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The disk is full in the middle: that turn isn't kept, later ones are, and nothing has to be reopened. */
static void test_full(void **state)
{
	struct lease a = lease_of("lan", "192.168.0.1", 60);
	struct leasedb *db = open_db(*state);
	struct rlimit limit, before;
	int r = 0;

	assert_int_equal(leasedb_put(db, &a), 0);
	assert_int_equal(leasedb_commit(db), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	(void)signal(SIGXFSZ, SIG_IGN);			/* EFBIG, the nearest thing to a full disk that a test can have */
	limit = before;
	limit.rlim_cur = 64 * 1024;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (unsigned int i = 0; i < 5000 && r == 0; i++) {
		a.ip = ip_add(&a.ip, 1);
		r = leasedb_put(db, &a);
		if (r == 0 && i % 16 == 15)
			r = leasedb_commit(db);
	}
	assert_true(r == -ENOSPC || r == -EIO);
	(void)leasedb_commit(db);
	assert_true(leasedb_error(db)[0] != '\0');
	size_t held = load(db).n;			/* reading goes on */
	assert_true(held > 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(leasedb_put(db, &a), 0);
	assert_int_equal(leasedb_commit(db), 0);
	assert_int_equal(load(db).n, held + 1);
	assert_string_equal(leasedb_error(db), "");
	leasedb_free(db);
}

#define WITH_FOLDER(t) cmocka_unit_test_setup_teardown(t, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(test_round_trip), WITH_FOLDER(test_gone),     WITH_FOLDER(test_one_network),
		WITH_FOLDER(test_killed),
		WITH_FOLDER(test_no_database), WITH_FOLDER(test_damaged), WITH_FOLDER(test_foreign),
		WITH_FOLDER(test_newer),      WITH_FOLDER(test_odd_rows), WITH_FOLDER(test_second),
		cmocka_unit_test(test_unwritable), WITH_FOLDER(test_read_only), WITH_FOLDER(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

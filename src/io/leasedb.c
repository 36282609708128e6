/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * leasedb - leases on disk, one SQLite file
 *
 * Theory of operation: one connection with locking_mode EXCLUSIVE (a second
 * engine on the same file fails, and no "-shm" is needed), journal_mode WAL and
 * synchronous NORMAL: kill -9 loses nothing that was committed; a power cut may
 * lose the last commits, never the file. Addresses, MACs and client ids are
 * text, so that people can query the file with the sqlite3 shell.
 *
 * Works in a chroot and under seccomp: beside the file itself only "PATH-wal" is
 * opened, at the start. The syscalls are openat, read, pread64, pwrite64, fsync,
 * fdatasync, ftruncate, fcntl (locks), fstat, newfstatat, unlink, getpid,
 * geteuid, mmap; leasedb_open() may rename too.
 *
 * Nothing that is read back is trusted: a row that can't be a lease is skipped.
 */
#include "io/leasedb.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OPEN_PATIENCE_MS 2000
#define APPLICATION_ID 1398305904	/* "SXtp": tells our file from others */
#define SCHEMA_VERSION 1
#define CORRUPT_MAX 100
#define REOPEN_EVERY (5 * MONO_S)
#define FORGET_S (366 * 86400)		/* rows this long over are removed when leases are loaded */
#define SELECT_LEASES "SELECT network, ip, mac, client, hostname, iaid, expires FROM lease "

struct leasedb {
	char *path;
	sqlite3 *sql;			/* NULL: not open at all */
	sqlite3_stmt *put, *gone, *remove, *begin, *commit, *rollback;
	bool writable;
	bool in_transaction;
	bool failed;			/* something of this transaction failed: all of it is rolled back */
	bool forgot;			/* long expired rows are gone */
	bool damaged;			/* found while writing: opened anew, that is moved aside, with the next write */
	mono_t mono;
	wall_t wall;
	mono_t reopen_at;
	char *moved_to;
	char error[256];
};

static const char schema[] =
	"BEGIN IMMEDIATE;"
	"CREATE TABLE IF NOT EXISTS lease ("
	" network TEXT NOT NULL, ip TEXT NOT NULL, mac TEXT NOT NULL, client TEXT NOT NULL,"
	" iaid INTEGER NOT NULL, hostname TEXT NOT NULL, expires INTEGER NOT NULL,"
	" PRIMARY KEY (network, ip)) WITHOUT ROWID;"
	"PRAGMA application_id = 1398305904;"
	"PRAGMA user_version = 1;"
	"COMMIT;";

static int errno_of(int sqlite_error)
{
	switch (sqlite_error & 0xff) {
	case SQLITE_OK:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EROFS;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_NOMEM:
		return -ENOMEM;
	}
	return -EIO;
}

static bool is_damage(int sqlite_error)
{
	return (sqlite_error & 0xff) == SQLITE_NOTADB || (sqlite_error & 0xff) == SQLITE_CORRUPT;
}

/* Remember what went wrong; the result code of the connection is used when there is one. */
static int fail(struct leasedb *db, int code)
{
	bool told = db->sql && sqlite3_errcode(db->sql) != SQLITE_OK;
	const char *why = told ? sqlite3_errmsg(db->sql) : sqlite3_errstr(code);
	int system = db->sql ? sqlite3_system_errno(db->sql) : 0;

	(void)snprintf(db->error, sizeof(db->error), "%s: %s%s%s", db->path, why, system ? ": " : "",
		       system ? strerror(system) : "");
	if (is_damage(code))
		db->damaged = true;
	return errno_of(code);
}

static int run(struct leasedb *db, const char *sql)
{
	return sqlite3_exec(db->sql, sql, NULL, NULL, NULL);
}

static int query_int(struct leasedb *db, const char *sql, int64_t *ret)
{
	sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL);

	if (r != SQLITE_OK)
		return r;
	r = sqlite3_step(stmt);
	if (r == SQLITE_ROW) {
		*ret = sqlite3_column_int64(stmt, 0);
		r = SQLITE_OK;
	}
	(void)sqlite3_finalize(stmt);
	return r == SQLITE_DONE ? SQLITE_ERROR : r;
}

static void close_sql(struct leasedb *db)
{
	sqlite3_stmt **stmts[] = { &db->put, &db->gone, &db->remove, &db->begin, &db->commit, &db->rollback };

	for (size_t i = 0; i < ARRAY_LEN(stmts); i++) {
		(void)sqlite3_finalize(*stmts[i]);
		*stmts[i] = NULL;
	}
	(void)sqlite3_close(db->sql);
	db->sql = NULL;
	db->writable = db->in_transaction = db->failed = db->damaged = db->forgot = false;
}

static int prepare(struct leasedb *db, sqlite3_stmt **ret, const char *sql)
{
	return sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
}

static int prepare_all(struct leasedb *db)
{
	int r = prepare(db, &db->put,
			"INSERT INTO lease VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (network, ip) DO UPDATE SET"
			" mac = ?3, client = ?4, iaid = ?5, hostname = ?6, expires = ?7");

	if (r == SQLITE_OK)
		r = prepare(db, &db->gone,
			    "UPDATE lease SET expires = ?3 WHERE network = ?1 AND ip = ?2 AND expires > ?3");
	if (r == SQLITE_OK)
		r = prepare(db, &db->remove, "DELETE FROM lease WHERE network = ?1 AND ip = ?2");
	if (r == SQLITE_OK)
		r = prepare(db, &db->begin, "BEGIN IMMEDIATE");
	if (r == SQLITE_OK)
		r = prepare(db, &db->commit, "COMMIT");
	if (r == SQLITE_OK)
		r = prepare(db, &db->rollback, "ROLLBACK");
	return r;
}

/* Ours, empty, or somebody else's? Return: SQLITE_OK, SQLITE_MISMATCH (with the error text), or what reading said. */
static int check_owner(struct leasedb *db)
{
	int64_t id = 0, version = 0, tables = 0;
	int r = query_int(db, "PRAGMA application_id", &id);

	if (r == SQLITE_OK)
		r = query_int(db, "PRAGMA user_version", &version);
	if (r == SQLITE_OK)
		r = query_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r != SQLITE_OK)
		return r;
	if (tables > 0 && id != APPLICATION_ID) {
		(void)snprintf(db->error, sizeof(db->error), "%s: is another program's database", db->path);
		return SQLITE_MISMATCH;
	}
	if (version > SCHEMA_VERSION) {
		(void)snprintf(db->error, sizeof(db->error), "%s: was written by a newer sixtap (version %" PRId64 ")",
			       db->path, version);
		return SQLITE_MISMATCH;
	}
	return SQLITE_OK;
}

/* Every page is looked at, so that damage shows now and not in the middle of a guest's request. */
static int check_health(struct leasedb *db)
{
	sqlite3_stmt *stmt = NULL;
	int r = sqlite3_prepare_v2(db->sql, "PRAGMA quick_check(1)", -1, &stmt, NULL);

	if (r == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);

		if (!text || strcmp(text, "ok") != 0) {
			(void)snprintf(db->error, sizeof(db->error), "%s: damaged: %s", db->path, text ? text : "?");
			r = SQLITE_CORRUPT;
		}
	} else {
		r = sqlite3_errcode(db->sql);
		(void)fail(db, r);
	}
	(void)sqlite3_finalize(stmt);
	return r;
}

static int set_up(struct leasedb *db)
{
	int r = run(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1024;");

	if (r == SQLITE_OK)
		r = check_owner(db);
	if (r == SQLITE_OK)
		r = run(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
	if (r == SQLITE_OK)
		r = run(db, schema);
	if (r != SQLITE_OK)
		return r;
	r = check_health(db);
	return r == SQLITE_OK ? prepare_all(db) : r;
}

static int open_writable(struct leasedb *db)
{
	int r = sqlite3_open_v2(db->path, &db->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

	db->error[0] = '\0';
	if (r == SQLITE_OK)	/* an engine before us may be on its way out */
		(void)sqlite3_busy_timeout(db->sql, OPEN_PATIENCE_MS);
	if (r == SQLITE_OK && sqlite3_db_readonly(db->sql, "main") == 1) {
		(void)snprintf(db->error, sizeof(db->error), "%s: is read-only for us", db->path);
		r = SQLITE_READONLY;
	}
	if (r == SQLITE_OK)
		r = set_up(db);
	if (r == SQLITE_OK) {
		(void)sqlite3_busy_timeout(db->sql, 0);
		db->writable = true;
		return r;
	}
	if (db->error[0] == '\0')
		(void)fail(db, r);
	close_sql(db);
	return r;
}

/* Without a lock and without the WAL's last changes, which nobody could merge in a folder that can't be written. */
static void open_readable(struct leasedb *db)
{
	char error[sizeof(db->error)], uri[600];
	int64_t id = 0;

	memcpy(error, db->error, sizeof(error));
	(void)sqlite3_snprintf(sizeof(uri), uri, "file:%s?immutable=1", db->path);
	if (strpbrk(db->path, "?#%") ||
	    sqlite3_open_v2(uri, &db->sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL) !=
		    SQLITE_OK ||
	    query_int(db, "PRAGMA application_id", &id) != SQLITE_OK || id != APPLICATION_ID)
		close_sql(db);
	memcpy(db->error, error, sizeof(error));
}

/* "-wal" must go with it: it belongs to the damaged file. */
static int move_aside(struct leasedb *db)
{
	for (unsigned int i = 1; i <= CORRUPT_MAX; i++) {
		_cleanup_(freep) char *to = xasprintf("%s.corrupt-%u", db->path, i);
		_cleanup_(freep) char *wal = xasprintf("%s-wal", db->path);
		_cleanup_(freep) char *to_wal = xasprintf("%s-wal", to);

		if (access(to, F_OK) == 0)
			continue;
		if (rename(db->path, to) < 0)
			return -errno;
		(void)rename(wal, to_wal);
		free(db->moved_to);
		db->moved_to = STEAL_PTR(to);
		return 0;
	}
	return -EEXIST;
}

static void try_open(struct leasedb *db)
{
	int r = open_writable(db);

	if (is_damage(r)) {
		char why[sizeof(db->error)];

		memcpy(why, db->error, sizeof(why));
		if (move_aside(db) == 0)
			r = open_writable(db);
		if (r == SQLITE_OK)
			memcpy(db->error, why, sizeof(why));
		else if (db->error[0] == '\0')
			memcpy(db->error, why, sizeof(why));
	}
	if (r != SQLITE_OK && (r & 0xff) != SQLITE_MISMATCH)
		open_readable(db);
}

int leasedb_open(struct leasedb **ret, const char *path)
{
	struct leasedb *db = NEW(struct leasedb);

	db->path = xstrdup(path);
	try_open(db);
	*ret = db;
	return 0;
}

struct leasedb *leasedb_free(struct leasedb *db)
{
	if (!db)
		return NULL;
	if (db->in_transaction)
		(void)leasedb_commit(db);
	close_sql(db);
	free(db->path);
	free(db->moved_to);
	free(db);
	return NULL;
}

void leasedb_set_clock(struct leasedb *db, mono_t mono, wall_t wall)
{
	db->mono = mono;
	db->wall = wall;
}

/* --- rows ------------------------------------------------------------------ */

static int64_t wall_of(const struct leasedb *db, mono_t t)
{
	if (t >= db->mono)
		return db->wall + (int64_t)((t - db->mono) / MONO_S);
	return db->wall - (int64_t)((db->mono - t) / MONO_S);
}

static void hex_of(const struct client_id *id, char ret[static 2 * CLIENT_ID_MAX + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < id->len; i++) {
		ret[2 * i] = digits[id->b[i] >> 4];
		ret[2 * i + 1] = digits[id->b[i] & 15];
	}
	ret[2 * id->len] = '\0';
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_parse(const char *s, struct client_id *ret)
{
	size_t n = strlen(s);

	if (n % 2 || n / 2 > CLIENT_ID_MAX)
		return false;
	for (size_t i = 0; i < n / 2; i++) {
		int hi = nibble(s[2 * i]), lo = nibble(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		ret->b[i] = (uint8_t)(hi << 4 | lo);
	}
	ret->len = (uint8_t)(n / 2);
	return true;
}

/* A damaged or edited row must not become a name on somebody's terminal. */
static bool hostname_ok(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return s[n] == '\0' && n <= GUEST_NAME_MAX && (n == 0 || (s[0] != '-' && s[n - 1] != '-'));
}

static bool read_row(const struct leasedb *db, sqlite3_stmt *stmt, struct lease *ret)
{
	const char *text[5];
	int64_t expires, iaid;

	for (int i = 0; i < 5; i++) {
		text[i] = (const char *)sqlite3_column_text(stmt, i);
		if (!text[i])
			return false;
	}
	iaid = sqlite3_column_int64(stmt, 5);
	expires = sqlite3_column_int64(stmt, 6);
	*ret = (struct lease){ .iaid = (uint32_t)iaid };
	if (!str_copy(ret->network, sizeof(ret->network), text[0]) || !ip_parse(text[1], &ret->ip) ||
	    !mac_parse(text[2], &ret->mac) || !hex_parse(text[3], &ret->client) || !hostname_ok(text[4]) ||
	    iaid < 0 || iaid > UINT32_MAX)
		return false;
	(void)str_copy(ret->hostname, sizeof(ret->hostname), text[4]);
	if (expires > db->wall)
		ret->expires = expires - db->wall > INT32_MAX * INT64_C(4) ?
				       MONO_NEVER :
				       mono_add(db->mono, (mono_t)(expires - db->wall) * MONO_S);
	return true;
}

/* Rows of leases that nobody will miss: once for each time the file is opened. A failure shows with the next write. */
static void forget_old(struct leasedb *db)
{
	char sql[96];

	if (!db->writable || db->forgot || db->wall <= FORGET_S)
		return;
	(void)snprintf(sql, sizeof(sql), "DELETE FROM lease WHERE expires < %" PRId64, db->wall - FORGET_S);
	(void)run(db, sql);
	db->forgot = true;
}

int leasedb_load(struct leasedb *db, const char *network, void (*fn)(void *user, const struct lease *lease), void *user)
{
	sqlite3_stmt *stmt = NULL;
	struct lease lease;
	int r;

	if (!db->sql)
		return -EROFS;
	forget_old(db);
	r = prepare(db, &stmt, network ? SELECT_LEASES "WHERE network = ?1 ORDER BY expires, ip" :
					 SELECT_LEASES "ORDER BY expires, ip");
	if (r == SQLITE_OK && network)
		(void)sqlite3_bind_text(stmt, 1, network, -1, SQLITE_STATIC);
	while (r == SQLITE_OK && (r = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (read_row(db, stmt, &lease))
			fn(user, &lease);
		r = SQLITE_OK;
	}
	if (r != SQLITE_DONE)
		(void)fail(db, r);
	(void)sqlite3_finalize(stmt);
	return r == SQLITE_DONE ? 0 : errno_of(r);
}

/* --- writing ---------------------------------------------------------------- */

static int step(struct leasedb *db, sqlite3_stmt *stmt)
{
	int r = sqlite3_step(stmt);

	(void)sqlite3_reset(stmt);
	if (r == SQLITE_DONE)
		return 0;
	return fail(db, r);
}

static int ensure_transaction(struct leasedb *db)
{
	int r;

	if (db->in_transaction)
		return db->failed ? -EIO : 0;
	if (!db->writable) {
		if (db->mono < db->reopen_at)
			return -EROFS;
		db->reopen_at = db->mono + REOPEN_EVERY;
		close_sql(db);
		try_open(db);
		if (!db->writable)
			return -EROFS;
	}
	r = step(db, db->begin);
	if (r == 0) {
		db->in_transaction = true;
		db->failed = false;
	}
	return r;
}

static void bind_key(sqlite3_stmt *stmt, const struct lease *lease, char ip[static IP_STRLEN])
{
	(void)sqlite3_bind_text(stmt, 1, lease->network, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(stmt, 2, ip_format(&lease->ip, ip), -1, SQLITE_STATIC);
}

static int finish(struct leasedb *db, sqlite3_stmt *stmt)
{
	int r = step(db, stmt);

	(void)sqlite3_clear_bindings(stmt);
	if (r)
		db->failed = true;
	return r;
}

int leasedb_put(struct leasedb *db, const struct lease *lease)
{
	char ip[IP_STRLEN], mac[MAC_STRLEN], client[2 * CLIENT_ID_MAX + 1];
	int r = ensure_transaction(db);

	if (r)
		return r;
	assert(lease->client.len <= CLIENT_ID_MAX);
	hex_of(&lease->client, client);
	bind_key(db->put, lease, ip);
	(void)sqlite3_bind_text(db->put, 3, mac_format(&lease->mac, mac), -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(db->put, 4, client, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(db->put, 5, lease->iaid);
	(void)sqlite3_bind_text(db->put, 6, lease->hostname, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(db->put, 7, wall_of(db, lease->expires));
	return finish(db, db->put);
}

int leasedb_gone(struct leasedb *db, const struct lease *lease)
{
	char ip[IP_STRLEN];
	sqlite3_stmt *stmt;
	int r = ensure_transaction(db);

	if (r)
		return r;
	stmt = lease->expires == 0 ? db->remove : db->gone;
	bind_key(stmt, lease, ip);
	if (lease->expires != 0)
		(void)sqlite3_bind_int64(stmt, 3, wall_of(db, lease->expires));
	return finish(db, stmt);
}

int leasedb_commit(struct leasedb *db)
{
	int r;

	if (!db->in_transaction)
		return 0;
	db->in_transaction = false;
	r = db->failed ? -EIO : step(db, db->commit);
	if (r == 0) {
		db->error[0] = '\0';
		return 0;
	}
	if (!sqlite3_get_autocommit(db->sql))		/* SQLite rolls back by itself on some errors */
		(void)sqlite3_step(db->rollback);
	(void)sqlite3_reset(db->rollback);
	if (db->damaged)
		db->writable = false;
	return r;
}

bool leasedb_writable(const struct leasedb *db)
{
	return db->writable;
}

const char *leasedb_error(const struct leasedb *db)
{
	return db->error;
}

const char *leasedb_moved_to(const struct leasedb *db)
{
	return db->moved_to;
}

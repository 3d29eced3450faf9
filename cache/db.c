/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db.c - the metadata database: connection, transactions, settings.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/db.h"
#include "cache/db_schema.h"
#include "cache/db_stmt.h"
#include "cache/db_sum.h"
#include "s3/base/cleanup.h"
#include "s3/base/killpoint.h"
#include "s3/base/log.h"

/* Numbers are taken from the file this many at a time. */
#define NUMBER_BLOCK 4096
#define CACHE_KIB    8192 /* SQLite's page cache */
#define PAGE         4096 /* bytes; SQLite's default */

int
db_errno(struct db *db, int rc)
{
	if (rc == SQLITE_IOERR_NOMEM)
		return -ENOMEM;
	if (rc == SQLITE_IOERR_DATA) { /* a page is not what was written */
		db_found_damage(db);
		return -EBADMSG;
	}
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		if (db->on_full != NULL)
			db->on_full(db->on_full_arg);
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CONSTRAINT: /* numbers are given once */
		db_found_damage(db);
		return -EBADMSG;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		return sqlite3_system_errno(db->sql) == EACCES ? -EACCES
							       : -EROFS;
	default:
		return -EIO;
	}
}

void
db_enter(struct db *db)
{
	if (pthread_mutex_lock(&db->mutex) != 0)
		abort();
}

void
db_leave(struct db *db)
{
	if (pthread_mutex_unlock(&db->mutex) != 0)
		abort();
}

int
db_step(struct db *db, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		return 1;
	return db_errno(db, rc);
}

void
db_bind_bytes(sqlite3_stmt *stmt, int col, const char *text)
{
	if (text != NULL)
		(void)sqlite3_bind_blob64(
		    stmt, col, text, strlen(text), SQLITE_STATIC);
}

int
db_run(struct db *db, sqlite3_stmt *stmt)
{
	int r = db_step(db, stmt);

	(void)sqlite3_reset(stmt); /* repeats the step's error */
	(void)sqlite3_clear_bindings(stmt);
	return r < 0 ? r : 0;
}

int
db_one_id(struct db *db, sqlite3_stmt *stmt, uint64_t *ret)
{
	int r = db_step(db, stmt);

	if (r == 1)
		*ret = (uint64_t)sqlite3_column_int64(stmt, 0);
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	if (r < 0)
		return r;
	return r == 1 ? 0 : -ENOENT;
}

static int
exec(struct db *db, const char *text)
{
	return db_errno(db, sqlite3_exec(db->sql, text, NULL, NULL, NULL));
}

/* SQL that does not fit the tables: they are not those of the schema. */
static int
not_ours(struct db *db, int rc)
{
	return (rc & 0xff) == SQLITE_ERROR ? -EBADMSG : db_errno(db, rc);
}

static int
prepare_all(struct db *db)
{
	for (int i = 0; i < DB_STMT_COUNT; i++) {
		int rc = sqlite3_prepare_v3(db->sql, db_stmt_text[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &db->stmt[i], NULL);
		if (rc != SQLITE_OK)
			return not_ours(db, rc);
	}
	return 0;
}

static int
read_version(struct db *db, int *ret)
{
	sqlite3_stmt *stmt;
	int r;

	r = db_errno(db, sqlite3_prepare_v2(
			     db->sql, "PRAGMA user_version", -1, &stmt, NULL));
	if (r < 0)
		return r;
	r = db_step(db, stmt);
	if (r == 1)
		*ret = sqlite3_column_int(stmt, 0);
	(void)sqlite3_finalize(stmt); /* repeats the step's error */
	return r < 0 ? r : 0;
}

/* Make the tables in a new file, or bring them up to date; refuse a file of a
 * newer program. */
static int
set_up(struct db *db, bool *ret_cold)
{
	/* By the version that the file has. */
	static const char *const steps[DB_SCHEMA] = { SCHEMA_SQL,
		SCHEMA_UPGRADE_2, SCHEMA_UPGRADE_3, SCHEMA_UPGRADE_4 };
	char text[64];
	int version = 0, r;

	/* Nobody else may open it: no locks of the file for each read, nor
	 * an index of the log in memory that is shared. */
	r = exec(db, "PRAGMA locking_mode=EXCLUSIVE;"
		     "PRAGMA journal_mode=WAL");
	if (r == 0)
		r = read_version(db, &version);
	if (r < 0)
		return r;
	if (version > DB_SCHEMA)
		return -EPROTO;
	*ret_cold = version == 0;
	if (version == DB_SCHEMA)
		return 0;
	if (version < 0)
		return -EBADMSG;
	(void)snprintf(
	    text, sizeof(text), "PRAGMA user_version=%d; COMMIT", DB_SCHEMA);
	r = exec(db, "BEGIN IMMEDIATE");
	if (r == 0)
		r = not_ours(db,
		    sqlite3_exec(db->sql, steps[version], NULL, NULL, NULL));
	if (r == 0)
		r = exec(db, text);
	return r;
}

static int
set_pragmas(struct db *db)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
	    "PRAGMA synchronous=NORMAL; PRAGMA cache_size=-%d;"
	    "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF;"
	    "PRAGMA journal_size_limit=%d;",
	    CACHE_KIB, 16 << 20);
	return exec(db, text);
}

/* A new file gets checksums; one that is there stays as it is. */
static int
reserve_sums(struct db *db)
{
	int bytes = DB_SUM_RESERVED;

	return db_errno(db, sqlite3_file_control(db->sql, "main",
				SQLITE_FCNTL_RESERVE_BYTES, &bytes));
}

static void
init_mutex(struct db *db)
{
	pthread_mutexattr_t attr;

	if (pthread_mutexattr_init(&attr) != 0 ||
	    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE) != 0 ||
	    pthread_mutex_init(&db->mutex, &attr) != 0)
		abort();
	(void)pthread_mutexattr_destroy(&attr); /* cannot fail */
}

static int
load_number(struct db *db)
{
	struct buf text = BUF_INIT(64);
	int r = db_get_setting(db, "next_number", &text);

	db->next_number = r == 0 ? strtoull(buf_str(&text), NULL, 10) : 2;
	db->number_end = db->next_number;
	buf_fini(&text);
	return r == -ENOENT ? 0 : r;
}

int
db_open(const char *path, struct db **ret, bool *ret_cold)
{
	struct db *db = calloc(1, sizeof(*db));
	const char *vfs = db_sum_vfs();
	int r;

	if (db == NULL || vfs == NULL) {
		free(db);
		return -ENOMEM;
	}
	init_mutex(db);
	r = db_errno(db, sqlite3_open_v2(path, &db->sql,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
				 SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
			     vfs));
	if (r == 0)
		r = reserve_sums(db);
	if (r == 0)
		r = set_up(db, ret_cold);
	if (r == 0)
		r = set_pragmas(db);
	if (r == 0)
		r = prepare_all(db);
	if (r == 0)
		r = load_number(db);
	if (r < 0) {
		db_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

/* In a build that is broken on purpose: what was not committed in time. */
static int
commit_late(struct db *db)
{
	if (!IS_BROKEN("late_intent") || sqlite3_get_autocommit(db->sql) != 0)
		return 0;
	return db_run(db, db->stmt[DB_COMMIT]);
}

void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	(void)commit_late(db); /* not in earnest */
	for (int i = 0; i < DB_STMT_COUNT; i++)
		(void)sqlite3_finalize(db->stmt[i]); /* old errors only */
	(void)sqlite3_close(db->sql); /* all statements are gone */
	(void)pthread_mutex_destroy(&db->mutex);
	free(db);
}

/* Read page ${page} (from 0), which compares it.  The lock is held. */
static int
look_at(struct db *db, uint64_t page)
{
	sqlite3_file *file = NULL;
	sqlite3_int64 size = 0;
	uint8_t data[PAGE];
	int rc;

	rc = sqlite3_file_control(
	    db->sql, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (rc == SQLITE_OK)
		rc = file->pMethods->xFileSize(file, &size);
	if (rc != SQLITE_OK)
		return db_errno(db, rc);
	if ((page + 1) * PAGE > (uint64_t)size)
		return -ENOENT;
	return db_errno(db, file->pMethods->xRead(file, data, PAGE,
				(sqlite3_int64)(page * PAGE)));
}

int
db_look(struct db *db, uint64_t *page, unsigned count)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		db_enter(db);
		r = look_at(db, *page);
		db_leave(db);
		*page += r == 0 ? 1 : 0;
	}
	return r;
}

void
db_checkpoint(struct db *db)
{
	db_enter(db);
	/* Not from within a transaction of this thread: it is no part of it. */
	(void)sqlite3_wal_checkpoint_v2(
	    db->sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	db_leave(db);
}

bool
db_is_damaged(struct db *db)
{
	return atomic_load(&db->is_damaged);
}

void
db_found_damage(struct db *db)
{
	if (!atomic_exchange(&db->is_damaged, true))
		log_error("the database in the cache folder is damaged: "
			  "unmount, and mount again");
}

void
db_on_full(struct db *db, db_full_fn *fn, void *arg)
{
	db->on_full = fn;
	db->on_full_arg = arg;
}

int
db_begin(struct db *db)
{
	int r;

	db_enter(db);
	assert(!db->in_transaction);
	r = commit_late(db);
	if (r == 0)
		r = db_run(db, db->stmt[DB_BEGIN]);
	if (r < 0)
		db_leave(db);
	else
		db->in_transaction = true;
	return r;
}

int
db_commit(struct db *db)
{
	int r;

	assert(db->in_transaction);
	KILL_POINT("db.commit.before");
	r = IS_BROKEN("late_intent") ? 0 : db_run(db, db->stmt[DB_COMMIT]);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	db->in_transaction = false;
	db_leave(db);
	KILL_POINT("db.commit.after");
	return 0;
}

void
db_rollback(struct db *db)
{
	assert(db->in_transaction);
	/* A failed statement may have rolled back by itself. */
	(void)db_run(db, db->stmt[DB_ROLLBACK]);
	db->in_transaction = false;
	/* What it had reserved is not: those given stay given. */
	db->number_end = db->next_number;
	db_leave(db);
}

/*
 * A commit has written its frames into the WAL (synchronous=NORMAL), which is
 * synced here without holding up others.  If a checkpoint has come in between,
 * that synced the database itself before it let the WAL begin anew.
 */
int
db_sync(struct db *db)
{
	const char *path =
	    sqlite3_filename_wal(sqlite3_db_filename(db->sql, "main"));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 || fdatasync(fd) < 0 ? -EIO : 0;

	if (fd >= 0)
		(void)close(fd); /* nothing was written */
	return r;
}

int
db_number(struct db *db, uint64_t *ret)
{
	char text[32];
	int r = 0;

	db_enter(db);
	if (db->next_number == db->number_end) {
		(void)snprintf(text, sizeof(text), "%" PRIu64,
		    db->next_number + NUMBER_BLOCK);
		r = db_set_setting(db, "next_number", text);
		if (r == 0)
			db->number_end = db->next_number + NUMBER_BLOCK;
	}
	if (r == 0)
		*ret = db->next_number++;
	db_leave(db);
	return r;
}

int
db_get_setting(struct db *db, const char *name, struct buf *ret)
{
	sqlite3_stmt *stmt = db->stmt[DB_SETTING_GET];
	int r;

	db_enter(db);
	(void)sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	r = db_step(db, stmt);
	if (r == 1) {
		const void *text = sqlite3_column_text(stmt, 0);
		r = text == NULL ? -ENOMEM : buf_add_str(ret, text);
	} else if (r == 0) {
		r = -ENOENT;
	}
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	db_leave(db);
	return r;
}

int
db_set_setting(struct db *db, const char *name, const char *value)
{
	sqlite3_stmt *stmt = db->stmt[DB_SETTING_SET];
	int r;

	db_enter(db);
	(void)sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_stmt.h - private to db*.c: the connection and its prepared statements.
 */
#ifndef CACHE_DB_STMT_H
#define CACHE_DB_STMT_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum db_stmt {
	DB_BEGIN,
	DB_COMMIT,
	DB_ROLLBACK,
	DB_SETTING_GET,
	DB_SETTING_SET,
	DB_ROW_BY_ID,
	DB_ROW_BY_OWN_NODE,
	DB_ROW_BY_OTHER_NODE,
	DB_ROW_BY_NAME,
	DB_ROW_PUT,
	DB_ROW_ADD,
	DB_ROW_UPDATE,
	DB_ROW_SEEN,
	DB_ROW_DOUBT,
	DB_ROW_LISTED,
	DB_ROW_TOUCH,
	DB_ROW_DELETE,
	DB_ROWS_AFTER,
	DB_ROWS_NAMED_AFTER,
	DB_ROWS_UNSEEN,
	DB_ROWS_PURGE,
	DB_ROWS_BELOW,
	DB_ROWS_PENDING,
	DB_ROWS_FROM,
	DB_ROWS_ASIDE,
	DB_ROW_WINDOW,
	DB_ROWS_COUNT,
	DB_ROWS_FOLDERS,
	DB_CHUNK_GET,
	DB_CHUNK_PUT,
	DB_CHUNK_DELETE,
	DB_CHUNKS_OLDEST,
	DB_CHUNKS_BYTES,
	DB_CHUNKS_CLEAN,
	DB_CHUNK_NEXT,
	DB_CRC_GET,
	DB_CRC_PUT,
	DB_CRC_DELETE,
	DB_JOURNAL_PUT,
	DB_JOURNAL_PUT_KEY,
	DB_JOURNAL_DELETE,
	DB_JOURNAL_EACH,
	DB_JOURNAL_EACH_KEY,
	DB_OWED_GET,
	DB_OWED_DELETE_OF,
	DB_OWED_PUT,
	DB_OWED_REMOVE,
	DB_OWED_SENT,
	DB_OWED_ALL,
	DB_INTENT_GET,
	DB_INTENT_PUT,
	DB_INTENT_DROP,
	DB_INTENT_OF_CHUNK,
	DB_INTENT_SWEEP,
	DB_UPLOAD_PUT,
	DB_UPLOAD_SET_ID,
	DB_UPLOAD_DELETE,
	DB_UPLOAD_DELETE_PARTS,
	DB_UPLOADS_EACH,
	DB_STAGE_NEXT,
	DB_STAGE_MADE,
	DB_STAGE_DELETE,
	DB_CRC_CLEAR,
	DB_ODD_PUT,
	DB_ODD_SEEN,
	DB_ODD_FORGET,
	DB_ODD_COUNT,
	DB_ODD_EACH,
	DB_STMT_COUNT
};

extern const char *const db_stmt_text[DB_STMT_COUNT];

struct db {
	pthread_mutex_t mutex; /* the db lock; recursive */
	sqlite3 *sql;          /* [I]; used under the lock */
	sqlite3_stmt *stmt[DB_STMT_COUNT];
	_Atomic bool is_damaged;
	void (*on_full)(void *arg); /* [I] NULL: nobody is told */
	void *on_full_arg;          /* [I] */
	bool in_transaction;        /* [mutex] */
	uint64_t next_number;       /* [mutex] */
	uint64_t number_end;        /* [mutex] below it they are reserved */
};

void db_enter(struct db *db);
void db_leave(struct db *db);

/* The errno of a result code: 0 or -errno. */
int db_errno(struct db *db, int rc);

/* One step: 1 a row, 0 done, or -errno.  The caller resets. */
int db_step(struct db *db, sqlite3_stmt *stmt);

/* Bind ${text} (a key, a name; NULL: NULL) as a blob, borrowed until the
 * statement is cleared. */
void db_bind_bytes(sqlite3_stmt *stmt, int col, const char *text);

/* Step once, reset, clear: 0 or -errno. */
int db_run(struct db *db, sqlite3_stmt *stmt);

/* The id that ${stmt}, which is bound, finds.  Returns: 0; -ENOENT; -errno. */
int db_one_id(struct db *db, sqlite3_stmt *stmt, uint64_t *ret);

#endif

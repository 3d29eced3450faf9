/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_journal.c - the metadata database: renames of directories under way.
 */
#include "cache/db_journal.h"

#include <errno.h>

#include "cache/db_stmt.h"

int
db_journal_put(struct db *db, const struct db_journal *journal)
{
	sqlite3_stmt *stmt = db->stmt[DB_JOURNAL_PUT];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)journal->id);
	db_bind_bytes(stmt, 2, journal->key);
	db_bind_bytes(stmt, 3, journal->new_key);
	(void)sqlite3_bind_int64(stmt, 4, (int64_t)journal->hidden);
	(void)sqlite3_bind_int(stmt, 5, journal->state);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_journal_put_key(struct db *db, const struct db_journal_key *key)
{
	sqlite3_stmt *stmt = db->stmt[DB_JOURNAL_PUT_KEY];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)key->id);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)key->journal);
	db_bind_bytes(stmt, 3, key->key);
	db_bind_bytes(stmt, 4, key->etag);
	db_bind_bytes(stmt, 5, key->new_etag);
	(void)sqlite3_bind_int(stmt, 6, key->may_replace ? 1 : 0);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_journal_delete(struct db *db, uint64_t id)
{
	sqlite3_stmt *stmt = db->stmt[DB_JOURNAL_DELETE];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)id);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

/* With a '\0' after it; valid until the next step.  NULL stays NULL. */
static const char *
text_of(sqlite3_stmt *stmt, int col)
{
	return (const char *)sqlite3_column_text(stmt, col);
}

static int
read_journal(sqlite3_stmt *stmt, struct db_journal *ret)
{
	*ret = (struct db_journal){
		.id = (uint64_t)sqlite3_column_int64(stmt, 0),
		.key = text_of(stmt, 1),
		.new_key = text_of(stmt, 2),
		.hidden = (uint64_t)sqlite3_column_int64(stmt, 3),
		.state = sqlite3_column_int(stmt, 4),
	};
	return ret->key == NULL || ret->new_key == NULL ? -EBADMSG : 0;
}

int
db_journal_each(struct db *db, db_journal_fn *fn, void *arg)
{
	sqlite3_stmt *stmt = db->stmt[DB_JOURNAL_EACH];
	struct db_journal one;
	bool more = true;
	int r = 0;

	db_enter(db);
	while (more && (r = db_step(db, stmt)) == 1) {
		r = read_journal(stmt, &one);
		if (r < 0)
			break;
		more = fn(arg, &one);
	}
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	db_leave(db);
	return r < 0 ? r : 0;
}

static int
read_key(sqlite3_stmt *stmt, struct db_journal_key *ret)
{
	*ret = (struct db_journal_key){
		.id = (uint64_t)sqlite3_column_int64(stmt, 0),
		.journal = (uint64_t)sqlite3_column_int64(stmt, 1),
		.key = text_of(stmt, 2),
		.etag = text_of(stmt, 3),
		.new_etag = text_of(stmt, 4),
		.may_replace = sqlite3_column_int(stmt, 5) != 0,
	};
	return ret->key == NULL ? -EBADMSG : 0;
}

int
db_journal_each_key(
    struct db *db, uint64_t id, db_journal_key_fn *fn, void *arg)
{
	sqlite3_stmt *stmt = db->stmt[DB_JOURNAL_EACH_KEY];
	struct db_journal_key one;
	bool more = true;
	int r = 0;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)id);
	while (more && (r = db_step(db, stmt)) == 1) {
		r = read_key(stmt, &one);
		if (r < 0)
			break;
		more = fn(arg, &one);
	}
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	db_leave(db);
	return r < 0 ? r : 0;
}

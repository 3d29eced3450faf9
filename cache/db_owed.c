/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_owed.c - the metadata database: names that are owed to S3.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/db.h"
#include "cache/db_stmt.h"

void
intent_fini(struct intent *it)
{
	free(it->key);
	*it = (struct intent){ 0 };
}

/* The columns in the order of INTENT_COLUMNS. */
static int
read_intent(sqlite3_stmt *stmt, struct intent *ret)
{
	const void *key = sqlite3_column_blob(stmt, 2);
	size_t len = (size_t)sqlite3_column_bytes(stmt, 2);

	*ret = (struct intent){
		.id = (uint64_t)sqlite3_column_int64(stmt, 0),
		.kind = (enum intent_kind)sqlite3_column_int(stmt, 1),
		.follows = (uint64_t)sqlite3_column_int64(stmt, 3),
		.is_sent = sqlite3_column_int(stmt, 4) != 0,
	};
	ret->key = key == NULL ? strdup("") : strndup(key, len);
	return ret->key == NULL ? -ENOMEM : 0;
}

/* The one that the bound ${stmt} finds. */
static int
one_intent(struct db *db, sqlite3_stmt *stmt, struct intent *ret)
{
	int r = db_step(db, stmt);

	if (r == 1)
		r = read_intent(stmt, ret);
	else if (r == 0)
		r = -ENOENT;
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	(void)sqlite3_clear_bindings(stmt);
	return r;
}

int
db_owed_get(struct db *db, uint64_t id, struct intent *ret)
{
	sqlite3_stmt *stmt = db->stmt[DB_OWED_GET];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)id);
	r = one_intent(db, stmt, ret);
	db_leave(db);
	return r;
}

int
db_owed_delete_of(
    struct db *db, const char *key, uint64_t but, struct intent *ret)
{
	sqlite3_stmt *stmt = db->stmt[DB_OWED_DELETE_OF];
	int r;

	db_enter(db);
	db_bind_bytes(stmt, 1, key);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)but);
	(void)sqlite3_bind_int(stmt, 3, INTENT_DELETE);
	r = one_intent(db, stmt, ret);
	db_leave(db);
	return r;
}

int
db_owed_remove(struct db *db, uint64_t id)
{
	sqlite3_stmt *stmt = db->stmt[DB_OWED_REMOVE];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)id);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_owed_put(struct db *db, const struct intent *it)
{
	sqlite3_stmt *stmt = db->stmt[DB_OWED_PUT];
	uint64_t number = 0;
	int r;

	db_enter(db);
	r = db_number(db, &number);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)it->id);
	(void)sqlite3_bind_int(stmt, 2, (int)it->kind);
	db_bind_bytes(stmt, 3, it->key);
	(void)sqlite3_bind_int64(stmt, 4, (int64_t)it->follows);
	(void)sqlite3_bind_int(stmt, 5, it->is_sent ? 1 : 0);
	(void)sqlite3_bind_int64(stmt, 6, (int64_t)number);
	if (r == 0)
		r = db_owed_remove(db, it->id);
	if (r == 0)
		r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_owed_sent(struct db *db, uint64_t id, bool is_sent)
{
	sqlite3_stmt *stmt = db->stmt[DB_OWED_SENT];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)id);
	(void)sqlite3_bind_int(stmt, 2, is_sent ? 1 : 0);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_owed_each(struct db *db, db_owed_fn *fn, void *arg)
{
	sqlite3_stmt *stmt = db->stmt[DB_OWED_ALL];
	bool more = true;
	int r = 0;

	db_enter(db);
	while (more) {
		struct intent it = { 0 };

		r = db_step(db, stmt);
		if (r == 1)
			r = read_intent(stmt, &it);
		else
			break;
		more = r == 0 && fn(arg, &it);
		intent_fini(&it);
	}
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	db_leave(db);
	return r < 0 ? r : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_intent.c - the metadata database: what was acknowledged and is owed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/db.h"
#include "cache/db_stmt.h"

void
db_intent_fini(struct db_intent *intent)
{
	free(intent->key);
	free(intent->source_key);
	free(intent->etag);
	free(intent->token);
	*intent = (struct db_intent){ 0 };
}

/* A column as a string, owned; NULL stays NULL. */
static int
text_of(sqlite3_stmt *stmt, int col, char **ret)
{
	size_t len = (size_t)sqlite3_column_bytes(stmt, col);
	char *copy;

	if (sqlite3_column_type(stmt, col) == SQLITE_NULL)
		return 0;
	copy = malloc(len + 1);
	if (copy == NULL)
		return -ENOMEM;
	if (len > 0)
		memcpy(copy, sqlite3_column_blob(stmt, col), len);
	copy[len] = '\0';
	*ret = copy;
	return 0;
}

static int
read_intent(sqlite3_stmt *stmt, struct db_intent *ret)
{
	int r;

	*ret = (struct db_intent){
		.id = (uint64_t)sqlite3_column_int64(stmt, 0),
		.entry = (uint64_t)sqlite3_column_int64(stmt, 1),
		.kind = (enum db_intent_kind)sqlite3_column_int(stmt, 2),
		.generation = (uint64_t)sqlite3_column_int64(stmt, 7),
		.state = sqlite3_column_int(stmt, 8),
		.made_ms = sqlite3_column_int64(stmt, 9),
	};
	r = text_of(stmt, 3, &ret->key);
	if (r == 0)
		r = text_of(stmt, 4, &ret->source_key);
	if (r == 0)
		r = text_of(stmt, 5, &ret->etag);
	if (r == 0)
		r = text_of(stmt, 6, &ret->token);
	if (r < 0)
		db_intent_fini(ret);
	return r;
}

int
db_intent_get(struct db *db, uint64_t entry, enum db_intent_kind kind,
    struct db_intent *ret)
{
	sqlite3_stmt *stmt = db->stmt[DB_INTENT_GET];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)entry);
	(void)sqlite3_bind_int(stmt, 2, (int)kind);
	r = db_step(db, stmt);
	if (r == 1)
		r = read_intent(stmt, ret);
	else if (r == 0)
		r = -ENOENT;
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	db_leave(db);
	return r;
}

static void
bind_text(sqlite3_stmt *stmt, int col, const char *text)
{
	if (text != NULL)
		(void)sqlite3_bind_text(stmt, col, text, -1, SQLITE_STATIC);
}

int
db_intent_of_chunk(struct db *db, uint64_t node, uint64_t *ret_entry)
{
	sqlite3_stmt *stmt = db->stmt[DB_INTENT_OF_CHUNK];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)node);
	r = db_one_id(db, stmt, ret_entry);
	db_leave(db);
	return r;
}

int
db_intent_put(struct db *db, const struct db_intent *intent)
{
	sqlite3_stmt *stmt = db->stmt[DB_INTENT_PUT];
	uint64_t id = intent->id;
	int r = 0;

	db_enter(db);
	/* Those of other kinds are numbers, too: none takes another's. */
	if (id == 0)
		r = db_number(db, &id);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)id);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)intent->entry);
	(void)sqlite3_bind_int(stmt, 3, (int)intent->kind);
	db_bind_bytes(stmt, 4, intent->key != NULL ? intent->key : "");
	db_bind_bytes(stmt, 5, intent->source_key);
	bind_text(stmt, 6, intent->etag);
	bind_text(stmt, 7, intent->token);
	(void)sqlite3_bind_int64(stmt, 8, (int64_t)intent->generation);
	(void)sqlite3_bind_int(stmt, 9, intent->state);
	(void)sqlite3_bind_int64(stmt, 10, intent->made_ms);
	if (r == 0)
		r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_intent_drop(struct db *db, uint64_t entry, enum db_intent_kind kind)
{
	sqlite3_stmt *stmt = db->stmt[DB_INTENT_DROP];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)entry);
	(void)sqlite3_bind_int(stmt, 2, (int)kind);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_intents_sweep(struct db *db)
{
	int r;

	db_enter(db);
	r = db_run(db, db->stmt[DB_INTENT_SWEEP]);
	db_leave(db);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_stage.c - the metadata database: staging objects that may be in S3.
 */
#include "cache/db_stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "cache/db.h"
#include "cache/db_stmt.h"

int
db_stage_put(struct db *db, const char *key, uint64_t *ret_id)
{
	struct db_intent it = { .entry = CACHE_ROOT,
		.kind = DB_INTENT_STAGE,
		.source_key = (char *)(uintptr_t)key };
	int r = db_number(db, &it.id);

	if (r == 0)
		r = db_intent_put(db, &it);
	if (r == 0)
		*ret_id = it.id;
	return r;
}

static int
run_on(struct db *db, enum db_stmt which, uint64_t id)
{
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(db->stmt[which], 1, (int64_t)id);
	r = db_run(db, db->stmt[which]);
	db_leave(db);
	return r;
}

int
db_stage_made(struct db *db, uint64_t id)
{
	return run_on(db, DB_STAGE_MADE, id);
}

int
db_stage_delete(struct db *db, uint64_t id)
{
	return run_on(db, DB_STAGE_DELETE, id);
}

static int
read_stage(sqlite3_stmt *stmt, struct db_stage *ret)
{
	const char *key = (const char *)sqlite3_column_text(stmt, 1);

	if (key == NULL)
		return -EBADMSG;
	ret->id = (uint64_t)sqlite3_column_int64(stmt, 0);
	ret->key = strdup(key);
	return ret->key == NULL ? -ENOMEM : 0;
}

int
db_stage_unused(
    struct db *db, uint64_t after, uint64_t new_from, struct db_stage *ret)
{
	sqlite3_stmt *stmt = db->stmt[DB_STAGE_NEXT];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)after);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)new_from);
	r = db_step(db, stmt);
	if (r == 1)
		r = read_stage(stmt, ret);
	else if (r == 0)
		r = -ENOENT;
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	db_leave(db);
	return r;
}

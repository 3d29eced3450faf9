/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_chunk.c - the metadata database: chunk files, their CRCs, odd keys.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/db.h"
#include "cache/db_stmt.h"

#define CRC_BYTES (DB_CRC_PAGE * sizeof(uint32_t))

/* The single number that ${which}, bound if need be, finds. */
static int
one_number(struct db *db, enum db_stmt which, uint64_t *ret)
{
	int r;

	db_enter(db);
	r = db_step(db, db->stmt[which]);
	if (r == 1)
		*ret = (uint64_t)sqlite3_column_int64(db->stmt[which], 0);
	(void)sqlite3_reset(db->stmt[which]); /* repeats the step's error */
	db_leave(db);
	return r < 0 ? r : 0;
}

int
db_count_rows(struct db *db, uint64_t *ret)
{
	return one_number(db, DB_ROWS_COUNT, ret);
}

int
db_count_folders(struct db *db, uint64_t id, unsigned max, uint64_t *ret)
{
	sqlite3_stmt *stmt = db->stmt[DB_ROWS_FOLDERS];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)id);
	(void)sqlite3_bind_int64(stmt, 2, max);
	r = one_number(db, DB_ROWS_FOLDERS, ret);
	db_leave(db);
	return r;
}

int
db_chunks_bytes(struct db *db, uint64_t *ret)
{
	return one_number(db, DB_CHUNKS_BYTES, ret);
}

int
db_odd_count(struct db *db, uint64_t *ret)
{
	return one_number(db, DB_ODD_COUNT, ret);
}

static void
read_chunk(sqlite3_stmt *stmt, struct db_chunk *ret)
{
	*ret = (struct db_chunk){
		.node = (uint64_t)sqlite3_column_int64(stmt, 0),
		.bytes = (uint64_t)sqlite3_column_int64(stmt, 1),
		.used_ms = sqlite3_column_int64(stmt, 2),
	};
}

static int
copy_blob(sqlite3_stmt *stmt, int col, void **ret, size_t *ret_len)
{
	size_t len = (size_t)sqlite3_column_bytes(stmt, col);
	void *copy = malloc(len + 1);

	if (copy == NULL)
		return -ENOMEM;
	if (len > 0)
		memcpy(copy, sqlite3_column_blob(stmt, col), len);
	*ret = copy;
	*ret_len = len;
	return 0;
}

int
db_chunk_get(struct db *db, uint64_t node, struct db_chunk *ret)
{
	sqlite3_stmt *stmt = db->stmt[DB_CHUNK_GET];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)node);
	r = db_step(db, stmt);
	if (r == 1) {
		read_chunk(stmt, ret);
		ret->base_size = (uint64_t)sqlite3_column_int64(stmt, 5);
		r = copy_blob(stmt, 3, &ret->present, &ret->present_len);
		if (r == 0)
			r = copy_blob(stmt, 4, &ret->dirty, &ret->dirty_len);
		if (r < 0)
			db_chunk_fini(ret);
	} else if (r == 0) {
		r = -ENOENT;
	}
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	db_leave(db);
	return r;
}

void
db_chunk_fini(struct db_chunk *chunk)
{
	free(chunk->present);
	free(chunk->dirty);
	chunk->present = NULL;
	chunk->dirty = NULL;
}

int
db_chunk_put(struct db *db, const struct db_chunk *chunk)
{
	sqlite3_stmt *stmt = db->stmt[DB_CHUNK_PUT];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)chunk->node);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)chunk->bytes);
	(void)sqlite3_bind_int64(stmt, 3, chunk->used_ms);
	(void)sqlite3_bind_blob64(
	    stmt, 4, chunk->present, chunk->present_len, SQLITE_STATIC);
	(void)sqlite3_bind_blob64(
	    stmt, 5, chunk->dirty, chunk->dirty_len, SQLITE_STATIC);
	(void)sqlite3_bind_int64(stmt, 6, (int64_t)chunk->base_size);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_chunk_delete(struct db *db, uint64_t node)
{
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(db->stmt[DB_CHUNK_DELETE], 1, (int64_t)node);
	(void)sqlite3_bind_int64(db->stmt[DB_CRC_DELETE], 1, (int64_t)node);
	r = db_run(db, db->stmt[DB_CHUNK_DELETE]);
	if (r == 0)
		r = db_run(db, db->stmt[DB_CRC_DELETE]);
	db_leave(db);
	return r;
}

int
db_chunks_oldest(struct db *db, unsigned skip, unsigned max,
    struct db_chunk *ret, unsigned *ret_count)
{
	sqlite3_stmt *stmt = db->stmt[DB_CHUNKS_OLDEST];
	unsigned n = 0;
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, skip);
	(void)sqlite3_bind_int64(stmt, 2, max);
	while ((r = db_step(db, stmt)) == 1)
		read_chunk(stmt, &ret[n++]);
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	db_leave(db);
	*ret_count = n;
	return r;
}

int
db_chunk_next(struct db *db, uint64_t node, uint64_t *ret)
{
	sqlite3_stmt *stmt = db->stmt[DB_CHUNK_NEXT];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)node);
	r = db_one_id(db, stmt, ret);
	db_leave(db);
	return r;
}

static void
bind_page(sqlite3_stmt *stmt, uint64_t node, uint64_t page)
{
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)node);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)page);
}

int
db_crc_get(
    struct db *db, uint64_t node, uint64_t page, uint32_t ret[DB_CRC_PAGE])
{
	sqlite3_stmt *stmt = db->stmt[DB_CRC_GET];
	int r;

	db_enter(db);
	bind_page(stmt, node, page);
	r = db_step(db, stmt);
	if (r == 1) {
		size_t len = (size_t)sqlite3_column_bytes(stmt, 0);

		r = len == CRC_BYTES ? 0 : -EBADMSG;
		if (r == 0)
			memcpy(ret, sqlite3_column_blob(stmt, 0), len);
	} else if (r == 0) {
		r = -ENOENT;
	}
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	db_leave(db);
	return r;
}

int
db_crc_put(struct db *db, uint64_t node, uint64_t page,
    const uint32_t crc[DB_CRC_PAGE])
{
	sqlite3_stmt *stmt = db->stmt[DB_CRC_PUT];
	int r;

	db_enter(db);
	bind_page(stmt, node, page);
	(void)sqlite3_bind_blob(stmt, 3, crc, (int)CRC_BYTES, SQLITE_STATIC);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_crc_delete(struct db *db, uint64_t node)
{
	sqlite3_stmt *stmt = db->stmt[DB_CRC_DELETE];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)node);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_crc_clear(struct db *db, uint64_t node, uint64_t page)
{
	int r;

	db_enter(db);
	bind_page(db->stmt[DB_CRC_CLEAR], node, page);
	r = db_run(db, db->stmt[DB_CRC_CLEAR]);
	db_leave(db);
	return r;
}

int
db_chunks_clean(struct db *db)
{
	int r;

	db_enter(db);
	r = db_run(db, db->stmt[DB_CHUNKS_CLEAN]);
	db_leave(db);
	return r;
}

static void
bind_odd(sqlite3_stmt *stmt, const char *key, const char *reason, uint64_t dir,
    int64_t seen_ms)
{
	(void)sqlite3_bind_blob(stmt, 1, key, (int)strlen(key), SQLITE_STATIC);
	(void)sqlite3_bind_text(stmt, 2, reason, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(stmt, 3, (int64_t)dir);
	(void)sqlite3_bind_int64(stmt, 4, seen_ms);
}

int
db_odd_put(struct db *db, const char *key, const char *reason, uint64_t dir,
    int64_t seen_ms, bool *ret_new)
{
	int r;

	db_enter(db);
	bind_odd(db->stmt[DB_ODD_SEEN], key, reason, dir, seen_ms);
	r = db_run(db, db->stmt[DB_ODD_SEEN]);
	*ret_new = r == 0 && sqlite3_changes(db->sql) == 0;
	if (*ret_new) {
		bind_odd(db->stmt[DB_ODD_PUT], key, reason, dir, seen_ms);
		r = db_run(db, db->stmt[DB_ODD_PUT]);
	}
	db_leave(db);
	return r;
}

int
db_odd_forget(struct db *db, uint64_t dir, int64_t before_ms)
{
	sqlite3_stmt *stmt = db->stmt[DB_ODD_FORGET];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)dir);
	(void)sqlite3_bind_int64(stmt, 2, before_ms);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_odd_each(
    struct db *db, uint64_t from, unsigned max, db_odd_fn *fn, void *arg)
{
	sqlite3_stmt *stmt = db->stmt[DB_ODD_EACH];
	bool more = true;
	int r = 0;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)from);
	(void)sqlite3_bind_int64(stmt, 2, max);
	while (more && (r = db_step(db, stmt)) == 1)
		more = fn(arg, (const char *)sqlite3_column_text(stmt, 0),
		    (const char *)sqlite3_column_text(stmt, 1));
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	db_leave(db);
	return r < 0 ? r : 0;
}

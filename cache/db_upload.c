/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_upload.c - the metadata database: multipart uploads that are open.
 */
#include "cache/db_upload.h"

#include <errno.h>

#include "cache/db_stmt.h"

static void
bind_attrs(sqlite3_stmt *stmt, const struct db_upload *upload)
{
	(void)sqlite3_bind_text(stmt, 5, upload->token, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(stmt, 6, upload->mode);
	(void)sqlite3_bind_int64(stmt, 7, upload->uid);
	(void)sqlite3_bind_int64(stmt, 8, upload->gid);
	(void)sqlite3_bind_int64(stmt, 9, upload->atime_ns);
	(void)sqlite3_bind_int64(stmt, 10, upload->mtime_ns);
	(void)sqlite3_bind_blob64(
	    stmt, 11, upload->meta, upload->meta_len, SQLITE_STATIC);
}

int
db_upload_put(struct db *db, const struct db_upload *upload)
{
	sqlite3_stmt *stmt = db->stmt[DB_UPLOAD_PUT];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)upload->id);
	db_bind_bytes(stmt, 2, upload->key);
	(void)sqlite3_bind_text(stmt, 3, upload->upload_id, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(stmt, 4, upload->made_ms);
	bind_attrs(stmt, upload);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_upload_set_id(struct db *db, uint64_t id, const char *upload_id)
{
	sqlite3_stmt *stmt = db->stmt[DB_UPLOAD_SET_ID];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)id);
	(void)sqlite3_bind_text(stmt, 2, upload_id, -1, SQLITE_STATIC);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_upload_delete(struct db *db, uint64_t id)
{
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(
	    db->stmt[DB_UPLOAD_DELETE_PARTS], 1, (int64_t)id);
	r = db_run(db, db->stmt[DB_UPLOAD_DELETE_PARTS]);
	(void)sqlite3_bind_int64(db->stmt[DB_UPLOAD_DELETE], 1, (int64_t)id);
	if (r == 0)
		r = db_run(db, db->stmt[DB_UPLOAD_DELETE]);
	db_leave(db);
	return r;
}

static int
read_upload(sqlite3_stmt *stmt, struct db_upload *ret)
{
	*ret = (struct db_upload){
		.id = (uint64_t)sqlite3_column_int64(stmt, 0),
		.key = (const char *)sqlite3_column_text(stmt, 1),
		.upload_id = (const char *)sqlite3_column_text(stmt, 2),
		.made_ms = sqlite3_column_int64(stmt, 3),
		.token = (const char *)sqlite3_column_text(stmt, 4),
		.mode = (uint32_t)sqlite3_column_int64(stmt, 5),
		.uid = (uint32_t)sqlite3_column_int64(stmt, 6),
		.gid = (uint32_t)sqlite3_column_int64(stmt, 7),
		.atime_ns = sqlite3_column_int64(stmt, 8),
		.mtime_ns = sqlite3_column_int64(stmt, 9),
		.meta = sqlite3_column_blob(stmt, 10),
		.meta_len = (size_t)sqlite3_column_bytes(stmt, 10),
	};
	return ret->key == NULL || ret->upload_id == NULL ? -EBADMSG : 0;
}

int
db_uploads_each(struct db *db, db_upload_fn *fn, void *arg)
{
	sqlite3_stmt *stmt = db->stmt[DB_UPLOADS_EACH];
	struct db_upload one;
	bool more = true;
	int r = 0;

	db_enter(db);
	while (more && (r = db_step(db, stmt)) == 1) {
		r = read_upload(stmt, &one);
		if (r < 0)
			break;
		more = fn(arg, &one);
	}
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	db_leave(db);
	return r < 0 ? r : 0;
}

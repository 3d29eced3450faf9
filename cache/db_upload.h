/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_upload.h - the metadata database: multipart uploads that are open.
 *
 * Part of db.h, whose rules hold.  The column intent is the id.
 */
#ifndef CACHE_DB_UPLOAD_H
#define CACHE_DB_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct db;

/* One upload; texts are borrowed. */
struct db_upload {
	uint64_t id;
	const char *key;
	const char *upload_id; /* S3's; or one of sweep.c's words */
	int64_t made_ms;       /* wall clock: before it was begun */
};

/* Insert it, or replace the one of the same id. */
int db_upload_put(struct db *db, const struct db_upload *upload);

/* Remove it, and its parts. */
int db_upload_delete(struct db *db, uint64_t id);

/* Called for each, its texts are valid during the call; false: stop. */
typedef bool db_upload_fn(void *arg, const struct db_upload *upload);

/* All, by id. */
int db_uploads_each(struct db *db, db_upload_fn *fn, void *arg);

#endif

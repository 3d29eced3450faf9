/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_upload.h - the metadata database: multipart uploads that are open.
 *
 * Part of db.h, whose rules hold.  The column intent is the id.
 */
#ifndef CACHE_DB_UPLOAD_H
#define CACHE_DB_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct db;

/* One upload; texts are borrowed. */
struct db_upload {
	uint64_t id;
	const char *key;
	const char *upload_id; /* S3's; or one of sweep.c's words */
	int64_t made_ms;       /* wall clock: before it was begun */
	/* What its object will have, as in struct row. */
	const char *token; /* NULL: nothing of it was noted */
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	int64_t atime_ns;
	int64_t mtime_ns;
	const void *meta;
	size_t meta_len;
};

/* Insert it, or replace the one of the same id. */
int db_upload_put(struct db *db, const struct db_upload *upload);

/* S3 has answered: its upload id. */
int db_upload_set_id(struct db *db, uint64_t id, const char *upload_id);

/* Remove it, and its parts. */
int db_upload_delete(struct db *db, uint64_t id);

/* Called for each, its texts are valid during the call; false: stop. */
typedef bool db_upload_fn(void *arg, const struct db_upload *upload);

/* All, by id. */
int db_uploads_each(struct db *db, db_upload_fn *fn, void *arg);

#endif

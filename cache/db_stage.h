/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_stage.h - the metadata database: staging objects (stage.h) that may be in
 * S3.
 *
 * Part of db.h, whose rules hold.  Each is noted before it is made, until it
 * was deleted; whoever has it as a base is an intent of its own
 * (DB_INTENT_BASE).
 */
#ifndef CACHE_DB_STAGE_H
#define CACHE_DB_STAGE_H

#include <stdint.h>

/* Opaque types. */
struct db;

/* One of them; the key is owned by the caller. */
struct db_stage {
	uint64_t id;
	char *key;
};

/* ${key} is about to be made: it is not among the unused before
 * db_stage_made(), or the next run.  ${*ret_id}: the note's. */
int db_stage_put(struct db *db, const char *key, uint64_t *ret_id);
int db_stage_made(struct db *db, uint64_t id);

/* It is not there any more. */
int db_stage_delete(struct db *db, uint64_t id);

/**
 * db_stage_unused(db, after, new_from, ret):
 * The first with an id above ${after} that is no row's base.  ${new_from}: ids
 * below it are of earlier runs.
 * Returns: 0; -ENOENT no more; -errno.
 */
int db_stage_unused(
    struct db *db, uint64_t after, uint64_t new_from, struct db_stage *ret);

#endif

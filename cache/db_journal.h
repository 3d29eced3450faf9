/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_journal.h - the metadata database: renames of directories under way.
 *
 * Rows of the table intent, of two kinds; entry is the root's, which is always
 * there.
 *
 *	kind -1	one rename: key is empty, so that they are found at once;
 *		source_key and etag are both markers' keys, the old one first;
 *		generation is the id of the row that hides a name
 *	kind -2	an object of it: generation is the id of the above, key the
 *		object's old one, etag what is copied of it, token the copy's
 *		ETag, state whether the new key had an object before
 *
 * Part of db.h, whose rules hold.
 */
#ifndef CACHE_DB_JOURNAL_H
#define CACHE_DB_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct db;

/* Texts are borrowed. */
struct db_journal {
	uint64_t id;
	const char *key;
	const char *new_key;
	uint64_t hidden;
	int state; /* the caller's */
};

struct db_journal_key {
	uint64_t id;
	uint64_t journal; /* its id */
	const char *key;
	const char *etag;     /* may be NULL */
	const char *new_etag; /* likewise */
	bool may_replace;
};

/* Insert it, or replace the one of the same id. */
int db_journal_put(struct db *db, const struct db_journal *journal);
int db_journal_put_key(struct db *db, const struct db_journal_key *key);

/* Remove the rename of ${id} with its objects, or one object. */
int db_journal_delete(struct db *db, uint64_t id);

/* Called for each, its texts are valid during the call; false: stop. */
typedef bool db_journal_fn(void *arg, const struct db_journal *journal);
typedef bool db_journal_key_fn(void *arg, const struct db_journal_key *key);

/* All, by id; and the objects of the one of ${id}, likewise. */
int db_journal_each(struct db *db, db_journal_fn *fn, void *arg);
int db_journal_each_key(
    struct db *db, uint64_t id, db_journal_key_fn *fn, void *arg);

#endif

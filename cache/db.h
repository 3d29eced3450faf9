/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db.h - the metadata database: the only SQL of the program.
 *
 * Role:    rows of the tree, facts about chunk files, what is owed to S3.
 * Owns:    meta.db (SQLite, WAL) in the cache folder, with a checksum for each
 *          page (db_sum.h).
 * Threads: any.  One connection behind the db lock, which is the last but
 *          one in the lock order; it is recursive, so that between db_begin()
 *          and db_commit() one thread makes several calls as one transaction.
 *          No transaction outlives the call of the façade that began it.
 *
 * Times named _ms are the cache's own clock (see cache_now_ms() in core.h);
 * times named _ns are wall time.  Numbers (id, node) come from db_number()
 * and are never used twice, so that a directory cookie, an inode number or
 * the name of a chunk file means one thing for ever.
 *
 * Errors: -ENOENT no such row; -EIO the database's disk fails; -EBADMSG it is
 * damaged; -ENOSPC its disk is full: nothing was changed, and when there is
 * room all goes on.
 */
#ifndef CACHE_DB_H
#define CACHE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/base/buf.h"

#define DB_SCHEMA 4 /* PRAGMA user_version */

struct db;

/* What an entry is.  Stored: the numbers stay. */
enum row_kind {
	ROW_UNKNOWN = 0, /* a small object whose headers were not seen */
	ROW_FILE = 1,
	ROW_DIR = 2,
	ROW_SYMLINK = 3,
	ROW_SPECIAL = 4 /* FIFO, socket, device: by mode */
};

/* What makes a directory explicit.  Stored. */
enum row_marker {
	ROW_MARKER_NONE = 0,
	ROW_MARKER_SLASH = 1, /* the object `dir/' */
	ROW_MARKER_FOLDER = 2 /* Hadoop's `dir_$folder$' */
};

/* What is known of an entry's metadata headers.  Stored. */
enum row_attrs {
	ROW_ATTRS_NONE = 0,
	ROW_ATTRS_KNOWN = 1,
	ROW_ATTRS_FRESH = 2 /* known, but the object was younger than 2 s
			       then: a change may hide behind the same time */
};

/* One entry of the tree. */
struct row {
	uint64_t id;     /* inode number and directory cookie */
	uint64_t node;   /* of its version */
	uint64_t parent; /* id of the directory; 0: the root */
	char *name;      /* owned */
	enum row_kind kind;
	int name_state; /* enum state_name */
	int attr_state; /* enum state_attrs */
	int byte_state; /* enum state_bytes */
	uint64_t size;
	int64_t modified_ns; /* Last-Modified */
	char *etag;          /* owned, NULL: none (directories) */
	char *version_id;    /* owned, NULL */
	char *storage_class; /* owned, NULL */
	enum row_attrs attrs;
	uint32_t mode; /* type and permissions, 0: no metadata */
	uint32_t uid;  /* UINT32_MAX: no metadata; gid likewise */
	uint32_t gid;
	uint32_t rdev;
	int64_t atime_ns; /* 0: no metadata */
	int64_t mtime_ns;
	int64_t ctime_ns;
	char *content_type; /* owned, NULL */
	char *token;        /* owned, NULL */
	char *target;       /* owned; symlinks, NULL: not fetched yet */
	void *meta;         /* owned; attrs_pack() form */
	size_t meta_len;
	enum row_marker marker; /* directories */
	int64_t seen_ms;        /* when the last observation was asked for */
	int64_t changed_ms;     /* last change by our own hand */
	int64_t listed_ms;      /* directories: last whole listing; 0: none */
	char *base_key;         /* owned; NULL: by name.  Where the base lies */
};

/* A chunk file. */
struct db_chunk {
	uint64_t node; /* its name */
	uint64_t bytes;
	int64_t used_ms;
	void *present; /* owned; rangeset_pack() form */
	size_t present_len;
	void *dirty; /* owned; likewise: of it, what is not in S3 */
	size_t dirty_len;
	uint64_t base_size; /* bytes of the object that count still */
};

/* Free the strings of ${row} and make it empty. */
void row_fini(struct row *row);

/* Make ${dst} (empty) a copy of ${src}: 0, or -ENOMEM. */
int row_copy(struct row *dst, const struct row *src);

/**
 * db_open(path, ret, ret_cold):
 * Open or make the database.  ${*ret_cold}: it was empty.
 * Returns: 0; -EPROTO a newer schema; -EBADMSG not a database or damaged;
 *     -EIO, -EACCES, -EROFS, -ENOSPC.
 */
int db_open(const char *path, struct db **ret, bool *ret_cold);
void db_close(struct db *db);

/* Move what was committed from the log into the file, so that the log is used
 * from its start again.  If it cannot be done now, it is later. */
void db_checkpoint(struct db *db);

/**
 * db_look(db, page, count):
 * Compare ${count} pages of the file, from ${*page} on (0: the first), with
 * their checksums, and count ${*page} up.
 * Returns: 0; -ENOENT that was the end; -EBADMSG a page is damaged.
 */
int db_look(struct db *db, uint64_t *page, unsigned count);

/* Whether the file was found damaged since it was opened: by SQLite, or by
 * whoever called db_found_damage(). */
bool db_is_damaged(struct db *db);
void db_found_damage(struct db *db);

/* Have ${fn} called when there is no room for the database: it makes some,
 * later.  Called with the db lock held: only leaves may be taken. */
typedef void db_full_fn(void *arg);
void db_on_full(struct db *db, db_full_fn *fn, void *arg);

/* A number never given before, greater than all before. */
int db_number(struct db *db, uint64_t *ret);

/* ---- transactions: the lock is held between ---- */

int db_begin(struct db *db);
int db_commit(struct db *db); /* on failure all is rolled back */
void db_rollback(struct db *db);

/**
 * db_sync(db):
 * All that was committed before is on the disk, and survives the loss of power.
 * A commit alone survives the end of the process.
 * Returns: 0; -EIO.
 */
int db_sync(struct db *db);

/* ---- settings ---- */

/* The text stored as ${name}, appended to ${ret}; -ENOENT. */
int db_get_setting(struct db *db, const char *name, struct buf *ret);
int db_set_setting(struct db *db, const char *name, const char *value);

/* ---- the tree; rows are filled in and owned by the caller: row_fini() ---- */

int db_row_by_id(struct db *db, uint64_t id, struct row *ret);
int db_row_by_node(struct db *db, uint64_t node, struct row *ret);
/* Of several rows of a name, the one that callers see. */
int db_row_by_name(
    struct db *db, uint64_t parent, const char *name, struct row *ret);

/* Insert ${row}, or replace the one of the same id. */
int db_row_put(struct db *db, const struct row *row);

/* Insert ${row}, whose id is new: less work.  Returns: -EBADMSG: it is not. */
int db_row_add(struct db *db, const struct row *row);

/* As db_row_put(): cheaper where node, parent, name, name_state and kind are as
 * they were, dearer where they are not. */
int db_row_update(struct db *db, const struct row *row);

/* Set only seen_ms. */
int db_row_seen(struct db *db, uint64_t id, int64_t seen_ms);

/* Believe row ${id} no longer, nor what was asked for up to ${before_ms}. */
int db_row_doubt(struct db *db, uint64_t id, int64_t before_ms);

/* Set only listed_ms. */
int db_row_listed(struct db *db, uint64_t id, int64_t listed_ms);

/* Set only the times of its last change (ours: changed_ms), both to now. */
int db_row_touch(struct db *db, uint64_t id, int64_t now_ns, int64_t now_ms);

/* Remove the row ${id}, and all below it. */
int db_row_delete(struct db *db, uint64_t id);

/* Called for a row; borrowed during the call.  false: stop. */
typedef bool db_row_fn(void *arg, const struct row *row);

/* The children of ${parent} with id above ${after}, by id, at most ${max}. */
int db_rows_after(struct db *db, uint64_t parent, uint64_t after, unsigned max,
    db_row_fn *fn, void *arg);

/* Those whose name comes after ${name}, by name (bytes), at most ${max}. */
int db_rows_named_after(struct db *db, uint64_t parent, const char *name,
    unsigned max, db_row_fn *fn, void *arg);

/* The children of ${parent} that no observation since ${ms} has seen. */
int db_rows_unseen(
    struct db *db, uint64_t parent, int64_t ms, db_row_fn *fn, void *arg);

/* All rows below ${id}, not itself. */
int db_rows_below(struct db *db, uint64_t id, db_row_fn *fn, void *arg);

/* Remove the children of ${parent} in state ${name_state} that no observation
 * since ${ms} has seen. */
int db_rows_purge(struct db *db, uint64_t parent, int64_t ms, int name_state);

/* All rows by which something is owed to S3, by id. */
int db_rows_pending(struct db *db, db_row_fn *fn, void *arg);

/* Those of ids above ${after}, of whatever directory, by id, at most ${max}. */
int db_rows_from(
    struct db *db, uint64_t after, unsigned max, db_row_fn *fn, void *arg);

/* Those of ids above ${after}, up to ${end}, whose name may be one of
 * aside.h, by id. */
int db_rows_aside(
    struct db *db, uint64_t after, uint64_t end, db_row_fn *fn, void *arg);

/* The id of the ${count}th row after ${after}, or of the last; 0: none. */
int db_row_window(
    struct db *db, uint64_t after, unsigned count, uint64_t *ret_end);

int db_count_rows(struct db *db, uint64_t *ret);

/* How many folders callers see in directory ${id}; it stops at ${max}. */
int db_count_folders(struct db *db, uint64_t id, unsigned max, uint64_t *ret);

/* ---- chunk files ---- */

int db_chunk_get(struct db *db, uint64_t node, struct db_chunk *ret);
void db_chunk_fini(struct db_chunk *chunk);
int db_chunk_put(struct db *db, const struct db_chunk *chunk);
int db_chunk_delete(struct db *db, uint64_t node); /* and its CRCs */

/* The least recently used chunks, at most ${max}: nodes and bytes only. */
int db_chunks_oldest(struct db *db, unsigned skip, unsigned max,
    struct db_chunk *ret, unsigned *ret_count);
int db_chunks_bytes(struct db *db, uint64_t *ret);

/* The first of ${node} or above that is not empty; -ENOENT: none. */
int db_chunk_next(struct db *db, uint64_t node, uint64_t *ret);

/*
 * CRCs of a chunk file, by pages of DB_CRC_PAGE blocks: 0 in an element means
 * that the block has none.
 */
#define DB_CRC_PAGE 1024
int db_crc_get(struct db *db, uint64_t node, uint64_t page,
    uint32_t ret[DB_CRC_PAGE]); /* -ENOENT: none at all */
int db_crc_put(struct db *db, uint64_t node, uint64_t page,
    const uint32_t crc[DB_CRC_PAGE]);

/* Those of one page go. */
int db_crc_clear(struct db *db, uint64_t node, uint64_t page);

/* Forget all CRCs of a chunk file. */
int db_crc_delete(struct db *db, uint64_t node);

/* Chunks of versions that are CLEAN hold nothing dirty. */
int db_chunks_clean(struct db *db);

/* ---- names that are owed to S3 ---- */

/* What is to be done.  Stored: the numbers stay; those of enum
 * db_intent_kind are others. */
enum intent_kind {
	INTENT_PUT = 2,    /* of a new directory, symlink, special file */
	INTENT_MARK = 3,   /* of the marker of a directory that is there */
	INTENT_MOVE = 4,   /* a COPY from row.base_key */
	INTENT_DELETE = 5, /* of what is hidden */
};

/*
 * A change of a name that a call has acknowledged and S3 has not: committed
 * with the row's state, removed with it.  A row in CREATING, MOVING, DELETING,
 * DELETE_SENT without one is of a call that did not return (or of a file whose
 * bytes are not there yet).
 */
struct intent {
	uint64_t id; /* of the row */
	enum intent_kind kind;
	char *key;        /* owned; what is to be changed */
	uint64_t follows; /* DELETE: the row that is to be copied from there
			     first; 0: none */
	bool is_sent;     /* it left, and how it ended is not known */
};

void intent_fini(struct intent *it);

/* That of row ${id}; ${ret} is owned: intent_fini().  -ENOENT: none. */
int db_owed_get(struct db *db, uint64_t id, struct intent *ret);

/* A DELETE of ${key}, not of row ${but}; likewise. */
int db_owed_delete_of(
    struct db *db, const char *key, uint64_t but, struct intent *ret);

/* Within a transaction: insert, or replace that of the row. */
int db_owed_put(struct db *db, const struct intent *it);
int db_owed_remove(struct db *db, uint64_t id);

/* Set only is_sent. */
int db_owed_sent(struct db *db, uint64_t id, bool is_sent);

/* Called for each, in the order they came; false: stop. */
typedef bool db_owed_fn(void *arg, const struct intent *it);
int db_owed_each(struct db *db, db_owed_fn *fn, void *arg);

/* ---- intents: what was acknowledged, and S3 has not yet ---- */

/* What is owed.  Stored: the numbers stay. */
enum db_intent_kind {
	DB_INTENT_BYTES = 1,   /* the bytes of a file, as it is, to be sent: a
				  close or fsync of them was acknowledged; one an
				  entry */
	DB_INTENT_BASE = 6,    /* what of these bytes is not local lies under
				  source_key with etag, not under its own key;
				  one an entry, and no promise by itself */
	DB_INTENT_STAGE = 8,   /* of the root: there may be a staging object
				  source_key (db_stage.h) */
	DB_INTENT_SNAPSHOT = 7 /* the bytes that are owed are in chunk file
				  generation: that of the row was changed
				  since (snapshot.h) */
};

struct db_intent {
	uint64_t id;    /* 0: a new one */
	uint64_t entry; /* id of the row */
	enum db_intent_kind kind;
	char *key; /* owned; "": by name */
	char *source_key;
	char *etag; /* owned, NULL, as the two around it */
	char *token;
	uint64_t generation;
	int state;
	int64_t made_ms; /* since when it is owed */
};

/* Free its strings. */
void db_intent_fini(struct db_intent *intent);

/* The (first) one of row ${entry}: -ENOENT.  Memory: db_intent_fini(). */
int db_intent_get(struct db *db, uint64_t entry, enum db_intent_kind kind,
    struct db_intent *ret);

/* The row whose snapshot chunk file ${node} is: -ENOENT. */
int db_intent_of_chunk(struct db *db, uint64_t node, uint64_t *ret_entry);

/* Insert it, or replace the one of the same id. */
int db_intent_put(struct db *db, const struct db_intent *intent);

/* Nothing of that kind is owed for row ${entry} any more. */
int db_intent_drop(struct db *db, uint64_t entry, enum db_intent_kind kind);

/* Remove those whose rows are gone. */
int db_intents_sweep(struct db *db);

/* ---- keys that have no path ---- */

/* Note that ${key} was listed in directory ${dir}; ${*ret_new}: it was not
 * known. */
int db_odd_put(struct db *db, const char *key, const char *reason, uint64_t dir,
    int64_t seen_ms, bool *ret_new);

/* Forget those of ${dir} that were not seen since ${before_ms}. */
int db_odd_forget(struct db *db, uint64_t dir, int64_t before_ms);
int db_odd_count(struct db *db, uint64_t *ret);
typedef bool db_odd_fn(void *arg, const char *key, const char *reason);
/* At most ${max} of them, by key, after the first ${from}. */
int db_odd_each(
    struct db *db, uint64_t from, unsigned max, db_odd_fn *fn, void *arg);

#endif

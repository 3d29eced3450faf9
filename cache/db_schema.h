/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_schema.h - the tables of meta.db.  DB_SCHEMA in db.h is their version.
 *
 * entry   the tree: a row an entry; see struct row for the columns.  Of one
 *         name there may be several: what is being deleted, and what took its
 *         place; the one that callers see has the lowest name_state
 * chunk   chunk files: what of them is present, and what dirty; one a
 *         version (node)
 * crc     their checksums, DB_CRC_PAGE blocks of 128 KiB a row
 * intent  names that we still owe S3, one a row of entry: committed before the
 *         acknowledgement that depends on it, removed after S3's.  generation
 *         is struct intent's follows, state its is_sent; the others are unused
 * upload  multipart uploads that are open, with what their objects will carry
 *         (token NULL: that was not noted), and
 * part    the parts they have
 * odd     keys that have no path
 * setting name and value: next_number, identity, clean, probed conditions
 */
#ifndef CACHE_DB_SCHEMA_H
#define CACHE_DB_SCHEMA_H

/* Rows by which something is owed: name ABSENT, PRESENT, GONE are not.  For a
 * list with NOT IN, SQLite would make a table of it for each row it writes. */
#define SCHEMA_IS_PENDING                                                      \
	"name_state <> 0 AND name_state <> 2 AND name_state <> 6"              \
	" OR attr_state <> 0 OR byte_state <> 0"
#define SCHEMA_PENDING                                                         \
	"CREATE INDEX entry_pending ON entry (id) WHERE " SCHEMA_IS_PENDING ";"

/* Folders that callers see (name CREATING, PRESENT, MOVING), by where they
 * are: to count them costs no row of another kind. */
#define SCHEMA_IS_FOLDER "kind = 2 AND name_state IN (1, 2, 3)"
#define SCHEMA_FOLDERS                                                         \
	"CREATE INDEX entry_folder ON entry (parent) WHERE " SCHEMA_IS_FOLDER  \
	";"

/* From schema 1 to 2, and on. */
#define SCHEMA_UPGRADE_2                                                       \
	"ALTER TABLE chunk ADD COLUMN dirty BLOB;"                             \
	"ALTER TABLE chunk ADD COLUMN base_size INTEGER;" SCHEMA_UPGRADE_3

/* From 2 to 3: the same index, by the condition that it has now, and that of
 * folders. */
#define SCHEMA_UPGRADE_3                                                       \
	"DROP INDEX IF EXISTS entry_pending;" SCHEMA_PENDING SCHEMA_FOLDERS    \
	    SCHEMA_UPGRADE_4

/* From 3 to 4. */
#define SCHEMA_UPGRADE_4                                                       \
	"ALTER TABLE upload ADD COLUMN token TEXT;"                            \
	"ALTER TABLE upload ADD COLUMN mode INTEGER;"                          \
	"ALTER TABLE upload ADD COLUMN uid INTEGER;"                           \
	"ALTER TABLE upload ADD COLUMN gid INTEGER;"                           \
	"ALTER TABLE upload ADD COLUMN atime_ns INTEGER;"                      \
	"ALTER TABLE upload ADD COLUMN mtime_ns INTEGER;"                      \
	"ALTER TABLE upload ADD COLUMN meta BLOB;"

#define SCHEMA_SQL                                                             \
	"CREATE TABLE setting ("                                               \
	" name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"          \
	"CREATE TABLE entry ("                                                 \
	" id INTEGER PRIMARY KEY, node INTEGER NOT NULL,"                      \
	" parent INTEGER NOT NULL, name BLOB NOT NULL,"                        \
	" kind INTEGER NOT NULL, name_state INTEGER NOT NULL,"                 \
	" attr_state INTEGER NOT NULL, byte_state INTEGER NOT NULL,"           \
	" size INTEGER NOT NULL, modified_ns INTEGER NOT NULL,"                \
	" etag TEXT, version_id TEXT, storage_class TEXT,"                     \
	" attrs INTEGER NOT NULL, mode INTEGER, uid INTEGER,"                  \
	" gid INTEGER, rdev INTEGER, atime_ns INTEGER,"                        \
	" mtime_ns INTEGER, ctime_ns INTEGER, content_type TEXT,"              \
	" token TEXT, target BLOB, meta BLOB, marker INTEGER,"                 \
	" seen_ms INTEGER NOT NULL, changed_ms INTEGER,"                       \
	" listed_ms INTEGER, base_key BLOB);"                                  \
	"CREATE INDEX entry_name ON entry (parent, name, name_state);"         \
	"CREATE INDEX entry_parent ON entry (parent);"                         \
	"CREATE UNIQUE INDEX entry_node ON entry (node)"                       \
	" WHERE node <> id;" SCHEMA_PENDING SCHEMA_FOLDERS                     \
	"CREATE TABLE chunk ("                                                 \
	" node INTEGER PRIMARY KEY, bytes INTEGER NOT NULL,"                   \
	" used_ms INTEGER NOT NULL, present BLOB,"                             \
	" dirty BLOB, base_size INTEGER);"                                     \
	"CREATE INDEX chunk_used ON chunk (used_ms);"                          \
	"CREATE TABLE crc ("                                                   \
	" node INTEGER NOT NULL, page INTEGER NOT NULL,"                       \
	" data BLOB NOT NULL, PRIMARY KEY (node, page)) WITHOUT ROWID;"        \
	"CREATE TABLE intent ("                                                \
	" id INTEGER PRIMARY KEY, entry INTEGER NOT NULL,"                     \
	" kind INTEGER NOT NULL, key BLOB NOT NULL, source_key BLOB,"          \
	" etag TEXT, token TEXT, generation INTEGER NOT NULL,"                 \
	" state INTEGER NOT NULL, made_ms INTEGER NOT NULL);"                  \
	"CREATE INDEX intent_key ON intent (key, id);"                         \
	"CREATE INDEX intent_entry ON intent (entry);"                         \
	"CREATE TABLE upload ("                                                \
	" intent INTEGER PRIMARY KEY, key BLOB NOT NULL,"                      \
	" upload_id TEXT NOT NULL, made_ms INTEGER NOT NULL,"                  \
	" token TEXT, mode INTEGER, uid INTEGER, gid INTEGER,"                 \
	" atime_ns INTEGER, mtime_ns INTEGER, meta BLOB);"                     \
	"CREATE TABLE part ("                                                  \
	" intent INTEGER NOT NULL, number INTEGER NOT NULL,"                   \
	" off INTEGER NOT NULL, len INTEGER NOT NULL, etag TEXT,"              \
	" crc32c INTEGER, PRIMARY KEY (intent, number)) WITHOUT ROWID;"        \
	"CREATE TABLE odd ("                                                   \
	" key BLOB PRIMARY KEY, reason TEXT NOT NULL,"                         \
	" dir INTEGER NOT NULL, seen_ms INTEGER NOT NULL) WITHOUT ROWID;"      \
	"CREATE INDEX odd_dir ON odd (dir, seen_ms);"

#endif

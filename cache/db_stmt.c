/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_stmt.c - the text of the prepared statements.
 */
#include "cache/db_stmt.h"
#include "cache/db_schema.h"

#define ROW_COLUMNS                                                            \
	"id, node, parent, name, kind, name_state, attr_state,"                \
	" byte_state, size, modified_ns, etag, version_id, storage_class,"     \
	" attrs, mode, uid, gid, rdev, atime_ns, mtime_ns, ctime_ns,"          \
	" content_type, token, target, meta, marker, seen_ms,"                 \
	" changed_ms, listed_ms, base_key"

#define ENTRY_VALUES                                                           \
	"entry (" ROW_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"       \
	"?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"

#define SELECT_ROW "SELECT " ROW_COLUMNS " FROM entry "

/* Of enum intent_kind; others of the table are of enum db_intent_kind. */
#define IS_OWED "kind BETWEEN 2 AND 5"

#define SELECT_OWED "SELECT entry, kind, key, generation, state FROM intent "

const char *const db_stmt_text[DB_STMT_COUNT] = {
	[DB_BEGIN] = "BEGIN IMMEDIATE",
	[DB_COMMIT] = "COMMIT",
	[DB_ROLLBACK] = "ROLLBACK",
	[DB_SETTING_GET] = "SELECT value FROM setting WHERE name = ?1",
	[DB_SETTING_SET] = "INSERT OR REPLACE INTO setting VALUES (?1, ?2)",
	[DB_ROW_BY_ID] = SELECT_ROW "WHERE id = ?1",
	[DB_ROW_BY_OWN_NODE] = SELECT_ROW "WHERE id = ?1 AND node = ?1",
	[DB_ROW_BY_OTHER_NODE] = SELECT_ROW "WHERE node = ?1 AND node <> id",
	[DB_ROW_BY_NAME] = SELECT_ROW "WHERE parent = ?1 AND name = ?2"
				      " ORDER BY name_state LIMIT 1",
	[DB_ROW_PUT] = "INSERT OR REPLACE INTO " ENTRY_VALUES,
	[DB_ROW_ADD] = "INSERT INTO " ENTRY_VALUES,
	/* The same parameters; it touches no index but that of what is owed. */
	[DB_ROW_UPDATE] =
	    "UPDATE entry SET attr_state=?7, byte_state=?8, size=?9,"
	    " modified_ns=?10, etag=?11, version_id=?12, storage_class=?13,"
	    " attrs=?14, mode=?15, uid=?16, gid=?17, rdev=?18, atime_ns=?19,"
	    " mtime_ns=?20, ctime_ns=?21, content_type=?22, token=?23,"
	    " target=?24, meta=?25, marker=?26, seen_ms=?27, changed_ms=?28,"
	    " listed_ms=?29, base_key=?30 WHERE id=?1 AND node=?2"
	    " AND parent=?3 AND name=?4 AND name_state=?6 AND kind=?5",
	[DB_ROW_SEEN] = "UPDATE entry SET seen_ms = ?2 WHERE id = ?1",
	[DB_ROW_DOUBT] =
	    "UPDATE entry SET seen_ms = 0, changed_ms = ?2 WHERE id = ?1",
	[DB_ROW_LISTED] = "UPDATE entry SET listed_ms = ?2 WHERE id = ?1",
	[DB_ROW_TOUCH] = "UPDATE entry SET mtime_ns = ?2, ctime_ns = ?2,"
			 " changed_ms = ?3 WHERE id = ?1",
	[DB_ROW_DELETE] = "WITH RECURSIVE below (id) AS (VALUES (?1) UNION"
			  " SELECT entry.id FROM entry JOIN below"
			  " ON entry.parent = below.id)"
			  " DELETE FROM entry WHERE id IN below",
	[DB_ROWS_AFTER] =
	    SELECT_ROW "INDEXED BY entry_parent"
		       " WHERE parent = ?1 AND id > ?2 ORDER BY id LIMIT ?3",
	[DB_ROWS_NAMED_AFTER] =
	    SELECT_ROW "INDEXED BY entry_name WHERE parent = ?1"
		       " AND name > ?2 ORDER BY name LIMIT ?3",
	[DB_ROWS_UNSEEN] =
	    SELECT_ROW "INDEXED BY entry_parent"
		       " WHERE parent = ?1 AND seen_ms < ?2 ORDER BY id",
	[DB_ROWS_PURGE] = "DELETE FROM entry WHERE parent = ?1"
			  " AND name_state = ?3 AND seen_ms < ?2",
	[DB_ROWS_BELOW] =
	    "WITH RECURSIVE below (below_id) AS (VALUES (?1) UNION"
	    " SELECT entry.id FROM entry JOIN below"
	    " ON entry.parent = below_id) " SELECT_ROW
	    "WHERE id IN below AND id <> ?1",
	[DB_ROWS_PENDING] = SELECT_ROW
	"INDEXED BY entry_pending WHERE " SCHEMA_IS_PENDING " ORDER BY id",
	[DB_ROWS_FROM] = SELECT_ROW "WHERE id > ?1 ORDER BY id LIMIT ?2",
	[DB_ROWS_ASIDE] = SELECT_ROW "WHERE id > ?1 AND id <= ?2"
				     " AND CAST(name AS TEXT) GLOB"
				     " '*.*-*-*T*Z' ORDER BY id",
	[DB_ROW_WINDOW] = "SELECT max(id) FROM (SELECT id FROM entry"
			  " WHERE id > ?1 ORDER BY id LIMIT ?2)",
	[DB_ROWS_COUNT] = "SELECT count(*) FROM entry",
	[DB_ROWS_FOLDERS] =
	    "SELECT count(*) FROM (SELECT 1 FROM entry INDEXED BY entry_folder"
	    " WHERE parent = ?1 AND " SCHEMA_IS_FOLDER " LIMIT ?2)",
	[DB_CHUNK_GET] = "SELECT node, bytes, used_ms, present, dirty,"
			 " base_size FROM chunk"
			 " WHERE node = ?1",
	[DB_CHUNK_PUT] = "INSERT OR REPLACE INTO chunk VALUES"
			 " (?1, ?2, ?3, ?4, ?5, ?6)",
	[DB_CHUNK_DELETE] = "DELETE FROM chunk WHERE node = ?1",
	[DB_CHUNKS_OLDEST] = "SELECT node, bytes, used_ms FROM chunk"
			     " WHERE bytes > 0 AND coalesce(length(dirty), 0)"
			     " = 0"
			     " ORDER BY used_ms LIMIT ?2 OFFSET ?1",
	[DB_CHUNKS_BYTES] = "SELECT total(bytes) FROM chunk",
	[DB_CHUNKS_CLEAN] =
	    "UPDATE chunk SET dirty = NULL WHERE"
	    " coalesce(length(dirty), 0) > 0 AND node NOT IN"
	    " (SELECT node FROM entry INDEXED BY entry_pending"
	    " WHERE (" SCHEMA_IS_PENDING ") AND byte_state <> 0)"
	    " AND node NOT IN (SELECT generation FROM intent WHERE kind = 7)",
	[DB_CHUNK_NEXT] = "SELECT node FROM chunk WHERE node >= ?1"
			  " AND bytes > 0 ORDER BY node LIMIT 1",
	[DB_CRC_GET] = "SELECT data FROM crc WHERE node = ?1 AND page = ?2",
	[DB_CRC_PUT] = "INSERT OR REPLACE INTO crc VALUES (?1, ?2, ?3)",
	[DB_JOURNAL_PUT] = "INSERT OR REPLACE INTO intent (id, entry, kind,"
			   " key, source_key, etag, generation, state, made_ms)"
			   " VALUES (?1, 1, -1, x'', ?2, ?3, ?4, ?5, 0)",
	[DB_JOURNAL_PUT_KEY] =
	    "INSERT OR REPLACE INTO intent (id, entry, kind, generation, key,"
	    " etag, token, state, made_ms)"
	    " VALUES (?1, 1, -2, ?2, ?3, ?4, ?5, ?6, 0)",
	[DB_JOURNAL_DELETE] =
	    "DELETE FROM intent WHERE id = ?1"
	    " OR (entry = 1 AND kind = -2 AND generation = ?1)",
	[DB_JOURNAL_EACH] =
	    "SELECT id, source_key, etag, generation, state FROM intent"
	    " WHERE key = x'' AND kind = -1 ORDER BY id",
	[DB_JOURNAL_EACH_KEY] =
	    "SELECT id, generation, key, etag, token, state FROM intent"
	    " WHERE entry = 1 AND kind = -2 AND generation = ?1 ORDER BY id",
	[DB_OWED_GET] = SELECT_OWED "WHERE entry = ?1 AND " IS_OWED,
	[DB_OWED_DELETE_OF] = SELECT_OWED "WHERE key = ?1 AND entry <> ?2"
					  " AND kind = ?3 LIMIT 1",
	[DB_OWED_PUT] = "INSERT INTO intent (entry, kind, key, generation,"
			" state, made_ms, id)"
			" VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)",
	[DB_OWED_REMOVE] = "DELETE FROM intent WHERE entry = ?1"
			   " AND " IS_OWED,
	[DB_OWED_SENT] = "UPDATE intent SET state = ?2"
			 " WHERE entry = ?1 AND " IS_OWED,
	[DB_OWED_ALL] = SELECT_OWED "WHERE " IS_OWED " ORDER BY id",
	[DB_INTENT_GET] =
	    "SELECT id, entry, kind, key, source_key, etag, token,"
	    " generation, state, made_ms FROM intent"
	    " WHERE entry = ?1 AND kind = ?2 ORDER BY id LIMIT 1",
	[DB_INTENT_PUT] = "INSERT OR REPLACE INTO intent VALUES"
			  " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[DB_INTENT_DROP] = "DELETE FROM intent WHERE entry = ?1 AND kind = ?2",
	[DB_INTENT_OF_CHUNK] = "SELECT entry FROM intent WHERE kind = 7"
			       " AND generation = ?1 LIMIT 1",
	[DB_INTENT_SWEEP] = "DELETE FROM intent WHERE NOT EXISTS"
			    " (SELECT 1 FROM entry WHERE id = intent.entry)",
	[DB_UPLOAD_PUT] = "INSERT OR REPLACE INTO upload"
			  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
			  " ?10, ?11)",
	[DB_UPLOAD_SET_ID] = "UPDATE upload SET upload_id = ?2"
			     " WHERE intent = ?1",
	[DB_UPLOAD_DELETE] = "DELETE FROM upload WHERE intent = ?1",
	[DB_UPLOAD_DELETE_PARTS] = "DELETE FROM part WHERE intent = ?1",
	[DB_UPLOADS_EACH] = "SELECT intent, key, upload_id, made_ms,"
			    " token, mode, uid, gid, atime_ns, mtime_ns, meta"
			    " FROM upload ORDER BY intent",
	[DB_STAGE_NEXT] =
	    "SELECT id, source_key FROM intent AS stage WHERE kind = 8"
	    " AND id > ?1 AND (state = 1 OR id < ?2) AND NOT EXISTS"
	    " (SELECT 1 FROM intent AS base JOIN entry"
	    " ON entry.id = base.entry WHERE base.kind = 6"
	    " AND base.source_key = stage.source_key) ORDER BY id LIMIT 1",
	[DB_STAGE_MADE] = "UPDATE intent SET state = 1 WHERE id = ?1",
	[DB_STAGE_DELETE] = "DELETE FROM intent WHERE id = ?1 AND kind = 8",
	[DB_CRC_CLEAR] = "DELETE FROM crc WHERE node = ?1 AND page = ?2",
	[DB_CRC_DELETE] = "DELETE FROM crc WHERE node = ?1",
	[DB_ODD_PUT] = "INSERT INTO odd VALUES (?1, ?2, ?3, ?4)",
	[DB_ODD_SEEN] =
	    "UPDATE odd SET reason = ?2, dir = ?3, seen_ms = max(seen_ms, ?4)"
	    " WHERE key = ?1",
	[DB_ODD_FORGET] = "DELETE FROM odd WHERE dir = ?1 AND seen_ms < ?2",
	[DB_ODD_COUNT] = "SELECT count(*) FROM odd",
	[DB_ODD_EACH] = "SELECT key, reason FROM odd ORDER BY key"
			" LIMIT ?2 OFFSET ?1",
};

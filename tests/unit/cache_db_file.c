/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_db_file.c - facts of chunk files, and files that are no database.
 *
 * Role:    unit test of cache/db_chunk.c, and of db_open() in cache/db.c.
 */
#include "tests/unit/db_file.h"

#include <errno.h>
#include <sys/stat.h>

#include "cache/state.h"

static void
test_chunks(void **state)
{
	struct db_chunk chunk = { .node = 5, .bytes = 100, .used_ms = 30 };
	struct db_chunk got = { 0 }, oldest[3];
	char present[] = { 0, 1, 2 };
	unsigned count = 0;
	uint64_t bytes = 0;

	(void)state;
	assert_int_equal(db_chunk_get(db, 5, &got), -ENOENT);
	chunk.present = present;
	chunk.present_len = 3;
	assert_int_equal(db_chunk_put(db, &chunk), 0);
	reopen();
	assert_int_equal(db_chunk_get(db, 5, &got), 0);
	assert_int_equal(got.bytes, 100);
	assert_int_equal(got.used_ms, 30);
	assert_int_equal(got.present_len, 3);
	assert_memory_equal(got.present, present, 3);
	db_chunk_fini(&got);
	/* An empty set is no bytes, and not an error. */
	assert_int_equal(
	    db_chunk_put(db, &(struct db_chunk){ .node = 6, .used_ms = 1 }), 0);
	assert_int_equal(db_chunk_get(db, 6, &got), 0);
	assert_int_equal(got.present_len, 0);
	db_chunk_fini(&got);
	chunk.node = 7;
	chunk.used_ms = 20;
	chunk.bytes = 11;
	assert_int_equal(db_chunk_put(db, &chunk), 0);
	assert_int_equal(db_chunks_bytes(db, &bytes), 0);
	assert_int_equal(bytes, 111);
	assert_int_equal(db_chunks_oldest(db, 0, 1, oldest, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(oldest[0].node, 7);
	assert_int_equal(oldest[0].bytes, 11);
	assert_int_equal(db_chunks_oldest(db, 1, 3, oldest, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(oldest[0].node, 5);
}

static void
test_crcs(void **state)
{
	uint32_t crc[DB_CRC_PAGE] = { 1, 0, 0xffffffffu }, got[DB_CRC_PAGE];
	struct db_chunk chunk = { .node = 5 };

	(void)state;
	assert_int_equal(db_chunk_put(db, &chunk), 0);
	assert_int_equal(db_crc_get(db, 5, 0, got), -ENOENT);
	assert_int_equal(db_crc_put(db, 5, 0, crc), 0);
	crc[7] = 9;
	assert_int_equal(db_crc_put(db, 5, 3, crc), 0);
	reopen();
	assert_int_equal(db_crc_get(db, 5, 0, got), 0);
	assert_int_equal(got[0], 1);
	assert_int_equal(got[2], 0xffffffffu);
	assert_int_equal(got[7], 0);
	assert_int_equal(db_crc_get(db, 5, 3, got), 0);
	assert_memory_equal(got, crc, sizeof(crc));
	assert_int_equal(db_crc_get(db, 6, 0, got), -ENOENT);
	assert_int_equal(db_chunk_delete(db, 5), 0);
	assert_int_equal(db_crc_get(db, 5, 3, got), -ENOENT);
}

static bool
take_odd(void *arg, const char *key, const char *reason)
{
	int *count = arg;

	assert_string_equal(key, *count == 0 ? "a//b" : "\xff//");
	assert_string_equal(reason, *count == 0 ? "why" : "other");
	(*count)++;
	return true;
}

static bool
put_odd(const char *key, const char *reason, uint64_t dir, int64_t seen_ms)
{
	bool is_new;

	assert_int_equal(db_odd_put(db, key, reason, dir, seen_ms, &is_new), 0);
	return is_new;
}

static uint64_t
odd_count(void)
{
	uint64_t n = 0;

	assert_int_equal(db_odd_count(db, &n), 0);
	return n;
}

static void
test_odd(void **state)
{
	int count = 0;

	(void)state;
	assert_true(put_odd("\xff//", "other", 1, 10));
	assert_true(put_odd("a//b", "why", 1, 10));
	assert_false(put_odd("a//b", "why", 1, 20));
	assert_int_equal(odd_count(), 2);
	assert_int_equal(db_odd_each(db, 0, 100, take_odd, &count), 0);
	assert_int_equal(count, 2);
	reopen();
	assert_int_equal(odd_count(), 2);
}

/* Only those of the directory that were not seen since then. */
static void
test_odd_forget(void **state)
{
	(void)state;
	(void)put_odd("old//", "why", 1, 10);
	(void)put_odd("new//", "why", 1, 10);
	(void)put_odd("new//", "why", 1, 20);
	(void)put_odd("else//", "why", 2, 10);
	assert_int_equal(db_odd_forget(db, 1, 20), 0);
	assert_int_equal(odd_count(), 2);
	assert_true(put_odd("old//", "why", 1, 30)); /* new again */
	assert_false(put_odd("new//", "why", 1, 30));
	assert_int_equal(db_odd_forget(db, 1, INT64_MAX), 0);
	assert_int_equal(odd_count(), 1);
}

static void
test_newer_schema(void **state)
{
	struct db *other = NULL;
	bool cold;

	(void)state;
	put_plain(10, 1, "a");
	db_close(db);
	db = NULL;
	tamper("PRAGMA user_version=99");
	assert_int_equal(db_open(path, &other, &cold), -EPROTO);
	assert_null(other);
	/* And it was left alone. */
	tamper("PRAGMA user_version=4");
	open_db();
	put_plain(11, 1, "b");
	assert_int_equal(DB_SCHEMA, 4);
}

static void
put_kind(uint64_t id, uint64_t parent, enum row_kind kind, int name_state)
{
	struct row row;
	char name[32];

	(void)snprintf(name, sizeof(name), "k%u", (unsigned)id);
	plain_row(&row, id, parent, name);
	row.kind = kind;
	row.name_state = name_state;
	assert_int_equal(db_row_put(db, &row), 0);
	row_fini(&row);
}

static uint64_t
folder_count(uint64_t id, unsigned max)
{
	uint64_t n = UINT64_MAX;

	assert_int_equal(db_count_folders(db, id, max, &n), 0);
	return n;
}

/* Of all states those count that callers see. */
static void
test_folders(void **state)
{
	uint64_t id = 10;
	unsigned seen = 0;

	(void)state;
	for (int s = 0; s < NAME_STATE_COUNT; s++, id += 3) {
		put_kind(id, 1, ROW_DIR, s);
		put_kind(id + 1, 1, ROW_FILE, s);
		put_kind(id + 2, 2, ROW_DIR, NAME_PRESENT);
		seen += state_name_is_visible((enum state_name)s);
		assert_int_equal(folder_count(1, 100), seen);
	}
	assert_int_equal(folder_count(1, seen - 1), seen - 1);
	assert_int_equal(folder_count(3, 100), 0);
	put_kind(10 + 3 * NAME_PRESENT, 1, ROW_DIR, NAME_GONE);
	assert_int_equal(folder_count(1, 100), seen - 1);
}

/* Do ${sql} as an older program would, of version 3 or before. */
static void
age(const char *sql)
{
	db_close(db);
	db = NULL;
	tamper("ALTER TABLE upload DROP COLUMN token;"
	       "ALTER TABLE upload DROP COLUMN mode;"
	       "ALTER TABLE upload DROP COLUMN uid;"
	       "ALTER TABLE upload DROP COLUMN gid;"
	       "ALTER TABLE upload DROP COLUMN atime_ns;"
	       "ALTER TABLE upload DROP COLUMN mtime_ns;"
	       "ALTER TABLE upload DROP COLUMN meta;");
	tamper(sql);
	open_db();
}

/* A file of an older program. */
static void
test_upgrade(void **state)
{
	(void)state;
	put_kind(10, 1, ROW_DIR, NAME_PRESENT);
	age("DROP INDEX entry_folder; PRAGMA user_version=2");
	put_kind(11, 1, ROW_DIR, NAME_PRESENT);
	assert_int_equal(folder_count(1, 100), 2);
	age("DROP INDEX entry_folder; DROP INDEX entry_pending;"
	    "ALTER TABLE chunk DROP COLUMN dirty;"
	    "ALTER TABLE chunk DROP COLUMN base_size;"
	    "PRAGMA user_version=1");
	assert_int_equal(folder_count(1, 100), 2);
}

static bool
take_pending(void *arg, const struct row *row)
{
	uint64_t *ids = arg;

	*ids = *ids * 100 + row->id;
	return true;
}

/* A file of the version before: what is owed is found still. */
static void
test_older_schema(void **state)
{
	struct row row;
	uint64_t ids = 0;

	(void)state;
	put_plain(10, 1, "a");
	plain_row(&row, 11, 1, "b");
	row.name_state = NAME_DELETING;
	assert_int_equal(db_row_put(db, &row), 0);
	put_plain(12, 1, "c");
	age("DROP INDEX entry_folder; DROP INDEX entry_pending;"
	    "CREATE INDEX entry_pending ON entry (id)"
	    " WHERE name_state NOT IN (0, 2, 6)"
	    " OR attr_state <> 0 OR byte_state <> 0;"
	    "PRAGMA user_version=2");
	row.id = row.node = 13;
	assert_int_equal(db_row_put(db, &row), 0);
	assert_int_equal(db_rows_pending(db, take_pending, &ids), 0);
	assert_int_equal(ids, 1113);
	row_fini(&row);
}

/* Nobody else has it while we do, and nothing of it is shared. */
static void
test_alone(void **state)
{
	char shared[160];
	sqlite3 *raw;

	(void)state;
	put_plain(10, 1, "a");
	(void)snprintf(shared, sizeof(shared), "%s-shm", path);
	assert_int_equal(access(shared, F_OK), -1);
	assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(raw, "SELECT count(*) FROM entry", NULL, NULL, NULL),
	    SQLITE_BUSY);
	assert_int_equal(sqlite3_close(raw), SQLITE_OK);
}

static void
write_file(const void *data, size_t len, long at)
{
	FILE *f = fopen(path, at < 0 ? "w" : "r+");

	assert_non_null(f);
	assert_int_equal(fseek(f, at < 0 ? 0 : at, SEEK_SET), 0);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void
test_garbage(void **state)
{
	char garbage[9000];
	struct db *other = NULL;
	bool cold;

	(void)state;
	db_close(db);
	db = NULL;
	memset(garbage, 'x', sizeof(garbage));
	write_file(garbage, sizeof(garbage), -1);
	assert_int_equal(db_open(path, &other, &cold), -EBADMSG);
	assert_null(other);
}

/* Databases of somebody else's. */
static void
test_foreign(void **state)
{
	struct db *other = NULL;
	bool cold;

	(void)state;
	db_close(db);
	db = NULL;
	/* Without our tables. */
	assert_int_equal(unlink(path), 0);
	tamper("CREATE TABLE t (x); PRAGMA user_version=4");
	assert_int_equal(db_open(path, &other, &cold), -EBADMSG);
	/* And one of a version that never was. */
	assert_int_equal(unlink(path), 0);
	tamper("CREATE TABLE entry (x); PRAGMA user_version=-3");
	assert_int_equal(db_open(path, &other, &cold), -EBADMSG);
	assert_null(other);
}

/* Its header is good, the pages behind it are not. */
static void
test_damaged(void **state)
{
	char garbage[4096];
	struct row got = { 0 };
	struct db *other = NULL;
	struct stat st;
	bool cold;
	int r;

	(void)state;
	for (uint64_t i = 10; i < 400; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "n%u", (unsigned)i);
		put_plain(i, 1, name);
	}
	db_close(db);
	db = NULL;
	assert_int_equal(stat(path, &st), 0);
	memset(garbage, 0xa5, sizeof(garbage));
	for (long at = 4096; at < st.st_size; at += 4096)
		write_file(garbage, sizeof(garbage), at);
	r = db_open(path, &other, &cold);
	if (r == 0)
		r = db_row_by_id(other, 200, &got);
	db_close(other);
	assert_int_equal(r, -EBADMSG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_chunks),
		T(test_crcs),
		T(test_odd),
		T(test_odd_forget),
		T(test_folders),
		T(test_upgrade),
		T(test_newer_schema),
		T(test_older_schema),
		T(test_alone),
		T(test_garbage),
		T(test_foreign),
		T(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

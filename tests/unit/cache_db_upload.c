/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_db_upload.c - the metadata database keeps the multipart uploads that
 * are open, from a mount to the next and from a version to the next.
 *
 * Role:    unit test of cache/db_upload.c and of SCHEMA_UPGRADE_*.
 */
#include "tests/unit/db_file.h"

#include <errno.h>
#include <sqlite3.h>

#include "cache/db_schema.h"
#include "cache/db_upload.h"

static const struct db_upload full = { .id = 7,
	.key = "a/\xff b",
	.upload_id = "",
	.made_ms = 1700000000123,
	.token = "0123456789abcdef012345",
	.mode = 0100640,
	.uid = UINT32_MAX,
	.gid = 4000000000u,
	.atime_ns = -1,
	.mtime_ns = INT64_C(1700000000123456789),
	.meta = "\0a\0b",
	.meta_len = 4 };

static bool
check_full(void *arg, const struct db_upload *u)
{
	assert_int_equal(u->id, full.id);
	assert_string_equal(u->key, full.key);
	assert_string_equal(u->upload_id, "upload1");
	assert_int_equal(u->made_ms, full.made_ms);
	assert_string_equal(u->token, full.token);
	assert_int_equal(u->mode, full.mode);
	assert_int_equal(u->uid, full.uid);
	assert_int_equal(u->gid, full.gid);
	assert_int_equal(u->atime_ns, full.atime_ns);
	assert_int_equal(u->mtime_ns, full.mtime_ns);
	assert_int_equal(u->meta_len, full.meta_len);
	assert_memory_equal(u->meta, full.meta, full.meta_len);
	++*(int *)arg;
	return true;
}

static bool
check_bare(void *arg, const struct db_upload *u)
{
	assert_int_equal(u->id, 9);
	assert_string_equal(u->key, "k");
	assert_string_equal(u->upload_id, "u");
	assert_int_equal(u->made_ms, 5);
	assert_null(u->token);
	assert_null(u->meta);
	assert_int_equal(u->meta_len, 0);
	++*(int *)arg;
	return true;
}

static int
each(db_upload_fn *fn)
{
	int count = 0;

	assert_int_equal(db_uploads_each(db, fn, &count), 0);
	return count;
}

static void
test_all_of_it(void **state)
{
	(void)state;
	assert_int_equal(db_upload_put(db, &full), 0);
	assert_int_equal(db_upload_set_id(db, full.id, "upload1"), 0);
	assert_int_equal(each(check_full), 1);
	reopen();
	assert_int_equal(each(check_full), 1);
	assert_int_equal(db_upload_delete(db, full.id), 0);
	assert_int_equal(each(check_full), 0);
	/* It is not made by that. */
	assert_int_equal(db_upload_set_id(db, full.id, "upload1"), 0);
	assert_int_equal(each(check_full), 0);
}

static void
test_nothing_noted(void **state)
{
	const struct db_upload bare = {
		.id = 9, .key = "k", .upload_id = "u", .made_ms = 5
	};

	(void)state;
	assert_int_equal(db_upload_put(db, &bare), 0);
	reopen();
	assert_int_equal(each(check_bare), 1);
}

/* A file as version ${version} left it, with one upload; without checksums of
 * its pages, which only the program itself makes. */
static void
make_older(int version)
{
	char *sql = sqlite3_mprintf(SCHEMA_SQL
	    "DROP TABLE upload; CREATE TABLE upload ("
	    " intent INTEGER PRIMARY KEY, key BLOB NOT NULL,"
	    " upload_id TEXT NOT NULL, made_ms INTEGER NOT NULL);"
	    "INSERT INTO upload VALUES (9, x'6b', 'u', 5);"
	    "%s PRAGMA user_version=%d",
	    version > 2   ? ""
	    : version > 1 ? "DROP INDEX entry_folder;"
			  : "DROP INDEX entry_folder;"
			    "DROP INDEX entry_pending;"
			    "ALTER TABLE chunk DROP COLUMN dirty;"
			    "ALTER TABLE chunk DROP COLUMN base_size;",
	    version);
	sqlite3 *raw;

	db_close(db);
	db = NULL;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
	assert_int_equal(sqlite3_exec(raw, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(raw), SQLITE_OK);
	sqlite3_free(sql);
	open_db();
}

static void
test_upgrade(void **state)
{
	(void)state;
	for (int version = 1; version < DB_SCHEMA; version++) {
		make_older(version);
		put_plain(10, 1, "a");
		assert_int_equal(each(check_bare), 1);
		assert_int_equal(db_upload_delete(db, 9), 0);
		assert_int_equal(db_upload_put(db, &full), 0);
		assert_int_equal(db_upload_set_id(db, full.id, "upload1"), 0);
		reopen();
		assert_int_equal(each(check_full), 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_all_of_it),
		T(test_nothing_noted),
		T(test_upgrade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

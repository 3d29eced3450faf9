/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_file.h - a database in a temporary folder, for tests of cache/db*.c.
 *
 * Role:    the fixture of cache_db*.c; included once by each program.
 */
#ifndef TESTS_UNIT_DB_FILE_H
#define TESTS_UNIT_DB_FILE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/db.h"
#include "cache/db_sum.h"
#include "tests/unit/unit.h"

static char folder[64];
static char path[128];
static struct db *db;

static inline void
open_db(void)
{
	bool cold;

	assert_int_equal(db_open(path, &db, &cold), 0);
}

static inline void
reopen(void)
{
	db_close(db);
	open_db();
}

/* Do ${sql} behind the program's back, while it does not have the file. */
static inline void
tamper(const char *sql)
{
	sqlite3 *raw;

	assert_int_equal(
	    sqlite3_open_v2(path, &raw,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, db_sum_vfs()),
	    SQLITE_OK);
	assert_int_equal(sqlite3_exec(raw, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(raw), SQLITE_OK);
}

static inline int
set_up(void **state)
{
	bool cold = false;

	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/pailfs-unit-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/meta.db", folder);
	assert_int_equal(db_open(path, &db, &cold), 0);
	assert_true(cold);
	return 0;
}

static inline int
tear_down(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char name[160];

	(void)state;
	db_close(db);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		(void)unlink(name);
	}
	return rmdir(folder);
}

static inline char *
text(const char *s)
{
	char *copy = strdup(s);

	assert_non_null(copy);
	return copy;
}

/* A row with nothing but what must be. */
static inline void
plain_row(struct row *row, uint64_t id, uint64_t parent, const char *name)
{
	*row = (struct row){ .id = id,
		.node = id,
		.parent = parent,
		.kind = ROW_FILE,
		.name = text(name),
		.uid = UINT32_MAX,
		.gid = UINT32_MAX };
}

static inline void
put_plain(uint64_t id, uint64_t parent, const char *name)
{
	struct row row;

	plain_row(&row, id, parent, name);
	assert_int_equal(db_row_put(db, &row), 0);
	row_fini(&row);
}

/* Each test with a database of its own. */
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif

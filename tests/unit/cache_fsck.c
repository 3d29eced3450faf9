/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_fsck.c - a cache folder whose database was changed by hand is checked.
 *
 * Role:    unit test of cache/fsck_row.c and fsck_folder.c; what a system test
 *          cannot bring about, for each page of the database has a checksum.
 */
#include "tests/unit/cache_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/admin.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/state.h"

#define NOTES_MAX 16
#define NOWHERE   4711 /* the id of a folder that is not there */

static char dir[256]; /* of the bucket */

/* What was told. */
static struct {
	char path[64];
	char what[16];
	bool is_mended;
} notes[NOTES_MAX];
static unsigned count;

static int
take_note(void *arg, const struct cache_note *one)
{
	(void)arg;
	assert_true(count < NOTES_MAX);
	(void)snprintf(
	    notes[count].path, sizeof(notes[count].path), "%s", one->path);
	(void)snprintf(
	    notes[count].what, sizeof(notes[count].what), "%s", one->what);
	notes[count++].is_mended = one->is_mended;
	return 0;
}

/* Check the folder: how many are left. */
static uint64_t
check(bool repair, uint64_t mended)
{
	struct cache_key_call call = { .note = take_note, .repair = repair };

	count = 0;
	if (cache != NULL)
		close_cache();
	assert_int_equal(cache_check_folder(dir, &call), 0);
	assert_int_equal(call.found + call.mended, count);
	assert_int_equal(call.mended, mended);
	return call.found;
}

static void
assert_note(unsigned i, const char *path, const char *what, bool is_mended)
{
	assert_true(i < count);
	assert_string_equal(notes[i].path, path);
	assert_string_equal(notes[i].what, what);
	assert_int_equal(notes[i].is_mended, is_mended);
}

static uint64_t
lookup(uint64_t parent, const char *name)
{
	struct cache_attr attr;

	assert_int_equal(cache_lookup(cache, parent, name, NULL, &attr), 0);
	return attr.node;
}

/* d/f and d/g, of which bytes are here, and e. */
static int
set_up_tree(void **state)
{
	static const char *const names[] = { "f", "g" };
	int r = set_up(state);
	uint64_t d;

	if (r < 0)
		return r;
	fake_put(s3, "d/f", 300000, 1);
	fake_put(s3, "d/g", 200000, 1);
	fake_put(s3, "e", 100000, 1);
	(void)snprintf(dir, sizeof(dir), "%s", cache->dir);
	d = lookup(CACHE_ROOT, "d");
	(void)lookup(CACHE_ROOT, "e");
	for (int i = 0; i < 2; i++) {
		struct cache_file *file;
		struct cache_bytes bytes;
		uint64_t node = lookup(d, names[i]);

		assert_int_equal(
		    cache_file_open(cache, node, O_RDONLY, NULL, &file), 0);
		assert_int_equal(
		    cache_file_read(file, 0, 100, NULL, &bytes), 0);
		cache_bytes_put(cache, &bytes);
		cache_file_close(file);
	}
	return 0;
}

static int
tear_down_tree(void **state)
{
	if (cache == NULL)
		open_cache();
	return tear_down(state);
}

/* Change the row of a path by ${fn}; the cache is open. */
static void
change(const char *parent, const char *name, void (*fn)(struct row *row))
{
	struct row up = { 0 }, row = { 0 };
	uint64_t id = CACHE_ROOT;

	if (parent != NULL) {
		assert_int_equal(
		    db_row_by_name(cache->db, CACHE_ROOT, parent, &up), 0);
		id = up.id;
	}
	assert_int_equal(db_row_by_name(cache->db, id, name, &row), 0);
	fn(&row);
	assert_int_equal(db_row_put(cache->db, &row), 0);
	row_fini(&row);
	row_fini(&up);
}

static void
lose_parent(struct row *row)
{
	row->parent = NOWHERE;
}

static void
lose_parent_dirty(struct row *row)
{
	row->parent = NOWHERE;
	row->byte_state = BYTES_DIRTY;
}

static void
make_dirty(struct row *row)
{
	row->byte_state = BYTES_DIRTY;
}

static void
make_link_dirty(struct row *row)
{
	row->kind = ROW_SYMLINK;
	row->byte_state = BYTES_DIRTY;
}

static void
name_g(struct row *row)
{
	row->name[0] = 'g';
}

static void
test_nothing_is_wrong(void **state)
{
	(void)state;
	assert_int_equal(check(false, 0), 0);
	assert_int_equal(check(true, 0), 0);
}

/* A clean one goes, and is found again in its place. */
static void
test_a_row_without_a_folder(void **state)
{
	(void)state;
	change("d", "f", lose_parent);
	assert_int_equal(check(false, 0), 1);
	assert_note(0, "?/f", "parent", false);
	assert_int_equal(check(true, 1), 0);
	assert_note(0, "?/f", "parent", true);
	assert_int_equal(check(true, 0), 0);
	open_cache();
	(void)lookup(lookup(CACHE_ROOT, "d"), "f");
}

/* A folder takes along what is below; each is told once. */
static void
test_a_folder_without_a_folder(void **state)
{
	(void)state;
	change(NULL, "d", lose_parent);
	assert_int_equal(check(false, 0), 1);
	assert_note(0, "?/d", "parent", false);
	assert_int_equal(check(true, 1), 0);
	assert_int_equal(check(false, 0), 0);
	open_cache();
	(void)lookup(lookup(CACHE_ROOT, "d"), "g");
}

/* Bytes that S3 does not have are never let go of, nor is what leads there. */
static void
test_a_dirty_row_without_a_folder(void **state)
{
	struct row row = { 0 };
	uint64_t node = 0;

	(void)state;
	change("d", "f", make_dirty);
	change(NULL, "d", lose_parent);
	change(NULL, "e", lose_parent_dirty);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(check(i == 1, 0), 2);
		assert_note(0, "?/d", "parent", false);
		assert_note(1, "?/e", "parent", false);
	}
	open_cache();
	assert_int_equal(db_chunk_next(cache->db, 0, &node), 0);
	assert_int_equal(db_row_by_node(cache->db, node, &row), 0);
	assert_int_equal(row.byte_state, BYTES_DIRTY);
	row_fini(&row);
}

static void
test_two_of_one_name(void **state)
{
	(void)state;
	change("d", "f", name_g);
	assert_int_equal(check(false, 0), 1);
	assert_note(0, "d/g", "double", false);
	assert_int_equal(check(true, 1), 0);
	assert_int_equal(check(false, 0), 0);
}

static bool
count_row(void *arg, const struct row *row)
{
	(void)row;
	++*(unsigned *)arg;
	return true;
}

/* Of both, the one that S3 does not have stays. */
static void
test_two_of_one_name_dirty(void **state)
{
	unsigned pending = 0;

	(void)state;
	change("d", "g", make_dirty);
	change("d", "f", name_g);
	(void)check(true, count);
	for (unsigned i = 0; i < count; i++)
		assert_string_equal(notes[i].path, "d/g");
	open_cache();
	assert_int_equal(db_rows_pending(cache->db, count_row, &pending), 0);
	assert_int_equal(pending, 1);
}

static void
test_a_state_that_cannot_be(void **state)
{
	(void)state;
	change("d", "f", make_link_dirty);
	assert_int_equal(check(true, 0), 1);
	assert_note(0, "d/f", "state", false);
}

/* It is to be sent, and there is no chunk file. */
static void
test_bytes_that_are_nowhere(void **state)
{
	(void)state;
	change(NULL, "e", make_dirty);
	assert_int_equal(check(true, 0), 1);
	assert_note(0, "e", "lost", false);
}

static void
test_what_is_no_folder(void **state)
{
	struct cache_key_call call = { .note = take_note };

	(void)state;
	assert_int_equal(cache_check_folder(dir, &call), -EBUSY);
	assert_non_null(strstr(call.message, "mount point"));
	assert_int_equal(cache_check_folder(folder, &call), -ENOENT);
	assert_int_equal(cache_check_folder("/none", &call), -ENOENT);
}

#define TREE(f) cmocka_unit_test_setup_teardown(f, set_up_tree, tear_down_tree)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TREE(test_nothing_is_wrong),
		TREE(test_a_row_without_a_folder),
		TREE(test_a_folder_without_a_folder),
		TREE(test_a_dirty_row_without_a_folder),
		TREE(test_two_of_one_name),
		TREE(test_two_of_one_name_dirty),
		TREE(test_a_state_that_cannot_be),
		TREE(test_bytes_that_are_nowhere),
		TREE(test_what_is_no_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

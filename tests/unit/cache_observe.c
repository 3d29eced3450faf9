/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_observe.c - the one door: what an answer of S3 may change.
 *
 * Role:    unit test of cache/observe.c.
 *
 * Times are small numbers on the cache's clock: when a request was sent.
 */
#include "tests/unit/cache_folder.h"

#include "cache/core.h"
#include "cache/db.h"
#include "cache/observe.h"
#include "cache/state.h"
#include "cache/view.h"

#define ROOT CACHE_ROOT

/* ---- each as a transaction of its own ---- */

static bool hidden;

static void
saw(const char *name, const char *etag, uint64_t size, int64_t sent_ms)
{
	struct observation seen = { .size = size,
		.modified_ns = INT64_C(1600000000000000000),
		.etag = etag,
		.sent_ms = sent_ms };
	struct observe o;

	hidden = false;
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_object(&o, ROOT, name, &seen, &hidden)), 0);
}

static uint64_t
saw_dir(uint64_t dir, const char *name, int64_t sent_ms)
{
	struct observe o;
	uint64_t id = 4711;

	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_dir(&o, dir, name, sent_ms, &id)), 0);
	return id;
}

static void
saw_none(const char *name, int64_t sent_ms)
{
	struct observe o;

	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_absent(&o, ROOT, name, sent_ms)), 0);
}

static void
saw_all(uint64_t dir, int64_t sent_ms)
{
	struct observe o;

	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(observe_end(&o, observe_listed(&o, dir, sent_ms)), 0);
}

/* The row of ${name}; false: there is none. */
static bool
find(const char *name, struct row *ret)
{
	int r = db_row_by_name(cache->db, ROOT, name, ret);

	assert_true(r == 0 || r == -ENOENT);
	return r == 0;
}

static bool
exists(const char *name)
{
	struct row row = { 0 };
	bool found = find(name, &row) && view_is_visible(&row);

	row_fini(&row);
	return found;
}

static uint64_t
node_of(const char *name, uint64_t *ret_id)
{
	struct row row = { 0 };
	uint64_t node;

	assert_true(find(name, &row));
	node = row.node;
	if (ret_id != NULL)
		*ret_id = row.id;
	row_fini(&row);
	return node;
}

/* ---- tests ---- */

static void
test_new_object(void **state)
{
	struct row row = { 0 };

	(void)state;
	saw("a", "\"1\"", 5000, 100);
	assert_false(hidden);
	assert_true(find("a", &row));
	assert_int_equal(row.kind, ROW_FILE);
	assert_int_equal(row.size, 5000);
	assert_string_equal(row.etag, "\"1\"");
	assert_int_equal(row.seen_ms, 100);
	assert_int_equal(row.parent, ROOT);
	assert_int_equal(row.name_state, NAME_PRESENT);
	row_fini(&row);
	assert_int_equal(atomic_load(&changes), 0); /* nothing was replaced */
}

/* Headers count with attrs=posix only. */
static void
use_posix(void)
{
	close_cache();
	config.attrs = CACHE_ATTRS_POSIX;
	open_cache();
}

/* With attrs=posix a small object may be anything. */
static void
test_small_object(void **state)
{
	struct row row = { 0 };

	(void)state;
	use_posix();
	saw("small", "\"1\"", 4096, 100);
	saw("large", "\"1\"", 4097, 100);
	assert_true(find("small", &row));
	assert_int_equal(row.kind, ROW_UNKNOWN);
	row_fini(&row);
	assert_true(find("large", &row));
	assert_int_equal(row.kind, ROW_FILE);
	row_fini(&row);
}

/* The same again: the same version, and only the time goes on. */
static void
test_same_again(void **state)
{
	struct row row = { 0 };
	uint64_t id, node;

	(void)state;
	saw("a", "\"1\"", 5, 100);
	node = node_of("a", &id);
	saw("a", "\"1\"", 5, 200);
	assert_int_equal(node_of("a", NULL), node);
	assert_true(find("a", &row));
	assert_int_equal(row.seen_ms, 200);
	row_fini(&row);
	assert_int_equal(atomic_load(&changes), 0);
}

/* Another ETag: another node, the same entry; whoever is concerned is told. */
static void
test_changed(void **state)
{
	struct row row = { 0 };
	uint64_t id, id2, node, node2;

	(void)state;
	saw("a", "\"1\"", 5, 100);
	node = node_of("a", &id);
	saw("a", "\"2\"", 5, 200);
	node2 = node_of("a", &id2);
	assert_int_equal(id2, id);
	assert_int_not_equal(node2, node);
	assert_int_equal(atomic_load(&changes), 1);
	assert_int_equal(db_row_by_node(cache->db, node, &row), -ENOENT);
	assert_int_equal(db_row_by_node(cache->db, node2, &row), 0);
	assert_string_equal(row.etag, "\"2\"");
	row_fini(&row);
	/* Another size under the same ETag is another version, too. */
	saw("a", "\"2\"", 6, 300);
	assert_int_not_equal(node_of("a", NULL), node2);
	assert_int_equal(atomic_load(&changes), 2);
}

/* An older answer that comes late changes nothing. */
static void
test_late_object(void **state)
{
	struct row row = { 0 };
	uint64_t node;

	(void)state;
	saw("a", "\"2\"", 6, 200);
	node = node_of("a", NULL);
	saw("a", "\"1\"", 5, 150);
	assert_int_equal(node_of("a", NULL), node);
	assert_true(find("a", &row));
	assert_string_equal(row.etag, "\"2\"");
	assert_int_equal(row.seen_ms, 200);
	row_fini(&row);
	assert_int_equal(atomic_load(&changes), 0);
}

/* A late LIST that did not have it yet does not remove it. */
static void
test_late_list_removes_nothing(void **state)
{
	(void)state;
	saw("old", "\"1\"", 5, 50);
	saw("new", "\"1\"", 5, 200);
	saw_none("new", 150);
	assert_true(exists("new"));
	saw_all(ROOT, 150);
	assert_true(exists("new"));
	assert_false(exists("old"));
	saw_none("new", 300);
	assert_false(exists("new"));
	assert_int_equal(atomic_load(&changes), 2);
}

/* What is known to be gone is not brought back by what was asked before. */
static void
test_late_list_resurrects_nothing(void **state)
{
	(void)state;
	saw("a", "\"1\"", 5, 100);
	saw_none("a", 300);
	assert_false(exists("a"));
	saw("a", "\"1\"", 5, 200);
	assert_false(exists("a"));
	/* What was asked later does. */
	saw("a", "\"1\"", 5, 400);
	assert_true(exists("a"));
}

/* The same, where a whole listing showed that it is gone. */
static void
test_late_after_listing(void **state)
{
	(void)state;
	saw("a", "\"1\"", 5, 100);
	saw("keep", "\"1\"", 5, 300);
	saw_all(ROOT, 300);
	assert_false(exists("a"));
	saw("a", "\"1\"", 5, 200);
	assert_false(exists("a"));
}

/* Rows that we changed, or still have to send, are not touched. */
static void
test_ours(void **state)
{
	struct row row = { 0 };

	(void)state;
	saw("a", "\"1\"", 5, 100);
	assert_true(find("a", &row));
	row.changed_ms = 500;
	assert_int_equal(db_row_put(cache->db, &row), 0);
	saw("a", "\"2\"", 6, 500);
	assert_int_equal(node_of("a", NULL), row.node);
	saw_none("a", 500);
	saw_all(ROOT, 500);
	assert_true(exists("a"));

	row.byte_state = BYTES_DIRTY;
	assert_int_equal(db_row_put(cache->db, &row), 0);
	saw("a", "\"2\"", 6, 900);
	saw_none("a", 900);
	saw_all(ROOT, 900);
	assert_int_equal(node_of("a", NULL), row.node);
	assert_int_equal(saw_dir(ROOT, "a", 900), 0);
	assert_int_equal(node_of("a", NULL), row.node);

	row.byte_state = BYTES_CLEAN;
	row.changed_ms = 0;
	assert_int_equal(db_row_put(cache->db, &row), 0);
	row_fini(&row);
	saw_none("a", 900);
	assert_false(exists("a"));
}

/* What we deleted, and S3 does not know yet, does not come back. */
static void
test_deleting(void **state)
{
	struct row row = { 0 };

	(void)state;
	saw("a", "\"1\"", 5, 100);
	assert_true(find("a", &row));
	row.name_state = NAME_DELETING;
	assert_int_equal(db_row_put(cache->db, &row), 0);
	row_fini(&row);
	saw("a", "\"1\"", 5, 900);
	assert_true(find("a", &row));
	assert_int_equal(row.name_state, NAME_DELETING);
	assert_int_equal(row.seen_ms, 100);
	row_fini(&row);
}

/* `a' and `a/x' both exist: the directory is shown. */
static void
test_directory_hides_object(void **state)
{
	struct row row = { 0 };
	uint64_t id = saw_dir(ROOT, "a", 100);

	(void)state;
	assert_int_not_equal(id, 0);
	saw("a", "\"1\"", 5, 200);
	assert_true(hidden);
	assert_true(find("a", &row));
	assert_int_equal(row.kind, ROW_DIR);
	assert_int_equal(row.id, id);
	row_fini(&row);
	/* Seen again: the same one. */
	assert_int_equal(saw_dir(ROOT, "a", 300), id);
}

/* An object became a directory, and back: other entries, none twice. */
static void
test_object_to_directory(void **state)
{
	struct observation seen = {
		.size = 5, .etag = "\"3\"", .sent_ms = 400
	};
	struct observe o;
	struct row row = { 0 };
	uint64_t file, dir, child;

	(void)state;
	saw("a", "\"1\"", 5, 100);
	(void)node_of("a", &file);
	dir = saw_dir(ROOT, "a", 200);
	assert_int_not_equal(dir, file);
	assert_int_equal(atomic_load(&changes), 1);
	child = saw_dir(dir, "sub", 200);
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_object(&o, ROOT, "a", &seen, NULL)), 0);
	assert_true(find("a", &row));
	assert_int_equal(row.kind, ROW_FILE);
	assert_int_not_equal(row.id, file);
	assert_int_not_equal(row.id, dir);
	row_fini(&row);
	assert_int_equal(db_row_by_id(cache->db, child, &row), -ENOENT);
}

/* After a whole listing what it did not show is gone, with all below it. */
static void
test_unseen_removed(void **state)
{
	struct row row = { 0 };
	uint64_t dir, sub;

	(void)state;
	saw("gone", "\"1\"", 5, 100);
	dir = saw_dir(ROOT, "dir", 100);
	sub = saw_dir(dir, "sub", 100);
	saw("stays", "\"1\"", 5, 200);
	saw_all(ROOT, 200);
	assert_false(exists("gone"));
	assert_false(exists("dir"));
	assert_true(exists("stays"));
	assert_int_equal(db_row_by_id(cache->db, sub, &row), -ENOENT);
	assert_int_equal(db_row_by_id(cache->db, ROOT, &row), 0);
	assert_int_equal(row.listed_ms, 200);
	row_fini(&row);
	assert_int_equal(atomic_load(&changes), 2);
}

static void
test_marker(void **state)
{
	char mode_name[] = "mode", mode[] = "16832"; /* 040700 */
	struct s3_meta meta = { .name = mode_name, .value = mode };
	struct s3_object head = {
		.modified_ns = 7, .meta = &meta, .meta_count = 1
	};
	struct observe o;
	struct row row = { 0 };
	uint64_t id;

	(void)state;
	use_posix();
	id = saw_dir(ROOT, "d", 100);
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_marker(&o, id, &head, 200)), 0);
	assert_true(find("d", &row));
	assert_int_equal(row.marker, ROW_MARKER_SLASH);
	assert_int_equal(row.mode & 07777, 0700);
	assert_int_equal(row.kind, ROW_DIR);
	assert_int_equal(row.modified_ns, 7);
	row_fini(&row);
	/* A listing shows it with the same time: nothing new. */
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(observe_end(&o, observe_self(&o, id, 7, 300)), 0);
	assert_true(find("d", &row));
	assert_int_equal(row.mode & 07777, 0700);
	row_fini(&row);
	/* With another time: its headers are asked again. */
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(observe_end(&o, observe_self(&o, id, 8, 400)), 0);
	assert_true(find("d", &row));
	assert_int_equal(row.marker, ROW_MARKER_SLASH);
	assert_int_equal(row.attrs, ROW_ATTRS_NONE);
	row_fini(&row);
	/* None any more. */
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(observe_end(&o, observe_marker(&o, id, NULL, 500)), 0);
	assert_true(find("d", &row));
	assert_int_equal(row.marker, ROW_MARKER_NONE);
	assert_int_equal(row.mode, 0);
	assert_int_equal(row.attrs, ROW_ATTRS_KNOWN);
	row_fini(&row);
	/* Of a directory that is gone: no harm. */
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_marker(&o, 987654, &head, 600)), 0);
}

/* An older answer about the marker does not undo a newer one. */
static void
test_late_marker(void **state)
{
	struct s3_object head = { .modified_ns = 7 };
	struct observe o;
	struct row row = { 0 };
	uint64_t id;

	(void)state;
	use_posix();
	id = saw_dir(ROOT, "d", 100);
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_marker(&o, id, &head, 300)), 0);
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(observe_end(&o, observe_marker(&o, id, NULL, 200)), 0);
	assert_true(find("d", &row));
	assert_int_equal(row.marker, ROW_MARKER_SLASH);
	row_fini(&row);
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(observe_end(&o, observe_self(&o, id, 5, 200)), 0);
	assert_true(find("d", &row));
	assert_int_equal(row.modified_ns, 7);
	row_fini(&row);
}

static void
saw_odd(uint64_t dir, const char *key, int64_t sent_ms)
{
	struct observe o;

	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_odd(&o, dir, key, "why", sent_ms)), 0);
}

static uint64_t
odd_count(void)
{
	uint64_t count = 0;

	assert_int_equal(db_odd_count(cache->db, &count), 0);
	return count;
}

/* Counted once; forgotten when a later listing does not show it. */
static void
test_odd(void **state)
{
	uint64_t dir = saw_dir(ROOT, "d", 100);

	(void)state;
	saw_odd(ROOT, "a//b", 100);
	saw_odd(ROOT, "a//b", 110);
	saw_odd(ROOT, "./x", 200);
	saw_odd(dir, "d//y", 100);
	assert_int_equal(odd_count(), 3);
	(void)saw_dir(ROOT, "d", 200);
	saw_all(ROOT, 200);
	assert_int_equal(odd_count(), 2);
	/* A directory that is gone takes its own with it. */
	saw_none("d", 300);
	assert_int_equal(odd_count(), 1);
}

/* An older listing that comes late forgets none that a newer one showed. */
static void
test_late_odd(void **state)
{
	(void)state;
	saw_odd(ROOT, "a//b", 300);
	saw_odd(ROOT, "a//b", 200);
	saw_all(ROOT, 250);
	assert_int_equal(odd_count(), 1);
}

/* Hadoop's marker makes a directory explicit, without a `dir/'. */
static void
test_folder(void **state)
{
	struct observe o;
	struct row row = { 0 };

	(void)state;
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_folder(&o, ROOT, "d", 100)), 0);
	assert_true(find("d", &row));
	assert_int_equal(row.kind, ROW_DIR);
	assert_int_equal(row.marker, ROW_MARKER_FOLDER);
	/* A HEAD that finds no `d/' takes nothing of it away. */
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_marker(&o, row.id, NULL, 200)), 0);
	row_fini(&row);
	assert_true(find("d", &row));
	assert_int_equal(row.marker, ROW_MARKER_FOLDER);
	row_fini(&row);
}

/* A failure rolls everything back, and nobody is told. */
static void
test_rolled_back(void **state)
{
	struct observation seen = {
		.size = 9, .etag = "\"9\"", .sent_ms = 200
	};
	struct observe o;
	uint64_t node;

	(void)state;
	saw("a", "\"1\"", 5, 100);
	node = node_of("a", NULL);
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(observe_object(&o, ROOT, "a", &seen, NULL), 0);
	assert_int_equal(observe_object(&o, ROOT, "b", &seen, NULL), 0);
	assert_int_equal(observe_end(&o, -EPROTO), -EPROTO);
	assert_int_equal(node_of("a", NULL), node);
	assert_false(exists("b"));
	assert_int_equal(atomic_load(&changes), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_new_object),
		T(test_small_object),
		T(test_same_again),
		T(test_changed),
		T(test_late_object),
		T(test_late_list_removes_nothing),
		T(test_late_list_resurrects_nothing),
		T(test_late_after_listing),
		T(test_ours),
		T(test_deleting),
		T(test_directory_hides_object),
		T(test_object_to_directory),
		T(test_unseen_removed),
		T(test_marker),
		T(test_late_marker),
		T(test_odd),
		T(test_late_odd),
		T(test_folder),
		T(test_rolled_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

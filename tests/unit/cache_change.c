/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_change.c - changes of our own to rows, and what observations that
 * were asked for earlier or later make of them.
 *
 * Role:    unit test of cache/change.c.
 */
#include "tests/unit/cache_folder.h"

#include "cache/change.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/observe.h"
#include "cache/state.h"
#include "cache/view.h"

#define ROOT CACHE_ROOT

static int64_t
now(void)
{
	return cache_now_ms(cache);
}

static void
advance(int64_t ms)
{
	atomic_fetch_add(&now_ms, ms);
}

/* S3 showed object ${name} in ${dir}, asked at ${sent_ms}. */
static void
saw(uint64_t dir, const char *name, int64_t sent_ms)
{
	struct observation seen = { .size = 5000,
		.modified_ns = INT64_C(1600000000000000000),
		.etag = "\"1\"",
		.sent_ms = sent_ms };
	struct observe o;

	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_object(&o, dir, name, &seen, NULL)), 0);
}

static uint64_t
saw_dir(uint64_t dir, const char *name)
{
	struct observe o;
	uint64_t id = 0;

	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_dir(&o, dir, name, now(), &id)), 0);
	return id;
}

/* A whole listing of ${dir} had none of the names known. */
static void
saw_nothing(uint64_t dir, int64_t sent_ms)
{
	struct observe o;

	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(observe_end(&o, observe_listed(&o, dir, sent_ms)), 0);
}

/* The row that callers see; false: none. */
static bool
find(uint64_t dir, const char *name, struct row *ret)
{
	int r = db_row_by_name(cache->db, dir, name, ret);

	assert_true(r == 0 || r == -ENOENT);
	if (r == 0 && view_is_visible(ret))
		return true;
	row_fini(ret);
	return false;
}

static bool
exists(uint64_t dir, const char *name)
{
	struct row row = { 0 };
	bool found = find(dir, name, &row);

	row_fini(&row);
	return found;
}

static uint64_t
id_of(uint64_t dir, const char *name)
{
	struct row row = { 0 };
	uint64_t id;

	assert_true(find(dir, name, &row));
	id = row.id;
	row_fini(&row);
	return id;
}

static uint64_t
rows(void)
{
	uint64_t n;

	assert_int_equal(db_count_rows(cache->db, &n), 0);
	return n;
}

static int
insert(uint64_t dir, const char *name, enum state_name state, uint64_t *ret_id)
{
	struct row row = { .parent = dir,
		.kind = ROW_FILE,
		.name_state = (int)state,
		.attr_state = ATTRS_METADIRTY,
		.byte_state = BYTES_DIRTY,
		.uid = 7,
		.gid = 8,
		.mode = S_IFREG | 0640 };
	int r;

	row.name = strdup(name);
	assert_non_null(row.name);
	r = change_insert(cache, &row);
	if (r == 0) {
		assert_int_equal(row.node, row.id);
		assert_int_equal(row.changed_ms, now());
	}
	if (ret_id != NULL)
		*ret_id = row.id;
	row_fini(&row);
	return r;
}

/* ---- tests ---- */

/* What was not begun leaves nothing locked. */
static void
test_no_row(void **state)
{
	struct change ch;

	(void)state;
	assert_int_equal(change_begin(cache, 4711, &ch), -ENOENT);
	assert_int_equal(change_begin_node(cache, 4711, &ch), -ENOENT);
	assert_int_equal(db_begin(cache->db), 0);
	assert_int_equal(db_commit(cache->db), 0);
}

static void
test_change(void **state)
{
	struct row row = { 0 };
	struct change ch;

	(void)state;
	saw(ROOT, "a", now());
	advance(100);
	assert_int_equal(change_begin(cache, id_of(ROOT, "a"), &ch), 0);
	assert_string_equal(ch.row.name, "a");
	change_attrs(&ch, ATTRS_ON_SET);
	assert_int_equal(change_bytes(&ch, BYTES_ON_WRITE), 0);
	ch.row.size = 77;
	assert_int_equal(change_end(&ch, 0), 0);
	assert_true(find(ROOT, "a", &row));
	assert_int_equal(row.size, 77);
	assert_int_equal(row.attr_state, ATTRS_METADIRTY);
	assert_int_equal(row.byte_state, BYTES_DIRTY);
	assert_int_equal(row.name_state, NAME_PRESENT);
	assert_int_equal(row.changed_ms, now());
	row_fini(&row);
}

/* By node, and the time that is noted: an answer to an earlier question does
 * not undo it, even with nothing pending. */
static void
test_change_outlives_late_answer(void **state)
{
	struct row row = { 0 };
	struct change ch;
	int64_t before = now();

	(void)state;
	saw(ROOT, "a", before);
	advance(100);
	assert_int_equal(change_begin_node(cache, id_of(ROOT, "a"), &ch), 0);
	ch.row.size = 77;
	assert_int_equal(change_end(&ch, 0), 0);
	saw(ROOT, "a", now() - 1);
	assert_true(find(ROOT, "a", &row));
	assert_int_equal(row.size, 77);
	row_fini(&row);
	advance(1);
	saw(ROOT, "a", now());
	assert_true(find(ROOT, "a", &row));
	assert_int_equal(row.size, 5000);
	row_fini(&row);
}

static void
test_rolled_back(void **state)
{
	struct row row = { 0 };
	struct change ch;

	(void)state;
	saw(ROOT, "a", now());
	assert_int_equal(change_begin(cache, id_of(ROOT, "a"), &ch), 0);
	change_name(&ch, NAME_ON_UNLINK);
	assert_int_equal(ch.row.name_state, NAME_DELETING);
	assert_int_equal(change_end(&ch, -EDQUOT), -EDQUOT);
	assert_true(find(ROOT, "a", &row));
	assert_int_equal(row.name_state, NAME_PRESENT);
	assert_int_equal(row.changed_ms, 0);
	row_fini(&row);
}

static void
test_refused(void **state)
{
	struct change ch;

	(void)state;
	saw(ROOT, "a", now());
	assert_int_equal(change_begin(cache, id_of(ROOT, "a"), &ch), 0);
	assert_int_equal(change_bytes(&ch, BYTES_ON_WRITE), 0);
	assert_int_equal(change_bytes(&ch, BYTES_ON_REMOTE_NEW), 0);
	assert_int_equal(ch.row.byte_state, BYTES_CONFLICT);
	assert_int_equal(change_bytes(&ch, BYTES_ON_WRITE), -ESTALE);
	assert_int_equal(ch.row.byte_state, BYTES_CONFLICT);
	assert_int_equal(change_end(&ch, -ESTALE), -ESTALE);
}

/* A removed name stays away until somebody saw it afterwards. */
static void
test_remove(void **state)
{
	struct change ch;

	(void)state;
	saw(ROOT, "a", now());
	advance(100);
	assert_int_equal(change_begin(cache, id_of(ROOT, "a"), &ch), 0);
	assert_int_equal(change_end_remove(&ch), 0);
	assert_false(exists(ROOT, "a"));
	saw(ROOT, "a", now() - 1);
	assert_false(exists(ROOT, "a"));
	saw(ROOT, "a", now()); /* the same moment: not after */
	assert_false(exists(ROOT, "a"));
	/* A late listing does not take the tombstone away. */
	saw_nothing(ROOT, now() - 1);
	saw(ROOT, "a", now() - 1);
	assert_false(exists(ROOT, "a"));
	advance(1);
	saw(ROOT, "a", now());
	assert_true(exists(ROOT, "a"));
	assert_int_equal(atomic_load(&changes), 0); /* it is our own */
}

/* Who has the file open keeps its version. */
static void
test_remove_open(void **state)
{
	struct entry *e = NULL;
	struct change ch;

	(void)state;
	saw(ROOT, "a", now());
	assert_int_equal(entry_get(cache, id_of(ROOT, "a"), &e), 0);
	assert_int_equal(change_begin_node(cache, e->node, &ch), 0);
	assert_int_equal(change_end_remove(&ch), 0);
	assert_true(e->is_superseded);
	entry_put(e);
}

static void
test_remove_directory(void **state)
{
	uint64_t d, sub, n;
	struct entry *e = NULL;
	struct observe o;
	struct change ch;

	(void)state;
	n = rows();
	saw(ROOT, "other", now());
	d = saw_dir(ROOT, "d");
	sub = saw_dir(d, "sub");
	saw(sub, "a", now());
	saw(d, "b", now());
	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_odd(&o, d, "d//x", "empty", now())), 0);
	assert_int_equal(entry_get(cache, id_of(sub, "a"), &e), 0);
	assert_int_equal(change_begin(cache, d, &ch), 0);
	assert_int_equal(change_end_remove(&ch), 0);
	assert_false(exists(ROOT, "d"));
	assert_false(exists(d, "b"));
	assert_false(exists(sub, "a"));
	assert_true(exists(ROOT, "other"));
	assert_true(e->is_superseded);
	entry_put(e);
	assert_int_equal(rows(), n + 2); /* the other, and a tombstone */
	assert_int_equal(db_odd_count(cache->db, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(change_begin(cache, sub, &ch), -ENOENT);
}

static void
test_insert(void **state)
{
	struct row row = { 0 };
	uint64_t id;

	(void)state;
	assert_int_equal(insert(ROOT, "a", NAME_CREATING, &id), 0);
	assert_int_equal(id_of(ROOT, "a"), id);
	assert_true(find(ROOT, "a", &row));
	assert_int_equal(row.uid, 7);
	assert_int_equal(row.byte_state, BYTES_DIRTY);
	assert_int_equal(row.seen_ms, now());
	row_fini(&row);
	assert_int_equal(insert(ROOT, "a", NAME_CREATING, NULL), -EEXIST);
	assert_int_equal(id_of(ROOT, "a"), id);
	/* Nothing is in S3 yet: that no listing has it is no news. */
	advance(100);
	saw_nothing(ROOT, now());
	assert_true(exists(ROOT, "a"));
}

/* Remove, create, remove, create: one row, and one tombstone at most. */
static void
test_insert_again(void **state)
{
	struct change ch;
	uint64_t id, n = rows();

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(insert(ROOT, "a", NAME_CREATING, &id), 0);
		assert_int_equal(rows(), n + 1);
		assert_int_equal(change_begin(cache, id, &ch), 0);
		assert_int_equal(change_end_remove(&ch), 0);
		assert_int_equal(rows(), n + 1);
		assert_false(exists(ROOT, "a"));
	}
}

/* What is being deleted is owed still: it stays beside the new one. */
static void
test_insert_beside(void **state)
{
	struct row row = { 0 };
	struct change ch;
	uint64_t old, id;

	(void)state;
	saw(ROOT, "a", now());
	old = id_of(ROOT, "a");
	assert_int_equal(change_begin(cache, old, &ch), 0);
	change_name(&ch, NAME_ON_UNLINK);
	change_name(&ch, NAME_ON_DELETE_SEND);
	assert_int_equal(change_end(&ch, 0), 0);
	assert_false(exists(ROOT, "a"));
	assert_int_equal(insert(ROOT, "a", NAME_CREATING, &id), 0);
	assert_int_equal(id_of(ROOT, "a"), id);
	assert_int_equal(db_row_by_id(cache->db, old, &row), 0);
	assert_int_equal(row.name_state, NAME_DELETE_SENT);
	row_fini(&row);
}

static void
test_insert_nowhere(void **state)
{
	struct change ch;
	uint64_t d, n;

	(void)state;
	saw(ROOT, "file", now());
	d = saw_dir(ROOT, "d");
	assert_int_equal(change_begin(cache, d, &ch), 0);
	assert_int_equal(change_end_remove(&ch), 0);
	n = rows();
	assert_int_equal(insert(d, "a", NAME_CREATING, NULL), -ENOENT);
	assert_int_equal(
	    insert(id_of(ROOT, "file"), "a", NAME_CREATING, NULL), -ENOTDIR);
	assert_int_equal(rows(), n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_no_row),
		T(test_change),
		T(test_change_outlives_late_answer),
		T(test_rolled_back),
		T(test_refused),
		T(test_remove),
		T(test_remove_open),
		T(test_remove_directory),
		T(test_insert),
		T(test_insert_again),
		T(test_insert_beside),
		T(test_insert_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

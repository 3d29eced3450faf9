/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_db.c - the metadata database keeps the rows that it is given.
 *
 * Role:    unit test of cache/db.c and cache/db_row.c.
 */
#include "tests/unit/db_file.h"

#include <errno.h>

#include "cache/state.h"

static void
full_row(struct row *row)
{
	plain_row(row, 77, 1, "name \xff\xfe '\" %");
	row->node = 99;
	row->kind = ROW_SPECIAL;
	row->name_state = 3;
	row->attr_state = 2;
	row->byte_state = 5;
	row->size = UINT64_C(53687091200000);
	row->modified_ns = INT64_C(1700000000123456789);
	row->etag = text("\"abc-3\"");
	row->version_id = text("v1");
	row->storage_class = text("GLACIER");
	row->attrs = ROW_ATTRS_FRESH;
	row->mode = 020644;
	row->uid = 0;
	row->gid = 4000000000u;
	row->rdev = 259;
	row->atime_ns = -1;
	row->mtime_ns = INT64_C(-2000000000);
	row->ctime_ns = 3;
	row->content_type = text("text/plain; charset=utf-8");
	row->token = text("tok");
	row->target = text("../\xc3\xa9");
	row->meta = malloc(4);
	assert_non_null(row->meta);
	memcpy(row->meta, "\0a\0b", 4);
	row->meta_len = 4;
	row->marker = ROW_MARKER_FOLDER;
	row->seen_ms = 11;
	row->changed_ms = 12;
	row->listed_ms = 13;
	row->base_key = text("old/key");
}

static void
same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		assert_true(a == b);
	else
		assert_string_equal(a, b);
}

static void
same_row(const struct row *a, const struct row *b)
{
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->node, b->node);
	assert_int_equal(a->parent, b->parent);
	same_text(a->name, b->name);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->name_state, b->name_state);
	assert_int_equal(a->attr_state, b->attr_state);
	assert_int_equal(a->byte_state, b->byte_state);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->modified_ns, b->modified_ns);
	same_text(a->etag, b->etag);
	same_text(a->version_id, b->version_id);
	same_text(a->storage_class, b->storage_class);
	assert_int_equal(a->attrs, b->attrs);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
	assert_int_equal(a->rdev, b->rdev);
	assert_int_equal(a->atime_ns, b->atime_ns);
	assert_int_equal(a->mtime_ns, b->mtime_ns);
	assert_int_equal(a->ctime_ns, b->ctime_ns);
	same_text(a->content_type, b->content_type);
	same_text(a->token, b->token);
	same_text(a->target, b->target);
	assert_int_equal(a->meta_len, b->meta_len);
	assert_int_equal(a->meta == NULL, b->meta == NULL);
	if (a->meta_len > 0)
		assert_memory_equal(a->meta, b->meta, a->meta_len);
	assert_int_equal(a->marker, b->marker);
	assert_int_equal(a->seen_ms, b->seen_ms);
	assert_int_equal(a->changed_ms, b->changed_ms);
	assert_int_equal(a->listed_ms, b->listed_ms);
	same_text(a->base_key, b->base_key);
}

static void
test_round_trip(void **state)
{
	struct row full, plain, got = { 0 };

	(void)state;
	full_row(&full);
	plain_row(&plain, 78, 1, "x");
	assert_int_equal(db_row_put(db, &full), 0);
	assert_int_equal(db_row_put(db, &plain), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(db_row_by_id(db, 77, &got), 0);
		same_row(&got, &full);
		row_fini(&got);
		assert_int_equal(db_row_by_node(db, 99, &got), 0);
		same_row(&got, &full);
		row_fini(&got);
		assert_int_equal(db_row_by_name(db, 1, full.name, &got), 0);
		same_row(&got, &full);
		row_fini(&got);
		assert_int_equal(db_row_by_id(db, 78, &got), 0);
		same_row(&got, &plain);
		row_fini(&got);
		reopen();
	}
	/* Fields that were set go back to nothing. */
	plain.id = 77;
	plain.node = 99;
	assert_int_equal(db_row_put(db, &plain), 0);
	assert_int_equal(db_row_by_id(db, 77, &got), 0);
	same_row(&got, &plain);
	row_fini(&got);
	row_fini(&full);
	row_fini(&plain);
}

/* Where it is in its place, and where it is moved. */
static void
test_update(void **state)
{
	struct row full, row, got = { 0 };

	(void)state;
	full_row(&full);
	plain_row(&row, full.id, full.parent, full.name);
	row.node = full.node;
	row.name_state = full.name_state;
	assert_int_equal(db_row_update(db, &row), 0); /* it is new */
	assert_int_equal(db_row_update(db, &full), 0);
	assert_int_equal(db_row_by_name(db, full.parent, full.name, &got), 0);
	same_row(&got, &full);
	row_fini(&got);
	/* Fields that were set go back to nothing. */
	assert_int_equal(db_row_update(db, &row), 0);
	assert_int_equal(db_row_by_node(db, full.node, &got), 0);
	same_row(&got, &row);
	row_fini(&got);
	row_fini(&row);
	plain_row(&row, full.id, full.parent + 1, "moved");
	row.name_state = NAME_DELETING;
	assert_int_equal(db_row_update(db, &row), 0);
	assert_int_equal(
	    db_row_by_name(db, full.parent, full.name, &got), -ENOENT);
	assert_int_equal(db_row_by_node(db, full.node, &got), -ENOENT);
	assert_int_equal(db_row_by_name(db, full.parent + 1, "moved", &got), 0);
	same_row(&got, &row);
	row_fini(&got);
	row_fini(&full);
	row_fini(&row);
}

static void
test_no_such_row(void **state)
{
	struct row got = { .id = 4711 };

	(void)state;
	assert_int_equal(db_row_by_id(db, 5, &got), -ENOENT);
	assert_int_equal(db_row_by_node(db, 5, &got), -ENOENT);
	assert_int_equal(db_row_by_name(db, 1, "a", &got), -ENOENT);
	assert_int_equal(got.id, 4711); /* untouched */
	assert_int_equal(db_row_delete(db, 5), 0);
}

/* After its node changed, a row answers to the new one only. */
static void
test_node_change(void **state)
{
	struct row row, got = { 0 };

	(void)state;
	plain_row(&row, 10, 1, "f");
	assert_int_equal(db_row_put(db, &row), 0);
	row.node = 11;
	assert_int_equal(db_row_put(db, &row), 0);
	assert_int_equal(db_row_by_node(db, 10, &got), -ENOENT);
	assert_int_equal(db_row_by_node(db, 11, &got), 0);
	assert_int_equal(got.id, 10);
	row_fini(&got);
	row.node = 12;
	assert_int_equal(db_row_put(db, &row), 0);
	assert_int_equal(db_row_by_node(db, 11, &got), -ENOENT);
	assert_int_equal(db_row_by_node(db, 12, &got), 0);
	row_fini(&got);
	assert_int_equal(db_row_by_id(db, 10, &got), 0);
	row_fini(&got);
	row_fini(&row);
}

/* Of several rows of a name the one with the lowest state is seen. */
static void
test_two_of_a_name(void **state)
{
	struct row row, got = { 0 };

	(void)state;
	plain_row(&row, 20, 1, "f");
	row.name_state = 4;
	assert_int_equal(db_row_put(db, &row), 0);
	row.id = row.node = 21;
	row.name_state = 2;
	assert_int_equal(db_row_put(db, &row), 0);
	assert_int_equal(db_row_by_name(db, 1, "f", &got), 0);
	assert_int_equal(got.id, 21);
	row_fini(&got);
	assert_int_equal(db_row_delete(db, 21), 0);
	assert_int_equal(db_row_by_name(db, 1, "f", &got), 0);
	assert_int_equal(got.id, 20);
	row_fini(&got);
	row_fini(&row);
}

struct ids {
	uint64_t ids[64];
	unsigned count;
	unsigned stop_at; /* 0: never */
};

static bool
take_id(void *arg, const struct row *row)
{
	struct ids *ids = arg;

	assert_true(ids->count < 64);
	ids->ids[ids->count++] = row->id;
	return ids->count != ids->stop_at;
}

static void
expect_ids(const struct ids *ids, const uint64_t *want, unsigned count)
{
	assert_int_equal(ids->count, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(ids->ids[i], want[i]);
}

/* By id, whatever the order of names and of coming; only this parent's. */
static void
test_cookies(void **state)
{
	static const uint64_t all[] = { 3, 5, 8, 9, 20 };
	struct ids ids = { 0 };

	(void)state;
	put_plain(8, 1, "a");
	put_plain(20, 1, "0");
	put_plain(3, 1, "z");
	put_plain(6, 2, "other");
	put_plain(9, 1, "c");
	put_plain(5, 1, "b");
	assert_int_equal(db_rows_after(db, 1, 0, 100, take_id, &ids), 0);
	expect_ids(&ids, all, 5);
	ids = (struct ids){ 0 };
	assert_int_equal(db_rows_after(db, 1, 5, 2, take_id, &ids), 0);
	expect_ids(&ids, all + 2, 2);
	/* The row of the cookie may be gone. */
	assert_int_equal(db_row_delete(db, 5), 0);
	ids = (struct ids){ 0 };
	assert_int_equal(db_rows_after(db, 1, 5, 100, take_id, &ids), 0);
	expect_ids(&ids, all + 2, 3);
	ids = (struct ids){ .stop_at = 1 };
	assert_int_equal(db_rows_after(db, 1, 0, 100, take_id, &ids), 0);
	expect_ids(&ids, all, 1);
	ids = (struct ids){ 0 };
	assert_int_equal(db_rows_after(db, 1, 20, 100, take_id, &ids), 0);
	assert_int_equal(ids.count, 0);
}

static void
test_unseen(void **state)
{
	static const uint64_t want[] = { 3, 6 };
	struct ids ids = { 0 };
	struct row got = { 0 };

	(void)state;
	for (uint64_t i = 3; i < 7; i++) {
		char name[2] = { (char)('a' + i), '\0' };

		put_plain(i, 1, name);
	}
	put_plain(30, 2, "elsewhere");
	assert_int_equal(db_row_seen(db, 3, 99), 0);
	assert_int_equal(db_row_seen(db, 4, 100), 0);
	assert_int_equal(db_row_seen(db, 5, 101), 0);
	assert_int_equal(db_rows_unseen(db, 1, 100, take_id, &ids), 0);
	expect_ids(&ids, want, 2);
	assert_int_equal(db_row_listed(db, 4, 55), 0);
	assert_int_equal(db_row_by_id(db, 4, &got), 0);
	assert_int_equal(got.seen_ms, 100);
	assert_int_equal(got.listed_ms, 55);
	assert_string_equal(got.name, "e");
	row_fini(&got);
}

static void
test_touch(void **state)
{
	struct row got = { 0 };

	(void)state;
	put_plain(3, 1, "d");
	put_plain(4, 1, "e");
	assert_int_equal(db_row_touch(db, 3, 70, 80), 0);
	assert_int_equal(db_row_by_id(db, 3, &got), 0);
	assert_int_equal(got.mtime_ns, 70);
	assert_int_equal(got.ctime_ns, 70);
	assert_int_equal(got.changed_ms, 80);
	assert_string_equal(got.name, "d");
	row_fini(&got);
	assert_int_equal(db_row_by_id(db, 4, &got), 0);
	assert_int_not_equal(got.mtime_ns, 70);
	row_fini(&got);
	assert_int_equal(db_row_touch(db, 5, 70, 80), 0); /* there is none */
}

/* A directory goes with all that is below it, and nothing else. */
static void
test_recursive_delete(void **state)
{
	static const uint64_t below[] = { 11, 12, 13, 14 };
	struct ids ids = { 0 };
	struct row got = { 0 };
	uint64_t count = 0, sum = 0;

	(void)state;
	put_plain(10, 1, "d");
	put_plain(11, 10, "e");
	put_plain(12, 11, "f");
	put_plain(13, 12, "g");
	put_plain(14, 10, "h");
	put_plain(15, 1, "keep");
	assert_int_equal(db_rows_below(db, 10, take_id, &ids), 0);
	assert_int_equal(ids.count, 4);
	for (unsigned i = 0; i < ids.count; i++)
		sum += ids.ids[i];
	assert_int_equal(sum, below[0] + below[1] + below[2] + below[3]);
	assert_int_equal(db_row_delete(db, 10), 0);
	assert_int_equal(db_count_rows(db, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(db_row_by_id(db, 15, &got), 0);
	row_fini(&got);
}

static void
test_transactions(void **state)
{
	struct row got = { 0 };

	(void)state;
	put_plain(10, 1, "a");
	assert_int_equal(db_begin(db), 0);
	put_plain(11, 1, "b");
	assert_int_equal(db_row_delete(db, 10), 0);
	assert_int_equal(db_set_setting(db, "k", "v"), 0);
	assert_int_equal(db_row_by_id(db, 11, &got), 0); /* sees its own */
	row_fini(&got);
	db_rollback(db);
	assert_int_equal(db_row_by_id(db, 11, &got), -ENOENT);
	assert_int_equal(db_row_by_id(db, 10, &got), 0);
	row_fini(&got);

	assert_int_equal(db_begin(db), 0);
	put_plain(12, 1, "c");
	assert_int_equal(db_commit(db), 0);
	reopen();
	assert_int_equal(db_row_by_id(db, 12, &got), 0);
	row_fini(&got);
	assert_int_equal(db_row_by_id(db, 11, &got), -ENOENT);
}

static void
test_settings(void **state)
{
	struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(db_get_setting(db, "k", &b), -ENOENT);
	assert_int_equal(db_set_setting(db, "k", "v 'x' \n"), 0);
	assert_int_equal(db_set_setting(db, "other", ""), 0);
	reopen();
	assert_int_equal(buf_add_str(&b, "<"), 0);
	assert_int_equal(db_get_setting(db, "k", &b), 0);
	assert_string_equal(buf_str(&b), "<v 'x' \n"); /* appended */
	buf_clear(&b);
	assert_int_equal(db_get_setting(db, "other", &b), 0);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(db_set_setting(db, "k", "2"), 0);
	assert_int_equal(db_get_setting(db, "k", &b), 0);
	assert_string_equal(buf_str(&b), "2");
	buf_fini(&b);
}

/* Greater than all before, over any number of starts, blocks and failures. */
static void
test_numbers(void **state)
{
	uint64_t last = 1, n = 0;

	(void)state;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 5000; i++) {
			assert_int_equal(db_number(db, &n), 0);
			assert_true(n > last);
			last = n;
		}
		reopen();
	}
}

/* A number taken in a transaction that is rolled back is not given again. */
static void
test_numbers_rolled_back(void **state)
{
	uint64_t last = 0, n = 0;

	(void)state;
	reopen();
	assert_int_equal(db_begin(db), 0);
	assert_int_equal(db_number(db, &last), 0); /* reserves a block */
	db_rollback(db);
	/* What the caller may have shown of it (a cookie) stays used. */
	for (int i = 0; i < 10; i++) {
		assert_int_equal(db_number(db, &n), 0);
		assert_true(n > last);
		last = n;
	}
	reopen();
	assert_int_equal(db_number(db, &n), 0);
	assert_true(n > last);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_round_trip),
		T(test_update),
		T(test_no_such_row),
		T(test_node_change),
		T(test_two_of_a_name),
		T(test_cookies),
		T(test_unseen),
		T(test_touch),
		T(test_recursive_delete),
		T(test_transactions),
		T(test_settings),
		T(test_numbers),
		T(test_numbers_rolled_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

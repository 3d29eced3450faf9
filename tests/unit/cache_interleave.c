/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_interleave.c - answers that are overtaken by changes of our own.
 *
 * Role:    unit test of cache/observe.c, listing.c, heads.c, lookup.c: a
 *          listing is asked for, we change something, and it is answered as if
 *          we had not; and answers that come under a key which is another's by
 *          then.
 */
#include "tests/unit/cache_names.h"

#include "cache/heads.h"
#include "cache/name.h"
#include "cache/observe.h"
#include "cache/view.h"

/* ---- a listing that is overtaken ---- */

/* What the answer to a LIST does not show yet, or still; the listing's prefix
 * (NULL: any). */
static struct {
	const char *prefix;
	const char *hidden[4];
	const char *shown[4];
} lag;

static void
answer_late(struct s3 *bucket, const struct s3_call *call)
{
	if (call->kind != S3_LIST_OBJECTS ||
	    (lag.prefix != NULL && strcmp(call->prefix, lag.prefix) != 0))
		return;
	for (int i = 0; i < 4 && lag.hidden[i] != NULL; i++)
		fake_remove(bucket, lag.hidden[i]);
	for (int i = 0; i < 4 && lag.shown[i] != NULL; i++)
		fake_put(bucket, lag.shown[i], 0, 1);
}

static void *
run_opendir(void *arg)
{
	const uint64_t *node = arg;
	struct cache_dir *d;

	if (cache_opendir(cache, *node, NULL, &d) == 0)
		cache_closedir(d);
	return NULL;
}

/* The root's listing, asked for anew, and ${change} while it is under way,
 * which needs no listing itself. */
static void
list_during(void (*change)(void))
{
	struct row row = { 0 };
	uint64_t root = ROOT;
	pthread_t lister;

	assert_int_equal(db_row_by_id(cache->db, ROOT, &row), 0);
	assert_int_equal(db_row_listed(cache->db, ROOT, 0), 0);
	fake_hold(s3, S3_LIST_OBJECTS, true);
	assert_int_equal(pthread_create(&lister, NULL, run_opendir, &root), 0);
	fake_wait_held(s3, 1);
	assert_int_equal(db_row_listed(cache->db, ROOT, row.listed_ms), 0);
	row_fini(&row);
	tick();
	change();
	tick();
	fake_before(s3, answer_late);
	fake_hold(s3, S3_LIST_OBJECTS, false);
	assert_int_equal(pthread_join(lister, NULL), 0);
	fake_before(s3, NULL);
	fake_count_reset(s3);
}

static uint64_t dir_node; /* of the test's directory */

static void
make_new(void)
{
	(void)make_dir(ROOT, "new");
}

static void
test_made(void **state)
{
	(void)state;
	memset(&lag, 0, sizeof(lag));
	lag.hidden[0] = "new/";
	list_dir(ROOT);
	list_during(make_new);
	assert_true(exists(ROOT, "new"));
	assert_cost((struct cost){ 0 });
}

static void
remove_dir(void)
{
	assert_int_equal(cache_rmdir(cache, ROOT, "d", NULL), 0);
}

static void
test_removed(void **state)
{
	(void)state;
	memset(&lag, 0, sizeof(lag));
	lag.shown[0] = "d/";
	list_dir(ROOT);
	dir_node = make_dir(ROOT, "d");
	set_empty_etag("d/");
	list_during(remove_dir);
	assert_false(exists(ROOT, "d"));
}

static void
rename_dir(void)
{
	assert_int_equal(
	    cache_rename(cache, &AT(ROOT, "f"), &AT(ROOT, "g"), 0, NULL), 0);
}

static void
test_renamed(void **state)
{
	(void)state;
	memset(&lag, 0, sizeof(lag));
	lag.hidden[0] = "g";
	lag.shown[0] = "f";
	list_dir(ROOT);
	create_text(ROOT, "f", "text");
	list_during(rename_dir);
	assert_true(exists(ROOT, "g"));
	assert_false(exists(ROOT, "f"));
}

/* It goes away by another's hand; but a file is made deep below, and sent,
 * before the answer is there. */
static void
make_below(void)
{
	create_text(dir_node, "file", "text");
}

static void
test_made_below(void **state)
{
	(void)state;
	memset(&lag, 0, sizeof(lag));
	lag.hidden[0] = "a/b/file";
	fake_put(s3, "a/b/x", 1, 1);
	list_dir(ROOT);
	list_dir(get(ROOT, "a").node);
	dir_node = get(get(ROOT, "a").node, "b").node;
	list_dir(dir_node);
	fake_remove(s3, "a/b/x");
	list_during(make_below);
	assert_true(exists(ROOT, "a"));
	assert_true(exists(dir_node, "file"));
	/* What was asked for after it counts. */
	atomic_fetch_add(&now_ms, 2 * TTL);
	list_dir(ROOT);
	assert_false(exists(ROOT, "a"));
}

/* The listing of a directory that has another name when it is answered. */
static void
move_row(struct s3 *bucket, const struct s3_call *call)
{
	struct row row = { 0 };

	if (call->kind != S3_LIST_OBJECTS || strcmp(call->prefix, "d/") != 0)
		return;
	tick();
	assert_int_equal(db_row_by_name(cache->db, ROOT, "d", &row), 0);
	free(row.name);
	row.name = strdup("g");
	row.changed_ms = cache_now_ms(cache);
	assert_int_equal(db_row_put(cache->db, &row), 0);
	row_fini(&row);
	fake_put(bucket, "g/f", 1, 1);
	fake_put(bucket, "d/other", 1, 1);
}

static void
test_listed_elsewhere(void **state)
{
	uint64_t d;

	(void)state;
	fake_put(s3, "d/x", 1, 1);
	list_dir(ROOT);
	d = get(ROOT, "d").node;
	fake_before(s3, move_row);
	list_dir(d);
	fake_before(s3, NULL);
	assert_int_equal(get(ROOT, "g").node, d);
	assert_true(exists(d, "f"));
	assert_false(exists(d, "other"));
}

/* ---- a HEAD that is overtaken ---- */

/* The answer to a HEAD of ${row} that left just now, under an old key. */
static int
answer_head(const struct row *row, const char *key, int err)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_HEAD_OBJECT);
	call.key = key;
	call.result.err = err;
	call.result.sent_ms = atomic_load(&now_ms);
	r = heads_observe(cache, row, &call);
	s3_call_fini(&call);
	return r;
}

/* No object of that name: it is a directory now. */
static void
test_head_of_directory(void **state)
{
	struct row row = { 0 };

	(void)state;
	fake_put(s3, "f", 5, 1);
	list_dir(ROOT);
	assert_int_equal(db_row_by_name(cache->db, ROOT, "f", &row), 0);
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	tick();
	(void)make_dir(ROOT, "f");
	assert_int_equal(answer_head(&row, "f", -ENOENT), -EAGAIN);
	assert_int_equal(answer_head(&row, "f", 0), -EAGAIN);
	row_fini(&row);
	assert_true(S_ISDIR(get(ROOT, "f").mode));
}

/* It is not there: it went along with its directory. */
static void
test_head_of_moved(void **state)
{
	struct row row = { 0 };
	uint64_t d;

	(void)state;
	list_dir(ROOT);
	d = make_dir(ROOT, "d");
	create_text(d, "f", "text");
	assert_int_equal(
	    db_row_by_name(cache->db, get(ROOT, "d").ino, "f", &row), 0);
	assert_int_equal(
	    cache_rename(cache, &AT(ROOT, "d"), &AT(ROOT, "g"), 0, NULL), 0);
	tick();
	assert_int_equal(answer_head(&row, "d/f", -ENOENT), -EAGAIN);
	assert_true(exists(d, "f"));
	/* But as it is called now. */
	assert_int_equal(answer_head(&row, "g/f", -ENOENT), 0);
	assert_false(exists(d, "f"));
	row_fini(&row);
}

/* ---- of one name, two rows; and rows in doubt ---- */

static void
saw(const char *name, int64_t sent_ms)
{
	struct observation seen = {
		.size = 5, .etag = "\"1\"", .sent_ms = sent_ms
	};
	struct observe o;

	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(
	    observe_end(&o, observe_object(&o, ROOT, name, &seen, NULL)), 0);
}

static void
saw_all(int64_t sent_ms)
{
	struct observe o;

	assert_int_equal(observe_begin(cache, &o), 0);
	assert_int_equal(observe_end(&o, observe_listed(&o, ROOT, sent_ms)), 0);
}

static bool
is_visible(const char *name)
{
	struct row row = { 0 };
	int r = db_row_by_name(cache->db, ROOT, name, &row);
	bool visible = r == 0 && view_is_visible(&row);

	row_fini(&row);
	return visible;
}

/* One that is being deleted was not seen; the one in its place was. */
static void
test_two_of_a_name(void **state)
{
	struct row row = { 0 };

	(void)state;
	saw("a", 100);
	assert_int_equal(db_row_by_name(cache->db, ROOT, "a", &row), 0);
	row.name_state = NAME_DELETE_SENT;
	assert_int_equal(db_row_put(cache->db, &row), 0);
	row.name_state = NAME_PRESENT;
	row.seen_ms = 200;
	assert_int_equal(db_number(cache->db, &row.id), 0);
	row.node = row.id;
	assert_int_equal(db_row_put(cache->db, &row), 0);
	row_fini(&row);
	saw_all(200);
	assert_true(is_visible("a"));
}

/* A row that came into doubt between the page that had it and the end of that
 * listing is asked for again, and not taken for gone. */
static void
test_doubt(void **state)
{
	struct row row = { 0 };
	int64_t sent_ms = cache_now_ms(cache);

	(void)state;
	tick();
	saw("a", sent_ms);
	assert_int_equal(db_row_by_name(cache->db, ROOT, "a", &row), 0);
	assert_int_equal(name_doubt(cache, row.id), 0);
	saw_all(sent_ms);
	assert_true(is_visible("a"));
	/* What is asked for from now on counts. */
	assert_int_equal(name_doubt_node(cache, row.node), 0);
	saw_all(cache_now_ms(cache));
	assert_false(is_visible("a"));
	row_fini(&row);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_made),
		T(test_removed),
		T(test_renamed),
		T(test_made_below),
		T(test_listed_elsewhere),
		T(test_head_of_directory),
		T(test_head_of_moved),
		T(test_two_of_a_name),
		T(test_doubt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_cover.c - an upload that was asked for when a file was closed, and that
 * begins when another program is writing it: it does not send what that one has
 * not closed.
 *
 * Role:    test of cache/cover.c and upload.c.  The test has the key marked
 *          busy, which keeps the upload from its begin.
 */
#include "tests/unit/cache_names.h"

#include "cache/cover.h"
#include "cache/entry.h"
#include "cache/keylock.h"
#include "cache/upload.h"
#include "s3/base/wait.h"

static struct keylock busy;

static int
set_up_local(void **state)
{
	int r = set_up_names(state);

	if (r < 0)
		return r;
	close_cache();
	config.sync = CACHE_SYNC_LOCAL;
	open_cache();
	return 0;
}

/* A file is closed, and ${post} asks for its upload, which waits for the key.
 */
static struct entry *
ask(void (*post)(struct entry *e))
{
	struct entry *e;

	create_text(ROOT, "f", "first");
	assert_int_equal(keylock_take(&cache->keylocks, "f", NULL, &busy), 0);
	assert_int_equal(entry_get(cache, get(ROOT, "f").node, &e), 0);
	post(e);
	assert_true(e->is_flushing); /* it waits for us */
	return e;
}

static void
wait_for_upload(struct entry *e)
{
	struct waiter w;

	waiter_init(&w);
	lock_take(&e->lock);
	while (e->is_flushing)
		assert_int_equal(waiter_wait_in(&w, &e->waiters, &e->lock), 0);
	lock_drop(&e->lock);
	waiter_fini(&w);
}

/* It begins, and ends. */
static void
let_go(struct entry *e)
{
	keylock_drop(&cache->keylocks, &busy);
	wait_for_upload(e);
}

static void
write_first(struct cache_file *f, const char *text)
{
	assert_int_equal(
	    cache_file_write(f, 0, text, strlen(text), false, NULL), 0);
}

static void
test_nobody_writes(void **state)
{
	struct entry *e = ask(cover_due);

	(void)state;
	let_go(e);
	assert_object("f", "first");
	entry_put(e);
}

static void
test_another_writes(void **state)
{
	struct entry *e = ask(cover_due);
	struct cache_file *f = open_file(ROOT, "f");

	(void)state;
	write_first(f, "half");
	let_go(e);
	assert_false(fake_has(s3, "f"));
	/* What is written then is sent at once. */
	write_first(f, "whole");
	assert_int_equal(cache_file_flush(f, NULL), 0);
	wait_for_upload(e);
	assert_object("f", "whole");
	cache_file_close(f);
	entry_put(e);
}

/* It asks for what there is. */
static void
test_a_drain(void **state)
{
	struct entry *e = ask(cover_due);
	struct cache_file *f = open_file(ROOT, "f");
	uint64_t left = 1;

	(void)state;
	write_first(f, "half");
	let_go(e);
	assert_int_equal(cache_drain(cache, NULL, &left), 0);
	assert_int_equal(left, 0);
	assert_object("f", "halft");
	cache_file_close(f);
	entry_put(e);
}

static void
post(struct entry *e)
{
	(void)upload_post(e);
}

static void
test_somebody_waits(void **state)
{
	struct entry *e = ask(post);
	struct cache_file *f = open_file(ROOT, "f");

	(void)state;
	write_first(f, "half");
	let_go(e);
	assert_object("f", "halft");
	cache_file_close(f);
	entry_put(e);
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_local, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nobody_writes),
		T(test_another_writes),
		T(test_a_drain),
		T(test_somebody_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

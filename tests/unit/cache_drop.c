/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_drop.c - what is dropped is asked for again, and what is open is whole.
 *
 * Role:    unit test of cache/drop.c.
 */
#include "tests/unit/cache_names.h"

#include "cache/admin.h"
#include "cache/scope.h"
#include "s3/base/wait.h"

static void
drop(const char *path)
{
	struct cache_key_call call = { .key = path };
	struct waiter w;

	tick();
	waiter_init(&w);
	assert_int_equal(cache_drop(cache, &call, &w), 0);
	waiter_fini(&w);
	assert_int_equal(call.found, 0);
	tick();
}

/* "f", of another program, with attributes; its headers are known. */
static struct cache_file *
open_known(enum cache_attrs attrs)
{
	close_cache();
	config.attrs = attrs;
	open_cache();
	fake_put_text(s3, "f", "text");
	fake_meta(s3, "f", "mode", "33152"); /* 0600 */
	fake_meta(s3, "f", "color", "blue");
	list_dir(ROOT);
	return open_file(ROOT, "f");
}

static uint32_t
mode_of(uint64_t node)
{
	struct cache_attr attr;

	assert_int_equal(cache_getattr(cache, node, NULL, NULL, &attr), 0);
	return attr.mode;
}

/* Whoever has it open writes no other attributes than it had. */
static void
test_open(void **state)
{
	struct cache_file *f = open_known(CACHE_ATTRS_POSIX);

	(void)state;
	assert_int_equal(mode_of(get(ROOT, "f").node), S_IFREG | 0600);
	drop("f");
	assert_int_equal(cache_file_write(f, 0, "T", 1, false, NULL), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	assert_object("f", "Text");
	assert_meta("f", "mode", "33152");
	assert_meta("f", "color", "blue");
}

/* Likewise with attrs=list, where they are known once one was set. */
static void
test_open_list(void **state)
{
	const struct cache_set set = { .what = CACHE_SET_MODE, .mode = 0640 };
	struct cache_file *f = open_known(CACHE_ATTRS_LIST);
	struct cache_attr attr;
	uint64_t left = 1;

	(void)state;
	assert_int_equal(
	    cache_setattr(cache, get(ROOT, "f").node, f, &set, NULL, &attr), 0);
	assert_int_equal(cache_drain(cache, NULL, &left), 0);
	drop("f");
	assert_int_equal(cache_file_write(f, 0, "T", 1, false, NULL), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	assert_object("f", "Text");
	assert_meta("f", "mode", "33184");
	assert_meta("f", "color", "blue");
}

/* The next stat asks S3, whatever was asked before. */
static void
test_asked(void **state)
{
	uint64_t node;

	(void)state;
	close_cache();
	config.attrs = CACHE_ATTRS_POSIX;
	open_cache();
	fake_put_text(s3, "f", "text");
	atomic_fetch_add(&now_ms, 10000); /* it is not fresh */
	list_dir(ROOT);
	node = get(ROOT, "f").node;
	assert_int_equal(mode_of(node), S_IFREG | 0644);
	/* The same bytes, ETag and time. */
	fake_meta(s3, "f", "mode", "33152"); /* 0600 */
	assert_int_equal(mode_of(node), S_IFREG | 0644);
	answered_note(&cache->answered, node, clock_mono_ms(cache->clock));
	drop("f");
	assert_int_equal(mode_of(node), S_IFREG | 0600);
}

#define UNSENT (SCOPE_NOTES_MAX + 5)

/* What was told. */
struct told {
	unsigned count;
	char last[64];
};

static int
take_note(void *arg, const struct cache_note *note)
{
	struct told *told = arg;

	told->count++;
	(void)snprintf(
	    told->last, sizeof(told->last), "%s: %s", note->what, note->text);
	return 0;
}

/* Of very many that S3 does not have, some are named, and the rest counted. */
static void
test_many_unsent(void **state)
{
	struct told told = { 0 };
	struct cache_key_call call = {
		.key = "", .note = take_note, .arg = &told
	};
	struct cache_attr attr;
	struct waiter w;

	(void)state;
	close_cache();
	config.sync = CACHE_SYNC_FSYNC;
	open_cache();
	list_dir(ROOT);
	for (unsigned i = 0; i < UNSENT; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(
		    make(ROOT, name, S_IFIFO | 0600, NULL, &attr), 0);
	}
	waiter_init(&w);
	assert_int_equal(cache_drop(cache, &call, &w), 0);
	waiter_fini(&w);
	assert_int_equal(call.found, UNSENT);
	assert_int_equal(told.count, SCOPE_NOTES_MAX + 1);
	assert_string_equal(told.last, "more: 5 more");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_open),
		T(test_open_list),
		T(test_asked),
		T(test_many_unsent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

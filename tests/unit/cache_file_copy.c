/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_file_copy.c - bytes of one file into another that is on its way to S3:
 * who waits for that keeps nothing from it that it needs.
 *
 * Role:    unit test of cache/file.c.
 */
#include "tests/unit/cache_names.h"

#include <unistd.h>

#include "cache/entry.h"
#include "cache/upload.h"

#define COUNT  2  /* as many as there are buffers for readers' bytes */
#define END_S  60 /* or else they wait for each other */
#define CHANGE (10 * MIB)
#define COPIED (3 * MIB)

static uint8_t data[MIB];

/* An object that is changed, and bytes of another copied into it. */
struct target {
	struct cache_file *from;
	struct cache_file *to;
	struct entry *entry;
	pthread_t thread;
};

static void *
copy(void *arg)
{
	struct target *t = arg;
	uint64_t len = 0;

	assert_int_equal(
	    cache_file_copy(&(struct cache_span){ t->from, 0 },
		&(struct cache_span){ t->to, COPIED }, MIB, NULL, &len),
	    0);
	assert_int_equal(len, MIB);
	return NULL;
}

/* Wait until ${t} is frozen; with ${waited}, until somebody waits for it. */
static void
target_wait(struct target *t, bool waited)
{
	bool is = false;

	while (!is) {
		lock_take(&t->entry->lock);
		is = !list_is_empty(
		    waited ? &t->entry->waiters : &t->entry->frozen);
		lock_drop(&t->entry->lock);
		(void)usleep(1000);
	}
}

/* It is on its way, and waits for what it has to send and is not here. */
static void
target_init(struct target *t, const char *name, struct cache_file *from)
{
	t->from = from;
	t->to = open_file(ROOT, name);
	t->entry = entry_find(cache, get(ROOT, name).node);
	assert_non_null(t->entry);
	assert_int_equal(
	    cache_file_write(t->to, CHANGE, data, MIB, false, NULL), 0);
	(void)upload_post(t->entry);
	target_wait(t, false);
}

static void
target_fini(struct target *t, const char *name)
{
	assert_int_equal(pthread_join(t->thread, NULL), 0);
	assert_int_equal(cache_file_flush(t->to, NULL), 0);
	entry_put(t->entry);
	cache_file_close(t->to);
	fake_read(s3, name, COPIED, data, MIB);
	for (uint64_t i = 0; i < MIB; i++)
		assert_int_equal(data[i], fake_byte(9, i));
}

static void
test_copies_wait_for_uploads(void **state)
{
	static struct target all[COUNT];
	static const char *const names[COUNT] = { "a", "b" };
	struct cache_file *from;

	(void)state;
	close_cache();
	config.memory = 4 * MIB;
	open_cache();
	fake_put(s3, "from", MIB, 9);
	for (int i = 0; i < COUNT; i++)
		fake_put(s3, names[i], 20 * MIB, (unsigned)i);
	list_dir(ROOT);
	from = open_file(ROOT, "from");
	for (uint64_t off = 0; off < MIB; off += 64 * KIB) {
		struct cache_bytes b;

		assert_int_equal(
		    cache_file_read(from, off, 64 * KIB, NULL, &b), 0);
		cache_bytes_put(cache, &b);
	}
	(void)alarm(END_S);
	fake_hold(s3, S3_GET_OBJECT, true);
	for (int i = 0; i < COUNT; i++)
		target_init(&all[i], names[i], from);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(
		    pthread_create(&all[i].thread, NULL, copy, &all[i]), 0);
	for (int i = 0; i < COUNT; i++)
		target_wait(&all[i], true);
	fake_hold(s3, S3_GET_OBJECT, false);
	for (int i = 0; i < COUNT; i++)
		target_fini(&all[i], names[i]);
	cache_file_close(from);
	(void)alarm(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { T(test_copies_wait_for_uploads) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

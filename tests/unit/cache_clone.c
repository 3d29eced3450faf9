/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_clone.c - clones whose source changes while their flush waits, for a
 * thread of the pool, or for a key; or that the cache has no room for.
 *
 * Role:    unit test of cache/clone.c.
 */
#include "tests/unit/cache_names.h"

#include <unistd.h>

#include "cache/entry.h"
#include "cache/keylock.h"
#include "cache/upload.h"

#define COUNT 40 /* more than the pool has threads */
#define END_S 30 /* or else they wait for each other */

/* "text", in S3, open; and a clone of it, open, that nothing was sent of. */
struct pair {
	char source[16];
	char clone[16];
	struct cache_file *from;
	struct cache_file *to;
	struct entry *from_entry;
	struct entry *to_entry;
};

static struct entry *
entry_of(const char *name)
{
	struct entry *e = entry_find(cache, get(ROOT, name).node);

	assert_non_null(e);
	return e;
}

static void
pair_init(struct pair *p)
{
	uint64_t len = 0;

	create_text(ROOT, p->source, "text");
	p->from = open_file(ROOT, p->source);
	p->to = create(ROOT, p->clone, "");
	assert_int_equal(cache_file_copy(&(struct cache_span){ p->from, 0 },
			     &(struct cache_span){ p->to, 0 }, 4, NULL, &len),
	    0);
	assert_int_equal(len, 4);
	p->from_entry = entry_of(p->source);
	p->to_entry = entry_of(p->clone);
	assert_non_null(p->to_entry->base_key);
	assert_int_equal(
	    cache_file_write(p->from, 0, "TEXT", 4, false, NULL), 0);
}

/* Both are in S3, as each was. */
static void
pair_fini(struct pair *p)
{
	assert_int_equal(cache_file_flush(p->from, NULL), 0);
	assert_int_equal(cache_file_flush(p->to, NULL), 0);
	entry_put(p->from_entry);
	entry_put(p->to_entry);
	cache_file_close(p->from);
	cache_file_close(p->to);
	assert_object(p->source, "TEXT");
	assert_object(p->clone, "text");
}

static void
start_flush(struct entry *e)
{
	(void)upload_post(e);
}

/* All threads flush sources; the flushes of their clones are queued. */
static void
test_many(void **state)
{
	static struct pair pairs[COUNT];
	static struct keylock busy[COUNT];

	(void)state;
	list_dir(ROOT);
	for (int i = 0; i < COUNT; i++) {
		(void)snprintf(pairs[i].source, 16, "s%d", i);
		(void)snprintf(pairs[i].clone, 16, "c%d", i);
		pair_init(&pairs[i]);
	}
	(void)alarm(END_S);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(keylock_take(&cache->keylocks, pairs[i].source,
				     NULL, &busy[i]),
		    0);
	for (int i = 0; i < COUNT; i++)
		start_flush(pairs[i].from_entry);
	for (int i = 0; i < COUNT; i++)
		start_flush(pairs[i].to_entry);
	for (int i = 0; i < COUNT; i++)
		keylock_drop(&cache->keylocks, &busy[i]);
	for (int i = 0; i < COUNT; i++)
		pair_fini(&pairs[i]);
	(void)alarm(0);
}

/* As a rename of the clone over its source: it has marked the clone's key
 * busy, which a flush waits for, and waits for the source's. */
static void
test_key(void **state)
{
	struct pair pair = { .source = "b", .clone = "a" };
	struct keylock clone = { 0 }, source = { 0 };

	(void)state;
	list_dir(ROOT);
	pair_init(&pair);
	(void)alarm(END_S);
	assert_int_equal(keylock_take(&cache->keylocks, "a", NULL, &clone), 0);
	start_flush(pair.to_entry);
	assert_int_equal(cache_file_flush(pair.from, NULL), 0);
	assert_int_equal(keylock_take(&cache->keylocks, "b", NULL, &source), 0);
	keylock_drop(&cache->keylocks, &clone);
	keylock_drop(&cache->keylocks, &source);
	pair_fini(&pair);
	(void)alarm(0);
}

/* A COPY that has left is waited for: it needs what is to be replaced. */
static void
test_under_way(void **state)
{
	struct pair pair = { .source = "b", .clone = "a" };

	(void)state;
	list_dir(ROOT);
	pair_init(&pair);
	fake_count_reset(s3);
	fake_hold(s3, S3_COPY_OBJECT, true);
	start_flush(pair.to_entry);
	fake_wait_held(s3, 1);
	start_flush(pair.from_entry);
	assert_int_equal(fake_count(s3, S3_PUT_OBJECT), 0);
	fake_hold(s3, S3_COPY_OBJECT, false);
	pair_fini(&pair);
	assert_int_equal(fake_count(s3, S3_COPY_OBJECT), 1);
	assert_int_equal(fake_count(s3, S3_PUT_OBJECT), 1);
	assert_int_equal(fake_count(s3, S3_GET_OBJECT), 0);
}

#define LARGE   (30 * MIB) /* of which the cache holds a part */
#define CHANGED (20 * MIB)

/* All of S3's object is the byte of seed 1 there, but, if ${changed}, one. */
static void
assert_clone(const char *key, bool changed)
{
	static uint8_t data[MIB];

	assert_int_equal(fake_size(s3, key), LARGE);
	for (uint64_t off = 0; off < LARGE; off += MIB) {
		fake_read(s3, key, off, data, MIB);
		if (changed && off == CHANGED) {
			assert_int_equal(data[0], 'x');
			data[0] = fake_byte(1, off);
		}
		for (uint64_t i = 0; i < MIB; i += 1021)
			assert_int_equal(data[i], fake_byte(1, off + i));
	}
}

/* "a" is changed, and then removed; "b", its clone, is open. */
static void
run_without_room(bool changed)
{
	struct cache_file *from, *to;
	uint64_t len = 0;

	close_cache();
	config.size = 12 * MIB;
	open_cache();
	(void)alarm(2 * END_S);
	fake_put(s3, "a", LARGE, 1);
	list_dir(ROOT);
	from = open_file(ROOT, "a");
	to = create(ROOT, "b", "");
	assert_int_equal(cache_file_copy(&(struct cache_span){ from, 0 },
			     &(struct cache_span){ to, 0 }, LARGE, NULL, &len),
	    0);
	assert_int_equal(len, LARGE);
	if (changed)
		assert_int_equal(
		    cache_file_write(to, CHANGED, "x", 1, false, NULL), 0);
	assert_int_equal(cache_file_write(from, 0, "y", 1, false, NULL), 0);
	assert_int_equal(cache_file_flush(from, NULL), 0);
	cache_file_close(from);
	assert_int_equal(cache_unlink(cache, ROOT, "a", NULL), 0);
	assert_int_equal(cache_file_flush(to, NULL), 0);
	cache_file_close(to);
	assert_false(fake_has(s3, "a"));
	assert_clone("b", changed);
	close_cache(); /* ends the sweep */
	assert_int_equal(fake_objects(s3, ""), 1);
	open_cache();
	(void)alarm(0);
}

static void
test_without_room(void **state)
{
	(void)state;
	run_without_room(false);
}

static void
test_changed_without_room(void **state)
{
	(void)state;
	run_without_room(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_many),
		T(test_key),
		T(test_under_way),
		T(test_without_room),
		T(test_changed_without_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

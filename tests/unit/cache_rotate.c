/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_rotate.c - logs are rotated while all threads that send bytes are busy:
 * each has its end.
 *
 * Role:    unit test of cache/tasks.c, and of who waits for whom in
 *          cache/owed.c and cache/claim.c.
 */
#include "tests/unit/names_later.h"

#include <pthread.h>
#include <unistd.h>

#include "cache/entry.h"
#include "cache/owed.h"
#include "cache/upload.h"
#include "s3/base/wait.h"

#define LOGS  20   /* two flushes each wait for a rename: more than threads */
#define BUSY  32   /* as many as threads */
#define ENDED 3000 /* times 10 ms: it takes that long at most */

/* The ${i}th name; good until the next but one. */
static const char *
name(const char *format, int i)
{
	static char names[2][32];
	static int at;

	at = !at;
	(void)snprintf(names[at], sizeof(names[at]), "%s%d", format, i);
	return names[at];
}

/* What fsync does. */
static void
want(const char *file)
{
	struct entry *e = entry_find(cache, get(ROOT, file).node);

	assert_non_null(e);
	(void)upload_post(e);
	entry_put(e);
}

static void *
wait_for_names(void *arg)
{
	struct waiter w;
	uint64_t left;

	waiter_init(&w);
	*(int *)arg = owed_wait(cache, 0, &w, &left);
	waiter_fini(&w);
	return NULL;
}

static size_t
count_moved(void)
{
	size_t count = 0;

	for (int i = 0; i < LOGS; i++)
		count += fake_has(s3, name("old-log", i)) ? 1 : 0;
	return count;
}

static void
test_rotated(void **state)
{
	struct cache_file *old[LOGS], *new[LOGS], *busy[BUSY];
	pthread_t thread;
	int r = -1;

	(void)state;
	for (int i = 0; i < LOGS; i++)
		create_text(ROOT, name("log", i), "old");
	drain();
	for (int i = 0; i < LOGS; i++) {
		old[i] = open_file(ROOT, name("log", i));
		assert_int_equal(
		    cache_file_write(old[i], 3, "more", 4, false, NULL), 0);
		assert_int_equal(cache_rename(cache, &AT(ROOT, name("log", i)),
				     &AT(ROOT, name("old-log", i)), 0, NULL),
		    0);
		tick();
		new[i] = create(ROOT, name("log", i), "new");
	}
	fake_hold(s3, S3_PUT_OBJECT, true);
	for (int i = 0; i < BUSY; i++) {
		busy[i] = create(ROOT, name("busy", i), "x");
		want(name("busy", i));
	}
	fake_wait_held(s3, BUSY);
	for (int i = 0; i < LOGS; i++) {
		want(name("old-log", i));
		want(name("log", i));
	}
	/* Posted after all that waits for them. */
	assert_int_equal(pthread_create(&thread, NULL, wait_for_names, &r), 0);
	(void)usleep(200000);
	fake_hold(s3, S3_PUT_OBJECT, false);
	for (int i = 0; i < ENDED && count_moved() < LOGS; i++)
		(void)usleep(10000);
	assert_int_equal(count_moved(), LOGS);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r, 0);
	for (int i = 0; i < LOGS; i++) {
		cache_file_close(old[i]);
		cache_file_close(new[i]);
	}
	for (int i = 0; i < BUSY; i++)
		cache_file_close(busy[i]);
	drain();
	for (int i = 0; i < LOGS; i++) {
		assert_object(name("old-log", i), "oldmore");
		assert_object(name("log", i), "new");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_rotated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

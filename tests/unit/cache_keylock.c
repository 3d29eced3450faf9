/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_keylock.c - marks on keys: one owner, in the order of asking.
 *
 * Role:    unit test of cache/keylock.c; run it under TSan, too.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/keylock.h"
#include "cache/keywatch.h"
#include "s3/base/wait.h"

#define TAKERS  8
#define THREADS 8
#define ROUNDS  2000
#define KEYS    3
#define RACES   1000

static struct keylocks locks;

/* One who wants a mark, in a thread of its own. */
struct taker {
	pthread_t thread;
	struct waiter waiter;
	const char *key;
	struct keylock mark;
	int result;
	int turn; /* when it had the mark */
};

static int turns; /* guarded by the mark: TSan looks */

static int
set_up(void **state)
{
	(void)state;
	keylocks_init(&locks);
	turns = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	assert_true(list_is_empty(&locks.busy));
	keylocks_fini(&locks);
	return 0;
}

static void
nap(void)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	(void)nanosleep(&ms, NULL);
}

static void *
taker_main(void *arg)
{
	struct taker *t = arg;

	t->result = keylock_take(&locks, t->key, &t->waiter, &t->mark);
	if (t->result == 0) {
		t->turn = ++turns;
		keylock_drop(&locks, &t->mark);
	}
	return NULL;
}

/* How many wait for ${k}. */
static size_t
waiting(const struct keylock *k)
{
	size_t count = 0;

	lock_take(&locks.lock);
	for (struct list *l = k->waiters.next; l != &k->waiters; l = l->next)
		count++;
	lock_drop(&locks.lock);
	return count;
}

static void
await(const struct keylock *k, size_t count)
{
	for (int i = 0; i < 10000 && waiting(k) != count; i++)
		nap();
	assert_int_equal(waiting(k), count);
}

/* Let ${count} takers wait for ${k}, one after the other. */
static void
start(struct taker *takers, size_t count, const struct keylock *k)
{
	for (size_t i = 0; i < count; i++) {
		takers[i] = (struct taker){ .key = k->key };
		waiter_init(&takers[i].waiter);
		assert_int_equal(pthread_create(&takers[i].thread, NULL,
				     taker_main, &takers[i]),
		    0);
		await(k, i + 1);
	}
}

static void
join(struct taker *takers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(pthread_join(takers[i].thread, NULL), 0);
		waiter_fini(&takers[i].waiter);
	}
}

static void
assert_zero(const struct keylock *k)
{
	assert_false(k->is_held);
	assert_null(k->key);
	assert_null(k->link.next);
}

static void
test_alone(void **state)
{
	struct keylock a, b;

	(void)state;
	assert_int_equal(keylock_take(&locks, "a", NULL, &a), 0);
	assert_true(a.is_held);
	/* Another key is another matter. */
	assert_int_equal(keylock_take(&locks, "a/", NULL, &b), 0);
	keylock_drop(&locks, &a);
	assert_zero(&a);
	keylock_drop(&locks, &a);
	assert_int_equal(keylock_take(&locks, "a", NULL, &a), 0);
	keylock_drop(&locks, &a);
	keylock_drop(&locks, &b);
}

static void
test_order(void **state)
{
	struct taker takers[TAKERS];
	struct keylock mark;
	char key[] = "key";

	(void)state;
	/* The key is copied. */
	assert_int_equal(keylock_take(&locks, key, NULL, &mark), 0);
	key[0] = 'x';
	start(takers, TAKERS, &mark);
	assert_int_equal(turns, 0);
	keylock_drop(&locks, &mark);
	join(takers, TAKERS);
	for (int i = 0; i < TAKERS; i++) {
		assert_int_equal(takers[i].result, 0);
		assert_int_equal(takers[i].turn, i + 1);
		assert_zero(&takers[i].mark);
	}
}

/* Who drops a mark and wants it again goes to the end of the line. */
static void
test_no_overtaking(void **state)
{
	struct taker takers[2];
	struct keylock mark;

	(void)state;
	assert_int_equal(keylock_take(&locks, "key", NULL, &mark), 0);
	start(takers, 2, &mark);
	keylock_drop(&locks, &mark);
	assert_int_equal(keylock_take(&locks, "key", NULL, &mark), 0);
	assert_int_equal(turns, 2);
	keylock_drop(&locks, &mark);
	join(takers, 2);
}

static void
test_interrupt(void **state)
{
	struct taker takers[3];
	struct keylock mark;

	(void)state;
	assert_int_equal(keylock_take(&locks, "key", NULL, &mark), 0);
	start(takers, 3, &mark);
	waiter_interrupt(&takers[1].waiter);
	await(&mark, 2);
	/* A wake that means nothing changes nothing. */
	waiter_wake(&takers[0].waiter);
	nap();
	assert_int_equal(waiting(&mark), 2);
	keylock_drop(&locks, &mark);
	join(takers, 3);
	assert_int_equal(takers[0].turn, 1);
	assert_int_equal(takers[1].result, -EINTR);
	assert_zero(&takers[1].mark);
	assert_int_equal(takers[2].turn, 2);
}

/* The mark and an interrupt at the same time: either, and no mark is lost. */
static void
test_race(void **state)
{
	struct taker taker;
	struct keylock mark;
	int taken = 0;

	(void)state;
	for (int i = 0; i < RACES; i++) {
		assert_int_equal(keylock_take(&locks, "key", NULL, &mark), 0);
		start(&taker, 1, &mark);
		waiter_interrupt(&taker.waiter);
		for (volatile int spin = 0; spin < i % 500 * 100; spin++)
			;
		keylock_drop(&locks, &mark);
		join(&taker, 1);
		if (taker.result == 0)
			taken++;
		else
			assert_int_equal(taker.result, -EINTR);
		assert_zero(&taker.mark);
		assert_true(list_is_empty(&locks.busy));
	}
	assert_int_equal(taken, turns);
}

/* That a request is sent is told of the owner's key, until it drops it. */
static void
test_sending(void **state)
{
	struct keylock mark, other;

	(void)state;
	keylock_set_sending(&locks, "key", true); /* not busy: nothing */
	assert_false(keylock_is_sending(&locks, "key"));
	assert_int_equal(keylock_take(&locks, "key", NULL, &mark), 0);
	assert_int_equal(keylock_take(&locks, "other", NULL, &other), 0);
	assert_false(keylock_is_sending(&locks, "key"));
	keylock_set_sending(&locks, "key", true);
	assert_true(keylock_is_sending(&locks, "key"));
	assert_false(keylock_is_sending(&locks, "other"));
	keylock_set_sending(&locks, "key", false);
	assert_false(keylock_is_sending(&locks, "key"));
	keylock_set_sending(&locks, "key", true);
	keylock_drop(&locks, &mark);
	assert_false(keylock_is_sending(&locks, "key"));
	assert_int_equal(keylock_take(&locks, "key", NULL, &mark), 0);
	assert_false(keylock_is_sending(&locks, "key"));
	keylock_drop(&locks, &mark);
	keylock_drop(&locks, &other);
}

/* An interrupt before counts if there is something to wait for. */
static void
test_interrupted_before(void **state)
{
	struct keylock mark, other;
	struct waiter w;

	(void)state;
	waiter_init(&w);
	waiter_interrupt(&w);
	assert_int_equal(keylock_take(&locks, "key", &w, &mark), 0);
	assert_int_equal(keylock_take(&locks, "key", &w, &other), -EINTR);
	assert_zero(&other);
	/* Of two, the one that was free is given back. */
	keylock_drop(&locks, &mark);
	assert_int_equal(keylock_take(&locks, "key", &w, &mark), 0);
	for (int i = 0; i < 2; i++) {
		struct keylock a, b;
		const char *free_key = i == 0 ? "a" : "z";

		assert_int_equal(
		    keylock_take_two(&locks, free_key, "key", &w, &a, &b),
		    -EINTR);
		assert_zero(&a);
		assert_zero(&b);
		assert_int_equal(
		    keylock_take(&locks, free_key, NULL, &other), 0);
		keylock_drop(&locks, &other);
	}
	keylock_drop(&locks, &mark);
	waiter_fini(&w);
}

static void
test_two(void **state)
{
	struct keylock a, b;

	(void)state;
	assert_int_equal(keylock_take_two(&locks, "x", "y", NULL, &a, &b), 0);
	assert_string_equal(a.key, "x");
	assert_string_equal(b.key, "y");
	keylock_drop(&locks, &a);
	keylock_drop(&locks, &b);
	assert_int_equal(keylock_take_two(&locks, "y", "x", NULL, &a, &b), 0);
	assert_string_equal(a.key, "y");
	assert_string_equal(b.key, "x");
	keylock_drop(&locks, &a);
	keylock_drop(&locks, &b);
	assert_int_equal(keylock_take_two(&locks, "x", "x", NULL, &a, &b), 0);
	assert_true(a.is_held);
	assert_zero(&b);
	keylock_drop(&locks, &a);
	keylock_drop(&locks, &b);
}

/* Threads that take one or two of few keys, each in its own order. */
struct crowd {
	atomic_int failed;
	atomic_int interrupted;
	unsigned plain[KEYS]; /* guarded by the mark: TSan looks */
	unsigned inside[KEYS];
	struct waiter waiters[THREADS];
};

struct one {
	struct crowd *crowd;
	unsigned number;
	unsigned done[KEYS]; /* marks it had */
};

static void
visit(struct one *o, const struct keylock *mark)
{
	unsigned k;

	if (!mark->is_held)
		return;
	k = (unsigned)(mark->key[0] - 'a');
	if (o->crowd->inside[k]++ != 0)
		atomic_fetch_add(&o->crowd->failed, 1);
	o->crowd->plain[k]++;
	o->done[k]++;
	o->crowd->inside[k]--;
}

static void *
crowd_main(void *arg)
{
	static const char keys[KEYS][2] = { "a", "b", "c" };
	struct one *o = arg;
	struct waiter *w = &o->crowd->waiters[o->number];
	unsigned seed = o->number + 1;

	for (int i = 0; i < ROUNDS; i++) {
		struct keylock a = { 0 }, b = { 0 };
		const char *first = keys[rand_r(&seed) % KEYS];
		const char *second = keys[rand_r(&seed) % KEYS];
		int r;

		if (i % 4 == 0)
			r = keylock_take(&locks, first, w, &a);
		else
			r = keylock_take_two(&locks, first, second, w, &a, &b);
		if (r == -EINTR)
			atomic_fetch_add(&o->crowd->interrupted, 1);
		else if (r < 0)
			atomic_fetch_add(&o->crowd->failed, 1);
		visit(o, &a);
		visit(o, &b);
		keylock_drop(&locks, &b);
		keylock_drop(&locks, &a);
	}
	return NULL;
}

static void
test_crowd(void **state)
{
	struct crowd crowd = { 0 };
	struct one ones[THREADS] = { 0 };
	pthread_t threads[THREADS];
	struct keylock mark;
	unsigned sums[KEYS] = { 0 };

	(void)state;
	assert_int_equal(keylock_take(&locks, "a", NULL, &mark), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		waiter_init(&crowd.waiters[i]);
		ones[i] = (struct one){ .crowd = &crowd, .number = i };
		assert_int_equal(
		    pthread_create(&threads[i], NULL, crowd_main, &ones[i]), 0);
	}
	/* Half of them are interrupted on their way. */
	for (unsigned i = 0; i < THREADS; i += 2)
		waiter_interrupt(&crowd.waiters[i]);
	for (int i = 0; i < 10000 && atomic_load(&crowd.interrupted) == 0; i++)
		nap();
	keylock_drop(&locks, &mark);
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		waiter_fini(&crowd.waiters[i]);
		for (unsigned k = 0; k < KEYS; k++)
			sums[k] += ones[i].done[k];
	}
	assert_int_equal(atomic_load(&crowd.failed), 0);
	assert_true(atomic_load(&crowd.interrupted) > 0);
	assert_memory_equal(sums, crowd.plain, sizeof(sums));
}

/* ---- watches ---- */

static bool
has_key(char **keys, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static void
free_keys(char **keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(keys[i]);
	free(keys);
}

static void
mark_once(const char *key)
{
	struct keylock k;

	assert_int_equal(keylock_take(&locks, key, NULL, &k), 0);
	keylock_drop(&locks, &k);
}

/* What is busy below the prefix, and what comes to be; each key once, however
 * often, as far as that takes no memory. */
static void
test_watch(void **state)
{
	struct keywatch watch;
	struct keylock early;
	char key[16];
	char **keys;
	size_t count;

	(void)state;
	assert_int_equal(keylock_take(&locks, "d/early", NULL, &early), 0);
	mark_once("d/over");
	keywatch_init(&watch, "d/", "g/");
	assert_false(keylock_is_ours(&locks, "g/new"));
	keylock_watch(&locks, &watch);
	assert_true(keylock_is_any_ours(&locks));
	assert_true(keylock_is_ours(&locks, "g/new"));
	assert_false(keylock_is_ours(&locks, "ga"));
	mark_once("d/");
	mark_once("da");
	for (int i = 0; i < 1000; i++)
		mark_once("d/often");
	assert_int_equal(keylock_watched(&locks, &watch, &keys, &count), 0);
	assert_true(has_key(keys, count, "d/early"));
	assert_true(has_key(keys, count, "d/often"));
	assert_false(has_key(keys, count, "d/over"));
	assert_false(has_key(keys, count, "d/"));
	assert_false(has_key(keys, count, "da"));
	assert_true(count < 50);
	free_keys(keys, count);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(key, sizeof(key), "d/%d", i);
		mark_once(key);
	}
	assert_int_equal(keylock_watched(&locks, &watch, &keys, &count), 0);
	assert_int_equal(count, 100);
	free_keys(keys, count);
	keylock_unwatch(&locks, &watch);
	mark_once("d/after");
	assert_false(keylock_is_any_ours(&locks));
	assert_int_equal(watch.count, 0);
	keywatch_fini(&watch);
	keylock_drop(&locks, &early);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_no_overtaking, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_interrupt, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_race, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_interrupted_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_sending, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_two, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_crowd, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_watch, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

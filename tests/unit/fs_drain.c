/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_drain.c - what is owed to S3 is sent, and how far that is can be seen.
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "fs/drain.h"
#include "s3/base/log.h"
#include "tests/unit/fake_cache.h"

struct fixture {
	struct cache *cache;
	struct drain *drain;
	unsigned told;
	struct drain_state state; /* what was told last */
	int signal;               /* sent when it is told; 0: let it end */
};

static int
set_up(void **state)
{
	static const int signals[] = { SIGINT, SIGQUIT, SIGTERM };
	struct fixture *f = calloc(1, sizeof(*f));
	sigset_t set;

	assert_non_null(f);
	f->cache = calloc(1, sizeof(*f->cache));
	assert_non_null(f->cache);
	lock_init(&f->cache->lock);
	(void)sigemptyset(&set);
	for (int i = 0; i < 3; i++)
		(void)sigaddset(&set, signals[i]);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	log_set_level(LOG_LEVEL_ERROR);
	*state = f;
	return drain_new(f->cache, &f->drain);
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	drain_free(f->drain);
	lock_fini(&f->cache->lock);
	free(f->cache);
	free(f);
	return 0;
}

static void
on_told(void *arg, const struct drain_state *told)
{
	struct fixture *f = arg;

	f->told++;
	f->state = *told;
	if (f->signal != 0)
		(void)kill(getpid(), f->signal);
	else
		f->cache->drain_hangs = false;
}

static void
test_nothing_is_owed(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(drain_finish(f->drain, on_told, f), 0);
	assert_int_equal(f->told, 0);
	assert_int_equal(f->cache->drains, 1);
}

static void
test_progress(void **state)
{
	struct fixture *f = *state;

	f->cache->drain_hangs = true;
	assert_int_equal(drain_finish(f->drain, on_told, f), 0);
	assert_int_equal(f->told, 1);
	assert_true(f->state.is_running);
	assert_int_equal(f->state.files, 2);
	assert_int_equal(f->state.bytes, 4096);
	assert_int_equal(f->state.attrs, 1);
}

static void
test_what_is_left(void **state)
{
	struct fixture *f = *state;
	struct drain_state left;

	f->cache->drain_result = -EIO;
	assert_int_equal(drain_finish(f->drain, on_told, f), -EIO);
	drain_look(f->drain, &left);
	assert_false(left.is_running);
	assert_int_equal(left.left, 3);
}

/* Who is asked twice to end, by hand, does. */
static void
test_interrupt(void **state)
{
	struct fixture *f = *state;

	f->cache->drain_hangs = true;
	f->signal = SIGINT;
	assert_int_equal(drain_finish(f->drain, on_told, f), -EINTR);
	assert_int_equal(f->told, 1);
}

/* By a manager, which does it as a matter of course, it goes on. */
static void
test_a_second_sigterm(void **state)
{
	struct fixture *f = *state;

	f->cache->drain_hangs = true;
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	assert_int_equal(drain_finish(f->drain, on_told, f), 0);
	assert_int_equal(f->told, 1);
}

static void
wait_until_idle(struct drain *d)
{
	const struct timespec pause = { 0, 1000000 };
	struct drain_state state;

	for (int i = 0; i < 10000; i++) {
		drain_look(d, &state);
		if (!state.is_running)
			return;
		(void)nanosleep(&pause, NULL);
	}
	fail();
}

/* While mounted: looked at, never waited for; again, when it has ended. */
static void
test_looks(void **state)
{
	struct fixture *f = *state;
	struct drain_state st;

	f->cache->drain_hangs = true;
	assert_int_equal(drain_start(f->drain), 0);
	assert_int_equal(drain_start(f->drain), 0);
	drain_look(f->drain, &st);
	assert_true(st.is_running);
	f->cache->drain_hangs = false;
	wait_until_idle(f->drain);
	assert_int_equal(f->cache->drains, 1);
	assert_int_equal(drain_start(f->drain), 0);
	wait_until_idle(f->drain);
	assert_int_equal(f->cache->drains, 2);
}

/* One that began before the last change is not enough. */
static void
test_the_last_one_is_its_own(void **state)
{
	struct fixture *f = *state;

	f->cache->drain_hangs = true;
	assert_int_equal(drain_start(f->drain), 0);
	assert_int_equal(drain_finish(f->drain, on_told, f), 0);
	assert_int_equal(f->cache->drains, 2);
}

/* One that hangs does not keep it from being freed. */
static void
test_freed_while_it_hangs(void **state)
{
	struct fixture *f = *state;

	f->cache->drain_hangs = true;
	assert_int_equal(drain_start(f->drain), 0);
	drain_free(f->drain);
	f->drain = NULL;
	assert_int_equal(f->cache->waiting, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_owed),
		TEST(test_progress),
		TEST(test_what_is_left),
		TEST(test_interrupt),
		TEST(test_a_second_sigterm),
		TEST(test_looks),
		TEST(test_the_last_one_is_its_own),
		TEST(test_freed_while_it_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

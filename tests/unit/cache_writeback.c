/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_writeback.c - the pool of threads: no task waits for another as long as
 * there may be more threads.
 *
 * Role:    unit test of cache/writeback.c.
 */
#include "tests/unit/cache_names.h"

#include <semaphore.h>
#include <unistd.h>

#include "cache/writeback.h"

#define ROUNDS 300
#define END_S  30 /* or else the first waits for the second */

struct step {
	struct task task;
	sem_t *wait; /* NULL: for nothing */
	sem_t *post;
};

static void
run_step(struct task *task)
{
	struct step *step = (struct step *)(void *)task;

	if (step->wait != NULL)
		assert_int_equal(sem_wait(step->wait), 0);
	assert_int_equal(sem_post(step->post), 0);
}

/* Two at a time, of which the first needs the second; a thread that is idle
 * from the round before takes one. */
static void
test_two(void **state)
{
	sem_t second, over;

	(void)state;
	assert_int_equal(sem_init(&second, 0, 0), 0);
	assert_int_equal(sem_init(&over, 0, 0), 0);
	(void)alarm(END_S);
	for (int i = 0; i < ROUNDS; i++) {
		struct step a = {
			.task.run = run_step, .wait = &second, .post = &over
		};
		struct step b = { .task.run = run_step, .post = &second };

		if (i % 10 == 0) { /* with few threads */
			close_cache();
			open_cache();
			writeback_post(cache->writeback, &b.task);
			assert_int_equal(sem_wait(&second), 0);
		}
		writeback_post(cache->writeback, &a.task);
		writeback_post(cache->writeback, &b.task);
		assert_int_equal(sem_wait(&over), 0);
	}
	(void)alarm(0);
	(void)sem_destroy(&second);
	(void)sem_destroy(&over);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

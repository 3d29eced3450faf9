/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_pager.c - tests of pages asked for ahead.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cache/pager.h"
#include "s3/base/wait.h"
#include "tests/unit/fake_s3.h"

#define KEYS 25
#define PAGE 10 /* so that there are three */

static struct s3 *s3;
static struct pager *pager;

static int
set_up(void **state)
{
	char key[16];

	(void)state;
	s3 = fake_open(NULL);
	s3->page_size = PAGE;
	for (int i = 0; i < KEYS; i++) {
		(void)snprintf(key, sizeof(key), "k%02d", i);
		fake_put(s3, key, 1, 1);
	}
	assert_int_equal(pager_new(s3, "k", false, NULL, &pager), 0);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	pager_free(pager);
	fake_close(s3);
	return 0;
}

static uint64_t
in_flight(void)
{
	struct s3_stats stats;

	s3_get_stats(s3, &stats);
	return stats.in_flight;
}

/* Read all that is left: the keys in order, each once, from ${first} on. */
static void
read_on(int first)
{
	const struct s3_page *page = NULL;
	int64_t sent_ms;
	char key[16];

	for (;;) {
		assert_int_equal(pager_next(pager, NULL, &page, &sent_ms), 0);
		if (page == NULL)
			break;
		for (size_t i = 0; i < page->count; i++) {
			(void)snprintf(key, sizeof(key), "k%02d", first++);
			assert_string_equal(page->entries[i].key, key);
		}
	}
	assert_int_equal(first, KEYS);
}

/* The next page is asked for before this one has ended, and none but these. */
static void
test_ahead(void **state)
{
	(void)state;
	read_on(0);
	assert_int_equal(fake_count(s3, S3_LIST_OBJECTS), 3);
	assert_int_equal(s3->most_in_flight, 2);
}

/* What was asked for by a token that the whole page does not have is not taken
 * for the next one. */
static void
test_another_token(void **state)
{
	(void)state;
	s3->wrong_more = "k21";
	read_on(0);
	assert_int_equal(fake_count(s3, S3_LIST_OBJECTS), 3 + 2);
}

/* For one who does not wait, one page is on its way, and no more. */
static void
test_interrupted(void **state)
{
	const struct s3_page *page;
	struct waiter w;
	int64_t sent_ms;

	(void)state;
	waiter_init(&w);
	waiter_interrupt(&w);
	fake_hold(s3, S3_LIST_OBJECTS, true);
	assert_int_equal(pager_next(pager, &w, &page, &sent_ms), -EINTR);
	fake_hold(s3, S3_LIST_OBJECTS, false);
	while (in_flight() > 0)
		(void)usleep(1000);
	assert_int_equal(fake_count(s3, S3_LIST_OBJECTS), 1);
	read_on(0);
	assert_int_equal(fake_count(s3, S3_LIST_OBJECTS), 3);
	waiter_fini(&w);
}

/* ... and is ended when nobody wants it any more. */
static void
test_left(void **state)
{
	const struct s3_page *page;
	int64_t sent_ms;

	(void)state;
	assert_int_equal(pager_next(pager, NULL, &page, &sent_ms), 0);
	fake_hold(s3, S3_LIST_OBJECTS, true);
	pager_free(pager);
	pager = NULL;
	assert_int_equal(in_flight(), 0);
}

static void
test_a_page_fails(void **state)
{
	const struct s3_page *page;
	int64_t sent_ms;

	(void)state;
	fake_fail(s3, S3_LIST_OBJECTS, -EACCES, 1);
	assert_int_equal(pager_next(pager, NULL, &page, &sent_ms), -EACCES);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_ahead),
		T(test_another_token),
		T(test_interrupted),
		T(test_left),
		T(test_a_page_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

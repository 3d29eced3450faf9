/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base_list.c - tests of s3/base/list.h.
 */
#include "tests/unit/unit.h"

#include "s3/base/list.h"

struct item {
	int before;
	struct list link;
	int number;
};

static int
pop_number(struct list *head)
{
	struct list *l = list_pop(head);

	return l != NULL ? LIST_ENTRY(l, struct item, link)->number : -1;
}

static void
test_order(void **state)
{
	struct item items[4] = { { .number = 0 } };
	struct list head;

	(void)state;
	list_init(&head);
	assert_true(list_is_empty(&head));
	assert_null(list_pop(&head));
	for (int i = 0; i < 4; i++) {
		items[i].number = i;
		list_init(&items[i].link);
		list_append(&head, &items[i].link);
	}
	list_remove(&items[1].link);
	list_remove(&items[1].link); /* a second time is nothing */
	assert_true(list_is_empty(&items[1].link));
	list_append(&head, &items[1].link);
	assert_int_equal(pop_number(&head), 0);
	assert_int_equal(pop_number(&head), 2);
	assert_int_equal(pop_number(&head), 3);
	assert_int_equal(pop_number(&head), 1);
	assert_int_equal(pop_number(&head), -1);
	assert_true(list_is_empty(&head));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answered.c - what was asked of S3 for one step of a system call is not asked
 * again for the next.
 */
#include <string.h>

#include "cache/answered.h"

void
answered_init(struct answered *a)
{
	memset(a, 0, sizeof(*a));
	lock_init(&a->lock);
}

void
answered_fini(struct answered *a)
{
	lock_fini(&a->lock);
}

void
answered_note(struct answered *a, uint64_t node, int64_t now_ms)
{
	lock_take(&a->lock);
	a->slots[node % ANSWERED_SLOTS].node = node;
	a->slots[node % ANSWERED_SLOTS].at_ms = now_ms;
	lock_drop(&a->lock);
}

void
answered_forget(struct answered *a, uint64_t node)
{
	lock_take(&a->lock);
	if (a->slots[node % ANSWERED_SLOTS].node == node)
		a->slots[node % ANSWERED_SLOTS].node = 0;
	lock_drop(&a->lock);
}

bool
answered_is_new(struct answered *a, uint64_t node, int64_t now_ms)
{
	bool is_new = false;

	lock_take(&a->lock);
	if (a->slots[node % ANSWERED_SLOTS].node == node)
		is_new = now_ms - a->slots[node % ANSWERED_SLOTS].at_ms <
			 ANSWERED_MS;
	lock_drop(&a->lock);
	return is_new;
}

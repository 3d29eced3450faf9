/* SPDX-License-Identifier: Apache-2.0 */
/*
 * space.c - how much of the disk is used.
 */
#include "cache/space.h"

/* Subtract, but stop at 0: after a crash the sum may be a little off. */
static void
take_away(_Atomic uint64_t *from, uint64_t len)
{
	uint64_t old = atomic_load(from);

	while (!atomic_compare_exchange_weak(
	    from, &old, old > len ? old - len : 0))
		continue;
}

void
space_release(struct space *s, uint64_t len)
{
	take_away(&s->reserved, len);
}

void
space_filled(struct space *s, uint64_t len)
{
	take_away(&s->reserved, len);
	atomic_fetch_add(&s->present, len);
}

void
space_freed(struct space *s, uint64_t len)
{
	take_away(&s->present, len);
}

void
space_changed(struct space *s, uint64_t before, uint64_t after)
{
	if (after > before)
		atomic_fetch_add(&s->present, after - before);
	else
		take_away(&s->present, before - after);
}

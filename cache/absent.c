/* SPDX-License-Identifier: Apache-2.0 */
/*
 * absent.c - names that were looked for and are not there.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/absent.h"

/* Of two names that share a slot the later one is kept. */
#define SLOTS 4096

struct absent_slot {
	char *name; /* owned; NULL: free */
	uint64_t dir;
	int64_t asked_ms;
};

void
absent_init(struct absent *a)
{
	lock_init(&a->lock);
	a->slots = NULL;
}

void
absent_fini(struct absent *a)
{
	for (size_t i = 0; a->slots != NULL && i < SLOTS; i++)
		free(a->slots[i].name);
	free(a->slots);
	lock_fini(&a->lock);
}

void
absent_clear(struct absent *a)
{
	lock_take(&a->lock);
	for (size_t i = 0; a->slots != NULL && i < SLOTS; i++) {
		free(a->slots[i].name);
		a->slots[i].name = NULL;
	}
	lock_drop(&a->lock);
}

/* The slot of ${name}, which may hold another; FNV-1a. */
static struct absent_slot *
slot_of(struct absent *a, uint64_t dir, const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ dir;

	for (const char *s = name; *s != '\0'; s++)
		hash = (hash ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	return &a->slots[hash % SLOTS];
}

static bool
holds(const struct absent_slot *s, uint64_t dir, const char *name)
{
	return s->name != NULL && s->dir == dir && strcmp(s->name, name) == 0;
}

static void
note_locked(struct absent *a, uint64_t dir, const char *name, int64_t asked_ms)
{
	struct absent_slot *s;
	char *copy;

	if (a->slots == NULL)
		a->slots = calloc(SLOTS, sizeof(*a->slots));
	if (a->slots == NULL)
		return; /* it is asked again */
	s = slot_of(a, dir, name);
	if (holds(s, dir, name)) {
		if (s->asked_ms < asked_ms)
			s->asked_ms = asked_ms;
		return;
	}
	copy = strdup(name);
	if (copy == NULL)
		return;
	free(s->name);
	*s = (struct absent_slot){
		.name = copy, .dir = dir, .asked_ms = asked_ms
	};
}

void
absent_note(struct absent *a, uint64_t dir, const char *name, int64_t asked_ms)
{
	lock_take(&a->lock);
	note_locked(a, dir, name, asked_ms);
	lock_drop(&a->lock);
}

int64_t
absent_asked_ms(struct absent *a, uint64_t dir, const char *name)
{
	int64_t ms = 0;

	lock_take(&a->lock);
	if (a->slots != NULL) {
		const struct absent_slot *s = slot_of(a, dir, name);

		ms = holds(s, dir, name) ? s->asked_ms : 0;
	}
	lock_drop(&a->lock);
	return ms;
}

bool
absent_drop(struct absent *a, uint64_t dir, const char *name)
{
	bool was = false;

	lock_take(&a->lock);
	if (a->slots != NULL) {
		struct absent_slot *s = slot_of(a, dir, name);

		was = holds(s, dir, name);
		if (was) {
			free(s->name);
			s->name = NULL;
		}
	}
	lock_drop(&a->lock);
	return was;
}

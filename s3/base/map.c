/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.c - 64-bit numbers to 64-bit values, in 16 bytes a slot.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "s3/base/map.h"

#define SMALLEST 16

void
map_init(struct map *m)
{
	m->slots = NULL;
	m->size = 0;
	m->count = 0;
}

void
map_fini(struct map *m)
{
	free(m->slots);
	map_init(m);
}

/* The finalizer of MurmurHash3: neighbouring numbers land far apart. */
static size_t
home_of(const struct map *m, uint64_t key)
{
	key ^= key >> 33;
	key *= UINT64_C(0xff51afd7ed558ccd);
	key ^= key >> 33;
	key *= UINT64_C(0xc4ceb9fe1a85ec53);
	key ^= key >> 33;
	return (size_t)key & (m->size - 1);
}

/* The slot that holds ${key}, or the free one where it belongs. */
static struct map_slot *
slot_of(const struct map *m, uint64_t key)
{
	size_t i = home_of(m, key);

	while (m->slots[i].key != 0 && m->slots[i].key != key)
		i = (i + 1) & (m->size - 1);
	return &m->slots[i];
}

uint64_t *
map_find(const struct map *m, uint64_t key)
{
	struct map_slot *s;

	assert(key != 0);
	if (m->size == 0)
		return NULL;
	s = slot_of(m, key);
	return s->key == key ? &s->value : NULL;
}

bool
map_get(const struct map *m, uint64_t key, uint64_t *ret)
{
	const uint64_t *v = map_find(m, key);

	if (v == NULL)
		return false;
	*ret = *v;
	return true;
}

static int
resize(struct map *m, size_t size)
{
	struct map next = { NULL, size, m->count };

	next.slots = calloc(size, sizeof(*next.slots));
	if (next.slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < m->size; i++) {
		if (m->slots[i].key != 0)
			*slot_of(&next, m->slots[i].key) = m->slots[i];
	}
	free(m->slots);
	*m = next;
	return 0;
}

int
map_set(struct map *m, uint64_t key, uint64_t value)
{
	uint64_t *found = map_find(m, key);
	struct map_slot *s;
	int r;

	if (found != NULL) {
		*found = value;
		return 0;
	}
	if (m->count + 1 > m->size - m->size / 8) {
		r = resize(m, m->size == 0 ? SMALLEST : m->size * 2);
		if (r < 0)
			return r;
	}
	s = slot_of(m, key);
	s->key = key;
	s->value = value;
	m->count++;
	return 0;
}

bool
map_remove(struct map *m, uint64_t key)
{
	struct map_slot *s;
	size_t hole, i;

	if (map_find(m, key) == NULL)
		return false;
	s = slot_of(m, key);
	hole = (size_t)(s - m->slots);
	/* Move back each follower that may stand in the hole. */
	for (i = (hole + 1) & (m->size - 1); m->slots[i].key != 0;
	     i = (i + 1) & (m->size - 1)) {
		size_t home = home_of(m, m->slots[i].key);

		if (((i - home) & (m->size - 1)) >=
		    ((i - hole) & (m->size - 1))) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole].key = 0;
	m->count--;
	if (m->size > SMALLEST && m->count < m->size / 8)
		(void)resize(m, m->size / 2); /* still right if it fails */
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inode.c - what the kernel knows: nodes and their lookup counts.
 */
#include "fs/inode.h"

void
inodes_init(struct inodes *t)
{
	lock_init(&t->lock);
	map_init(&t->counts);
}

void
inodes_fini(struct inodes *t)
{
	map_fini(&t->counts);
	lock_fini(&t->lock);
}

int
inodes_add(struct inodes *t, uint64_t node)
{
	uint64_t *count;
	int r = 0;

	lock_take(&t->lock);
	count = map_find(&t->counts, node);
	if (count != NULL)
		(*count)++;
	else
		r = map_set(&t->counts, node, 1);
	lock_drop(&t->lock);
	return r;
}

bool
inodes_forget(struct inodes *t, uint64_t node, uint64_t count)
{
	uint64_t *have;
	bool last = false;

	lock_take(&t->lock);
	have = map_find(&t->counts, node);
	if (have != NULL && *have > count)
		*have -= count;
	else if (have != NULL)
		last = map_remove(&t->counts, node);
	lock_drop(&t->lock);
	return last;
}

bool
inodes_has(struct inodes *t, uint64_t node)
{
	bool has;

	lock_take(&t->lock);
	has = map_find(&t->counts, node) != NULL;
	lock_drop(&t->lock);
	return has;
}

uint64_t
inodes_count(struct inodes *t)
{
	uint64_t count;

	lock_take(&t->lock);
	count = t->counts.count;
	lock_drop(&t->lock);
	return count;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.h - 64-bit numbers to 64-bit values, in 16 bytes a slot.
 *
 * Open addressing with linear probing; at most 7/8 full.  The inode table is
 * one of these: a million inodes that the kernel knows cost 17 to 34 MB.  The
 * key 0 is not allowed.  No locks.
 */
#ifndef S3_BASE_MAP_H
#define S3_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t key; /* 0: free */
	uint64_t value;
};

struct map {
	struct map_slot *slots; /* owned */
	size_t size;            /* a power of two, or 0 */
	size_t count;
};

void map_init(struct map *m);
void map_fini(struct map *m);

/* The value of ${key} in ${*ret}; false, and ${*ret} untouched, if none. */
bool map_get(const struct map *m, uint64_t key, uint64_t *ret);

/* A pointer to the value of ${key}, or NULL; valid until the next change. */
uint64_t *map_find(const struct map *m, uint64_t key);

/* Set ${key} to ${value}.  Returns: 0 or -ENOMEM. */
int map_set(struct map *m, uint64_t key, uint64_t value);

/* Remove ${key}; false if it was not there.  Shrinks when nearly empty. */
bool map_remove(struct map *m, uint64_t key);

#endif

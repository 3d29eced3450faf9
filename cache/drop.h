/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drop.h - what is known of an entry is forgotten, if S3 has all of it.
 */
#ifndef CACHE_DROP_H
#define CACHE_DROP_H

#include <stdint.h>

/* Opaque types. */
struct cache;

/* Forget bytes, attributes and listing of row ${id}, and have the kernel do so;
 * what was changed here, and is not sent, stays.  Locks: none is held.
 * Returns: 0; -errno of the database. */
int drop_row(struct cache *c, uint64_t id);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry_table.h - private to entry*.c: the table of entries in memory.
 */
#ifndef CACHE_ENTRY_TABLE_H
#define CACHE_ENTRY_TABLE_H

#include "s3/base/list.h"
#include "s3/base/lock.h"
#include "s3/base/map.h"

/* Opaque types. */
struct waiter;

struct entries {
	struct lock lock;
	struct map by_node;        /* [lock] to struct entry */
	struct list all;           /* [lock] */
	struct waiter *drain;      /* [lock] who waits for it to be empty */
	_Atomic unsigned modified; /* of them, by our own hand, not in S3 */
	_Atomic unsigned clones;   /* of them, with a base_key */
};

#endif

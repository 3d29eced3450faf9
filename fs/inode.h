/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inode.h - what the kernel knows: nodes and their lookup counts.
 *
 * A FUSE nodeid is the node number of the cache: one version of one entry.
 * All that must be kept of it here is the lookup count (fuse_lowlevel.h,
 * "forget"), in 16 bytes a slot.  Threads: any.  Locks: the first of the
 * order, held for a map operation only.
 */
#ifndef FS_INODE_H
#define FS_INODE_H

#include <stdbool.h>
#include <stdint.h>

#include "s3/base/lock.h"
#include "s3/base/map.h"

struct inodes {
	struct lock lock;
	struct map counts; /* [lock] node to lookup count */
};

void inodes_init(struct inodes *t);
void inodes_fini(struct inodes *t);

/* The kernel is told of ${node} once more: 0, or -ENOMEM: do not tell. */
int inodes_add(struct inodes *t, uint64_t node);

/* The kernel forgets ${count} of them; true: it does not know it any more. */
bool inodes_forget(struct inodes *t, uint64_t node, uint64_t count);

/* Whether the kernel knows ${node}. */
bool inodes_has(struct inodes *t, uint64_t node);

/* How many nodes the kernel knows. */
uint64_t inodes_count(struct inodes *t);

#endif

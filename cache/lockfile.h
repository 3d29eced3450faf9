/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockfile.h - the lock of the cache folder: one process has it at a time.
 *
 * The file "lock" is flock'ed and says who has it: "PID", or, when the mount
 * is gone and the process only sends what it owes, "PID ending".
 */
#ifndef CACHE_LOCKFILE_H
#define CACHE_LOCKFILE_H

#include <stddef.h>

struct cache;

/**
 * lockfile_take(c, path, message, len):
 * Have the lock ${path} in c->lock_fd.  Whoever has it, and is about to end or
 * was killed, is waited for, LOCKFILE_WAIT_MS at most.
 * Returns: 0; -EBUSY; -errno; with a line for a person in ${message}.
 */
#define LOCKFILE_WAIT_MS 10000
int lockfile_take(struct cache *c, const char *path, char *message, size_t len);

/* Tell the next one that this process is about to end. */
void lockfile_ending(struct cache *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - one mount: the FUSE session and what its operations share.
 */
#ifndef FS_SESSION_H
#define FS_SESSION_H

#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "cache/cache.h"
#include "fs/handle.h"
#include "fs/inode.h"
#include "fs/running.h"

/* Opaque types. */
struct options;

struct session {
	const struct options *options; /* [I] */
	struct cache *cache;           /* [I] */
	struct fuse_session *fuse;     /* [I] */
	struct inodes inodes;
	struct handles handles;
	struct running running;
};

/**
 * session_new(options, cache, ret, message, len):
 * Mount on options->mountpoint.
 * Memory:  borrows ${options} and ${cache}; ${*ret} is owned.
 * Returns: 0; -errno, with cause and remedy in ${message}.
 */
int session_new(const struct options *options, struct cache *cache,
    struct session **ret, char *message, size_t len);

/**
 * session_loop(s, ending, arg):
 * Serve until unmounted, or told to end by SIGINT, SIGTERM or SIGQUIT (which
 * are blocked in all threads).  Then nothing waits for S3 any more, and
 * ${ending} is called, while the kernel is still answered: what sends to the
 * kernel must stop there.
 * Returns: 0 or -errno.
 */
int session_loop(struct session *s, void (*ending)(void *arg), void *arg);

/* Unmount, if still mounted, and free.  NULL is fine. */
void session_free(struct session *s);

#endif

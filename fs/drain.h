/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain.h - what is owed to S3 is sent, and how far that is can be seen.
 *
 * This is done at two times: while still mounted, when pailctl umount asks for
 * it, and at the end, when no program can change anything any more.  A thread
 * of its own sends; it ends by itself, at the latest when S3 has let it wait
 * for the timeout without progress.
 *
 *	drain_start(d);				again and again, if one likes
 *	drain_look(d, &state);			is_running, what is left
 *	drain_finish(d, tell, arg);		the last one, and waits for it
 *
 * Threads: any, but drain_finish() and drain_free() come last, in one.
 */
#ifndef FS_DRAIN_H
#define FS_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct drain;

struct drain_state {
	bool is_running;
	int result;          /* of the last one: 0, -EIO, -EINTR */
	uint64_t left;       /* files it could not bring to S3 */
	uint64_t back;       /* changes of names that were taken back in it */
	uint64_t files;      /* not in S3 now */
	uint64_t bytes;      /* of them */
	uint64_t attrs;      /* changed attributes to be sent */
	uint64_t open_files; /* in use by programs */
};

/* Called about once a second while drain_finish() waits. */
typedef void drain_fn(void *arg, const struct drain_state *state);

/* Memory: borrows ${c}; ${*ret} is owned.  Returns: 0; -ENOMEM. */
int drain_new(struct cache *c, struct drain **ret);

/* Begin, unless it is under way.  Returns: 0; -errno: no thread. */
int drain_start(struct drain *d);

/* Never waits. */
void drain_look(struct drain *d, struct drain_state *ret);

/**
 * drain_finish(d, tell, arg):
 * Send what is owed and wait, for the last time.  SIGINT, SIGTERM and SIGQUIT
 * are blocked in all threads, and nobody else waits for them: SIGINT and
 * SIGQUIT end it; SIGTERM was the reason for it.
 * Returns: 0; -EIO; -EINTR: state.left files are not in S3, state.back names
 *     are as before.
 */
int drain_finish(struct drain *d, drain_fn *tell, void *arg);

/* End what is under way, and free.  NULL is fine. */
void drain_free(struct drain *d);

#endif

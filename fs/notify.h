/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.h - what changed remotely is told to the kernel.
 *
 * fuse_lowlevel.h forbids to invalidate an entry from within an operation on
 * it: so it is done by a thread of its own, from a bounded queue.  When that is
 * full its oldest message is dropped: the kernel's own timeouts cover it.
 */
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

#include <stdint.h>

struct fuse_session;
struct notify;

int notify_new(struct notify **ret);

/* Start telling ${fuse}; before that, messages wait. */
int notify_start(struct notify *n, struct fuse_session *fuse);

/* End the thread.  While the session still answers the kernel: an operation
 * on the directory may have to end first.  May be called again, or on NULL. */
void notify_stop(struct notify *n);
void notify_free(struct notify *n);

/* The name ${name} in directory ${parent} means something else now; NULL: it
 * is the directory that changed.  Posts and returns.  Threads: any. */
void notify_entry(struct notify *n, uint64_t parent, const char *name);

#endif

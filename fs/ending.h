/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ending.h - private to session.c: the thread that ends the loop.
 *
 * libfuse leaves its loop when the kernel says that the mount is gone, or when
 * the thread in it is woken by a signal after fuse_session_exit(); then it
 * joins its workers.  One that waits for S3 would make that last: so this
 * thread waits for the signals and looks once a second whether the loop is
 * over, and interrupts all that wait.  While it is not over, it looks for
 * signals of programs (running_look()).
 */
#ifndef FS_ENDING_H
#define FS_ENDING_H

#include <pthread.h>
#include <stdatomic.h>

struct fuse_session;
struct running;

struct ending {
	void (*tell)(void *arg); /* before the loop ends; may block */
	void *arg;
	struct fuse_session *fuse;
	struct running *running;
	pthread_t loop;      /* the thread that is in the loop */
	pthread_t thread;    /* this one */
	_Atomic int is_over; /* the loop has ended */
};

/**
 * ending_start(e, fuse, running):
 * Called by the thread that goes into the loop, with tell and arg set; SIGINT,
 * SIGTERM and SIGQUIT are blocked in all threads.  Returns: 0 or -errno.
 */
int ending_start(
    struct ending *e, struct fuse_session *fuse, struct running *running);

/* The loop has ended: end the thread. */
void ending_stop(struct ending *e);

#endif

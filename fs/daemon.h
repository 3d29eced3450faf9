/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.h - into the background, but not before the mount answers.
 *
 * daemon_start() forks while there is one thread; the parent waits for what
 * the child says and ends with the status that the user's shell sees.
 */
#ifndef FS_DAEMON_H
#define FS_DAEMON_H

#include <pthread.h>
#include <stdbool.h>

struct daemon {
	int fd;          /* to the parent; -1: in the foreground */
	pthread_t guard; /* while is_guarded */
	bool is_guarded;
};

/**
 * daemon_start(d, foreground, mountpoint):
 * Fork, unless ${foreground}.  Returns in the child only: 0, or -errno.  The
 * parent ends with 0 once the child is ready and ${mountpoint} answers, else
 * with 1.
 */
int daemon_start(struct daemon *d, bool foreground, const char *mountpoint);

/**
 * daemon_guard(d):
 * From now on SIGINT, SIGTERM and SIGQUIT, which are blocked in all threads,
 * end the process at once: nothing is mounted yet, and S3 may let us wait.
 * Returns: 0 or -errno.
 */
int daemon_guard(struct daemon *d);

/* No longer: what comes now waits for who takes it. */
void daemon_unguard(struct daemon *d);

/**
 * daemon_ready(d):
 * The mount is made and about to be served: leave the terminal and let the
 * parent go on; in the foreground tell the service manager ($NOTIFY_SOCKET),
 * if there is one.
 * Returns: 0; -EPIPE the parent is gone: nobody wants the mount; -errno.
 */
int daemon_ready(struct daemon *d);

/* The service manager, if there is one, is asked to wait half a minute more
 * before it kills what does not end: it is at work. */
void daemon_extend(void);

#endif

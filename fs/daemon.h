/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.h - into the background, but not before the mount answers.
 *
 * daemon_start() forks while there is one thread; the parent waits for what
 * the child says and ends with the status that the user's shell sees.
 */
#ifndef FS_DAEMON_H
#define FS_DAEMON_H

#include <stdbool.h>

struct daemon {
	int fd; /* to the parent; -1: in the foreground */
};

/**
 * daemon_start(d, foreground, mountpoint):
 * Fork, unless ${foreground}.  Returns in the child only: 0, or -errno.  The
 * parent ends with 0 once the child is ready and ${mountpoint} answers, else
 * with 1.
 */
int daemon_start(struct daemon *d, bool foreground, const char *mountpoint);

/* The mount is made and served: let the parent go, leave the terminal; in
 * the foreground tell the service manager ($NOTIFY_SOCKET), if there is one. */
void daemon_ready(struct daemon *d);

#endif

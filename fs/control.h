/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - the control socket of a mount, for pailctl.
 *
 * An abstract UNIX socket named "pailfs-MAJOR:MINOR" after the mount's device
 * number, which pailctl reads from /proc/self/mountinfo: it finds the daemon
 * without touching the mount, and nothing is left behind by a crash.  Only
 * the mount's owner and root are answered (SO_PEERCRED).
 *
 * A request is a line of JSON, {"cmd": "status"}; so is the answer.  To
 * {"cmd": "wait"} the answer comes when the daemon has ended its work:
 * {"status": 0}, or 1 if something could not be brought to S3.
 *
 * One thread, which also takes SIGHUP (the log is opened anew) and SIGUSR2
 * (debug messages on and off).  It never waits for S3.
 */
#ifndef FS_CONTROL_H
#define FS_CONTROL_H

#include <jansson.h>

struct control;

#define CONTROL_NAME "pailfs-%u:%u"

/* What a daemon answers with. */
struct control_hooks {
	void *arg;
	json_t *(*status)(void *arg); /* a new reference, or NULL */
	json_t *(*odd)(void *arg);    /* likewise */
};

/**
 * control_start(mountpoint, log_file, hooks, ret):
 * Listen.  SIGHUP and SIGUSR2 are blocked in all threads.
 * Memory:  borrows all until control_stop().
 * Returns: 0 or -errno.
 */
int control_start(const char *mountpoint, const char *log_file,
    const struct control_hooks *hooks, struct control **ret);

/* Tell those who wait ${status}, end the thread, free.  NULL is fine. */
void control_stop(struct control *c, int status);

#endif

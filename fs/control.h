/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - the control socket of a mount, for pailctl.
 *
 * Where it is says ctlsock.h.  Only the mount's owner and root are answered
 * (SO_PEERCRED).  A request is a line of JSON, so is the answer:
 *
 *	{"cmd": "status"}			{"state": "mounted", ...}
 *	{"cmd": "odd", "from": N}		[{"key": ..., "text": ...,
 *						"reason": ...}, ...]
 *						a page; [] after the last
 *	{"cmd": "conflicts", "from": N}		[{"number": ..., "file":
 *						{"key": ..., "text": ...},
 *						"of": likewise or null, "what":
 *						..., ...}, ...]; likewise, after
 *						that of number N
 *	{"cmd": "get", "key": TEXT}		see delivery.h; the connection
 *	{"cmd": "keys", "key": TEXT}		then ends.  "keys": of a prefix
 *	{"cmd": "uploads"}			likewise
 *	{"cmd": "flush", "key": TEXT}		likewise, of a path below the
 *						mount; "": all of it
 *	{"cmd": "drop", "key": TEXT}		likewise
 *	{"cmd": "warm", "key": TEXT}		likewise
 *	{"cmd": "evict", "key": TEXT}		likewise
 *	{"cmd": "fsck", "key": "",		likewise; "repair" may be
 *		"repair": true}			left out
 *	{"cmd": "log_level", "level": "debug"}	{"level": "debug"}
 *	{"cmd": "drain", "start": true}		{"draining": true, "files": 2,
 *						"bytes": 4096, "attrs": 1}
 *	{"cmd": "remount", "source": TEXT,	{"remount": true}, or an error
 *	 "options": TEXT}			that says why not; remount.h
 *	{"cmd": "wait"}				{"waiting": true}
 *	anything else				{"error": "..."}
 *
 * "text" and TEXT are a key as keytext.h writes it, for it may hold any byte;
 * "key" is null if it is not UTF-8 or holds a NUL.
 *
 * A "drain" sends what is owed to S3; it is started, unless programs have files
 * open, and then asked for, without "start", until it is no longer "draining".
 *
 * To "wait" more answers come, when the mount is gone: while the daemon still
 * sends, those of "drain", about one a second; {"left": N} if so many files
 * could not be brought to S3; and when it has ended its work {"status": 0}, or
 * 1 if something went wrong.
 *
 * One thread, which also takes SIGHUP (the log is opened anew) and SIGUSR2
 * (debug messages on and off).  It never waits for S3: deliveries have threads
 * of their own.
 */
#ifndef FS_CONTROL_H
#define FS_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/delivery.h"
#include "s3/base/log.h"

struct control;

/* What a daemon answers with. */
struct control_hooks {
	void *arg;
	json_t *(*status)(void *arg);             /* a new reference, or NULL */
	json_t *(*odd)(void *arg, uint64_t from); /* likewise */
	json_t *(*conflicts)(void *arg, uint64_t from);
	json_t *(*drain)(void *arg, bool start); /* likewise */
	/* 0, or -errno and why not. */
	int (*remount)(void *arg, const char *source, const char *options,
	    char *message, size_t len);
	delivery_fn *keys; /* of get, keys and uploads */
};

/* How messages are kept. */
struct control_log {
	const char *file;     /* NULL: no file */
	enum log_level level; /* without debug messages */
};

/**
 * control_start(mountpoint, log, hooks, ret):
 * Listen.  SIGHUP and SIGUSR2 are blocked in all threads.
 * Memory:  borrows log->file and hooks->arg until control_stop().
 * Returns: 0 or -errno.
 */
int control_start(const char *mountpoint, const struct control_log *log,
    const struct control_hooks *hooks, struct control **ret);

/* End the thread: no hook is called any more.  NULL is fine. */
void control_stop(struct control *c);

/* Tell those who wait; takes the reference.  After control_stop(). */
void control_tell(struct control *c, json_t *value);

/* Tell those who wait ${status}, and free.  After control_stop(). */
void control_free(struct control *c, int status);

#endif

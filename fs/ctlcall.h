/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlcall.h - pailctl asks the daemon of a mount.
 *
 *	struct ctlcall call = CTLCALL_INIT;
 *	call.mountpoint = ...;
 *	if (ctlcall_connect(&call) < 0) ...
 *	answer = ctlcall_ask(&call, "status", 0);
 *
 * What goes wrong is said on standard error here.  One thread; no locks.
 */
#ifndef FS_CTLCALL_H
#define FS_CTLCALL_H

#include <jansson.h>
#include <stdbool.h>

#include "fs/ctlline.h"

/* A daemon does not wait for S3 before it answers, but for keys. */
#define CTLCALL_PATIENCE_S 10

/* Opaque types. */
struct mountinfo;

/* One run of pailctl. */
struct ctlcall {
	char *mountpoint;   /* owned, as the kernel shows it */
	const char *level;  /* of log_level, or NULL */
	const char *path;   /* of commands about files, or NULL */
	const char *get;    /* of odd: a key, or NULL */
	const char *list;   /* of odd: a prefix, or NULL */
	const char *output; /* of get: a file, or NULL */
	const char *keep;   /* of conflicts: a file, or NULL */
	const char *take;   /* likewise */
	bool as_json;
	bool watch;            /* status: again and again */
	bool repair;           /* fsck: mend what loses nothing */
	struct ctlline daemon; /* its fd -1 while not connected */
};

/* clang-format off */
#define CTLCALL_INIT { .mountpoint = NULL, .daemon = CTLLINE_INIT(-1) }
/* clang-format on */

/* Say "${what} '${name}': ${why}".  Returns: -1. */
int ctlcall_fail(const char *what, const char *name, const char *why);

/* The pailfs that is mounted on ${mountpoint}: 0, or -1 and said. */
int ctlcall_find(const char *mountpoint, struct mountinfo *ret);

/* Wait at most ${seconds} for an answer, 0: for ever. */
void ctlcall_patience(struct ctlcall *call, int seconds);

/* Connect to the daemon: 0, or -1 and said. */
int ctlcall_connect(struct ctlcall *call);

/* Send a command: ${from} the first of a page, ${key} NULL: none.  Returns: 0
 * or -errno, which is not said. */
int ctlcall_send(struct ctlcall *call, const char *command, json_int_t from,
    const char *key);

/* Read the answer to what was sent; NULL: there was none, or an error; both are
 * said. */
json_t *ctlcall_answer(struct ctlcall *call);

/* Read the next line of what comes for a while; NULL: it failed, and that is
 * said: "${what} '${name}': ...". */
json_t *ctlcall_line(struct ctlcall *call, const char *what, const char *name);

/* Send a command and read its answer; NULL: there was none, or an error; both
 * are said. */
json_t *ctlcall_ask(struct ctlcall *call, const char *command, json_int_t from);

/* What a page of a list has is printed for a person. */
typedef void ctlcall_print_fn(const struct ctlcall *call, json_t *page);

/* The page that begins after ${*from}, which moves on; NULL: it failed, and
 * that is said; empty: there are no more. */
typedef json_t *ctlcall_page_fn(struct ctlcall *call, json_int_t *from);

/* Print a list, page after page: there may be much of it.  Returns: the exit
 * status. */
int ctlcall_list(
    struct ctlcall *call, ctlcall_page_fn *ask, ctlcall_print_fn *print);

/* Print ${value} for programs. */
void ctlcall_print(json_t *value);

#endif

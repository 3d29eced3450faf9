/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlnote.h - a command of pailctl that is about a path, and what the daemon
 * notes of files on the way (delivery.h).
 *
 *	struct ctlnote note = { .command = "flush", ... };
 *	r = ctlnote_ask(call, &note);
 *	ctlnote_print(call, &note);
 *	ctlnote_fini(&note);
 *
 * What goes wrong is said on standard error here.  One thread; no locks.
 */
#ifndef FS_CTLNOTE_H
#define FS_CTLNOTE_H

#include <jansson.h>

/* Opaque types. */
struct ctlcall;

/* Called for each line that says how far it is. */
typedef void ctlnote_show_fn(void *arg, json_t *line);

struct ctlnote {
	const char *command;   /* of the daemon */
	ctlnote_show_fn *show; /* NULL: nobody is told */
	void *arg;
	json_t *all;       /* owned: the notes; NULL before ctlnote_ask() */
	json_int_t found;  /* how many tell of harm, */
	json_int_t mended; /* and how many were mended */
};

/* Ask for call->path and wait for the end: 0, or -1 and said. */
int ctlnote_ask(struct ctlcall *call, struct ctlnote *note);

/* Print the notes, a line each, or as JSON: the file, a tab, a word, a tab,
 * why; and a tab and "mended". */
void ctlnote_print(const struct ctlcall *call, const struct ctlnote *note);

void ctlnote_fini(struct ctlnote *note);

#endif

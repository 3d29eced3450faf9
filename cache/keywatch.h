/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keywatch.h - which keys below a prefix were busy since a moment.
 *
 * Who renames a directory copies what is below it, and does not mark those keys
 * busy.  Whoever changes one of them does (keylock.h): what was changed
 * meanwhile, or may have been, is among the keys that are noted here, whether
 * or not there is a row that tells.
 */
#ifndef CACHE_KEYWATCH_H
#define CACHE_KEYWATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "s3/base/list.h"

/* On the stack of who looks; all but the prefixes is guarded by the lock of
 * struct keylocks. */
struct keywatch {
	struct list link;
	const char *prefix; /* borrowed, with its '/' */
	const char *filled; /* likewise: below it are its owner's copies */
	char **keys;        /* owned; some twice */
	size_t count;
	size_t size;
	bool is_short; /* there was no memory for all */
};

/* ${w} is new, or is over; it is in no list. */
void keywatch_init(struct keywatch *w, const char *prefix, const char *filled);
void keywatch_fini(struct keywatch *w);

/* ${key} is busy: noted, if it is below the prefix. */
void keywatch_note(struct keywatch *w, const char *key);

#endif

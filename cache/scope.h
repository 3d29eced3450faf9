/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope.h - a file or directory that a person names, and what lies below it.
 *
 * Only the database is asked: what it does not know has nothing that could be
 * sent or forgotten.  Locks: none is needed; may be called under the db lock.
 */
#ifndef CACHE_SCOPE_H
#define CACHE_SCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/admin.h"

/* Opaque types. */
struct buf;
struct cache;
struct cache_key_call;
struct row;

struct scope {
	struct cache *cache;
	uint64_t id; /* of its row; CACHE_ROOT: all */
	bool is_dir;
};

/**
 * scope_find(c, call, ret):
 * Look for the path ${call->key} ("": the whole mount) below the mount.
 * Returns: 0; -ENOENT, -errno, with a word about it in ${call->message}.
 */
int scope_find(struct cache *c, struct cache_key_call *call, struct scope *ret);

/* Whether ${row} is it, or lies below it.  A row whose directory is gone lies
 * below all only. */
bool scope_has(const struct scope *s, const struct row *row);

/* Append the path of ${row} below the mount, without a '/' at its end; as far
 * as it can be told: "?" stands for a directory that is gone. */
int scope_path(struct cache *c, const struct row *row, struct buf *ret);

/* So many are kept: what is not in S3 may be millions of files. */
#define SCOPE_NOTES_MAX 1000

/* What is to be told of paths, collected where that cannot be done. */
struct scope_notes {
	struct scope_note *all; /* owned */
	size_t count;
	size_t size;
	uint64_t more; /* of which only the number is known */
};

/* Add one of ${row}; ${what} and ${text} are borrowed.  0 or -errno. */
int scope_notes_add(struct scope_notes *n, struct cache *c,
    const struct row *row, const char *what, const char *text);

/* Give all to ${call->note}, at last how many more there are, and empty it.
 * Returns: 0, or what that does. */
int scope_notes_tell(struct scope_notes *n, struct cache_key_call *call);

void scope_notes_fini(struct scope_notes *n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename_copy.h - the copy that a file's rename is made of.
 */
#ifndef CACHE_RENAME_COPY_H
#define CACHE_RENAME_COPY_H

#include <stdbool.h>

#include "cache/copy.h"
#include "cache/db.h"
#include "cache/headers.h"
#include "cache/name.h"

/* Opaque types. */
struct change;
struct entry;
struct rename;
struct waiter;

struct file_move {
	struct rename *rename;
	struct name_base base;    /* owned: what S3 has of it */
	struct name_base to_base; /* owned: of what it replaces */
	bool is_folded;           /* headers go along: */
	struct row sent;          /* borrows; as they say */
	char token[HEADERS_TOKEN_LEN + 1];
	struct headers headers; /* owned */
	struct copy_result made;
	struct entry *target; /* a reference: what it replaces, or NULL */
};

void file_move_fini(struct file_move *f);

/**
 * file_move_copy(f, w):
 * Copy what f->rename says, over f->to_base.  Both keys are busy.
 * Returns: 0; -ESTALE, -ENOENT it was not found as it was known (f->made tells
 *     which of the two); -errno.
 */
int file_move_copy(struct file_move *f, struct waiter *w);

/* The row of ${ch} is of the copy. */
int file_move_take(struct file_move *f, struct change *ch);

/* The row did not move, because of ${err}: neither shall the object have, as
 * far as we can.  ${made}: it is there for certain. */
void file_move_undo(struct file_move *f, int err, bool made);

#endif

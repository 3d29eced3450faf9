/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsck.h - private to fsck*.c: database, chunk files and bucket are compared.
 *
 * What is wrong is told in one word, and mended, if that is asked for and loses
 * nothing:
 *
 *	database  a page is not what was written	left: the next mount
 *		  moves it aside (salvage.h)
 *	parent	  a row whose directory is not there	removed with all below,
 *		  if nothing of that is owed: S3 has it
 *	double	  two rows of one name			the hidden one likewise
 *	state	  states that contradict		dirty ranges of a file
 *		  that is clean go; else left
 *	lost	  bytes that S3 does not have, and the	left
 *		  folder has not either
 *	missing	  a chunk file is not there, or short	its facts go
 *	block	  bytes are not what their CRC says	the block is taken out
 *	orphan	  a chunk file that no row owns		removed
 *	stranger  a file that is none of ours		left
 *	object	  S3 has another version than a clean	the row is believed no
 *		  row says				longer (drop.h)
 *
 * Bytes that S3 does not have are never touched: what is wrong with them is
 * left, by name.
 *
 * A folder that is mounted is checked by its daemon while others use it: what
 * is in memory is looked at under its lock, and what may just have changed is
 * looked at twice.  One that is not mounted has a struct cache with database
 * and chunks_fd, and no more: entries is NULL.
 */
#ifndef CACHE_FSCK_H
#define CACHE_FSCK_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/admin.h"
#include "cache/cache.h"
#include "cache/core.h"
#include "cache/db.h"

struct fsck {
	struct cache *cache;
	struct cache_key_call *call;
	struct waiter *waiter; /* NULL: cannot be interrupted */
	bool is_online;
	bool is_clean; /* the last mount ended in order; else states are not
			  compared that the next one mends */
};

/* One finding. */
struct fsck_find {
	const struct row *row; /* NULL: ${name} says what it is of */
	const char *name;
	const char *what;
	bool is_mended;
};

/* Tell and count it; the text as by printf(3).  0 or what the callback said. */
int fsck_tell(struct fsck *f, const struct fsck_find *find, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

/* Whether to go on: 0 or -EINTR. */
int fsck_pause(struct fsck *f);

/* Called for each row, with no lock held. */
typedef int fsck_row_fn(struct fsck *f, const struct row *row);

/* All rows, by id; what ${fn} returns if it is not 0 ends it. */
int fsck_each_row(struct fsck *f, fsck_row_fn *fn);

/* Bytes of ${node} are owed: of row ${ret}, also as its snapshot.  -ENOENT: no
 * row owns it.  Memory: ${ret} (empty) is owned: row_fini(). */
int fsck_owner(
    struct fsck *f, uint64_t node, struct row *ret, bool *ret_is_owed);

/* The parts, each all there is of its kind: 0, or -errno if it cannot be
 * done. */
int fsck_rows(struct fsck *f);
int fsck_chunks(struct fsck *f);
int fsck_files(struct fsck *f);
int fsck_objects(struct fsck *f);

/* All of them. */
int fsck_run(struct fsck *f);

#endif

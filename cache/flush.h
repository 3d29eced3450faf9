/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flush.h - private to upload.c and flush.c: one flush of one file.
 */
#ifndef CACHE_FLUSH_H
#define CACHE_FLUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/db.h"
#include "cache/entry.h"
#include "cache/keylock.h"
#include "cache/settle.h"

/* Opaque types. */
struct cache;

/* One flush, on its thread's stack. */
struct flush {
	struct entry *entry;
	struct cache *cache;
	struct keylock keylock;
	struct frozen frozen;
	char *key;       /* owned */
	char *etag;      /* owned; of what is to be replaced, NULL: none */
	bool is_new;     /* nothing may be there */
	bool is_all_new; /* nothing of the base is used */
	bool has_name;   /* what was stored with its object stays */
	bool is_seen;    /* a HEAD said just now that ${etag} is there */
	uint64_t size;   /* bytes */
	uint64_t base_size;
	uint64_t generation;
	bool has_times;    /* its mtime was set, not made by a write */
	int64_t mtime_ns;  /* the row's, as it began */
	bool was_unsure;   /* what became of an earlier try is not known */
	bool is_clone;     /* all of it lies under another key */
	struct row row;    /* owned: as the version is to be */
	bool stale_attrs;  /* it was stored with others than these */
	struct settle out; /* what came of it */
};

/**
 * flush_send(f):
 * Send the version that ${f} says, whose file is frozen: by COPY, PUT or
 * multipart, as planned.
 * Returns: 0; -ESTALE the condition did not hold; -errno.  ${f->out}: what is
 *     known then of what S3 has.
 */
int flush_send(struct flush *f);

/* Whether two rows have the same attributes; times of writes aside. */
bool flush_same_attrs(const struct row *a, const struct row *b);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_body.h - private to fetch*.c: a GET, and how its bytes become present.
 */
#ifndef CACHE_FETCH_BODY_H
#define CACHE_FETCH_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/ahead.h"
#include "cache/entry.h"
#include "cache/worker.h"
#include "s3/s3.h"

#define FETCH_HELD_MAX AHEAD_WHOLE

#define FETCH_TRIES 3 /* GETs of an object that comes damaged each time */

struct fetch {
	struct list link;    /* [e] in entry.fetches */
	struct entry *entry; /* [I] a reference */
	uint64_t off;        /* [I] */
	uint64_t end;        /* [I] */
	uint64_t at;         /* [e] bytes below it are present */
	uint64_t pos;        /* [net] bytes below it are written */
	uint64_t reserved;   /* [net] bytes set aside and not filled */
	uint32_t crc;        /* [net] of the block at `pos', so far */
	uint32_t crcs[FETCH_HELD_MAX / CHUNK_BLOCK]; /* [net] if is_held */
	bool is_whole;       /* [I] the object is one piece, none of it local */
	bool is_held;        /* [I] present only when all is checked */
	unsigned damaged;    /* [e] answers that were, one after the other */
	bool is_sent;        /* [e] the call is in flight */
	bool was_sent;       /* [e] it has been */
	bool is_cancelled;   /* [e] */
	bool by_version;     /* [net] asked for by versionId */
	char *key;           /* owned: the entry's when it was sent */
	char *etag;          /* owned: likewise */
	char *version_id;    /* owned, NULL */
	struct reader range; /* [e] keeps its range from eviction */
	struct s3_call call;
	struct job job;
};

/* The sink of the call.  On the net thread. */
int fetch_on_bytes(void *arg, uint64_t off, const void *data, size_t len);

/* Whether the answer is of the version that was asked for.  Where there is no
 * ETag to ask with, size and time must do. */
bool fetch_is_ours(const struct fetch *f);

/* What was held back was found to be right: show it.  Entry's lock is held, as
 * in all that follow. */
int fetch_show_locked(struct fetch *f);

/* Take back what is wrong in a way that readers noticed. */
int fetch_withdraw_locked(struct fetch *f);

/* Wake those who wait for bytes of [off, end); with ${err}, if not 0. */
void fetch_wake_locked(struct entry *e, uint64_t off, uint64_t end, int err);

/* Wake them in any case: the file may be shorter now than they think. */
void fetch_wake_all_locked(struct entry *e, uint64_t off, uint64_t end);

#endif

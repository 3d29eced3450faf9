/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settle.h - what became of a request that replaces an object.
 *
 * A request that failed may have taken effect: its answer was lost, or a
 * retry met what the first try had done.  A HEAD settles it: an object with
 * our token is ours.
 */
#ifndef CACHE_SETTLE_H
#define CACHE_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct s3_call;

struct settle {
	char *etag;       /* owned; of what S3 has now, NULL: none is given */
	char *version_id; /* owned, NULL */
	uint64_t size;    /* bytes, after settle_look() */
	unsigned attempts;
	bool unsure;     /* it may have taken effect */
	int64_t sent_ms; /* cache clock */
};

enum settle_answer {
	SETTLE_OURS,   /* it has the token */
	SETTLE_OLDER,  /* it has one of its family: of an earlier try */
	SETTLE_ABSENT, /* there is none */
	SETTLE_OTHER,  /* it is another's */
	SETTLE_UNKNOWN /* no answer */
};

/* Note what came of ${call}, which has ended. */
void settle_take(struct settle *s, struct cache *c, struct s3_call *call);

/* There was no call. */
void settle_none(struct settle *s);
void settle_fini(struct settle *s);

/* Whether a look at the object is needed to know what ${err} means. */
bool settle_is_needed(const struct settle *s, int err);

/* HEAD ${key}; ${token}: of the request, NULL: none was sent.  etag,
 * version_id, size are then S3's. */
enum settle_answer settle_look(
    struct cache *c, const char *key, const char *token, struct settle *s);

#endif

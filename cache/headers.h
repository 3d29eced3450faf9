/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headers.h - the headers that an object is stored with, of its row.
 */
#ifndef CACHE_HEADERS_H
#define CACHE_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "cache/db.h"
#include "s3/s3.h"

/* Opaque types. */
struct cache;

#define HEADERS_TOKEN_LEN 22 /* of a token, without its '\0' */

struct headers {
	char *content_type;   /* owned */
	struct s3_meta *meta; /* owned */
	size_t meta_count;
};

/* A new token: 128 random bits as text, of which the first 96 are the name of
 * a family of its own. */
void headers_token(char ret[HEADERS_TOKEN_LEN + 1]);

/* Another token of the family of ${token}, for one more try while it is not
 * known what became of those before.  ${token} NULL: of a family of its own. */
void headers_token_like(const char *token, char ret[HEADERS_TOKEN_LEN + 1]);

/* Whether both are of one family; each may be NULL, which is of none. */
bool headers_token_is_like(const char *a, const char *b);

/**
 * headers_make(c, row, new_content, ret):
 * The headers that say ${row}, with its token; mode and owner as callers see
 * them.  ${new_content}: other bytes than it came with: checksums of others
 * are dropped; the Content-Type is the row's, else of its name.
 * Memory:  ${ret} is owned: headers_fini().
 * Returns: 0; -ENOSPC over S3_META_MAX; -EBADMSG the row is damaged; -ENOMEM.
 */
int headers_make(struct cache *c, const struct row *row, bool new_content,
    struct headers *ret);
void headers_fini(struct headers *h);

/* Put them into a PUT, CREATE or COPY (which replaces with them); they are
 * borrowed until the call is done. */
void headers_apply(const struct headers *h, struct s3_call *call);

#endif

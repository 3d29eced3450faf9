/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign.h - AWS Signature Version 4 in the header of a request.
 *
 * Calling sequence:
 *	struct sign_cache cache = SIGN_CACHE_INIT;	one a thread
 *	struct sign_request rq = { .method = "GET", ... };
 *
 *	r = sign_request(&rq, &keys, &cache, &sig);
 *	... send the request ...
 *	sign_fini(&sig);
 *	sign_cache_fini(&cache);
 *
 * The request that was signed looks like this, in any order of its headers,
 * where ${rq.headers} holds host and everything else that is to be signed,
 * which must be all of x-amz-*, but not the three of the signer:
 *
 *	${rq.method} ${rq.path}?${rq.query} HTTP/1.1
 *	${rq.headers[0].name}: ${rq.headers[0].value}
 *	...
 *	x-amz-date: ${sig.date}
 *	x-amz-content-sha256: ${sig.payload}
 *	x-amz-security-token: ${keys.token}		if it is not NULL
 *	Authorization: ${sig.authorization}, which is
 *	    AWS4-HMAC-SHA256 Credential=ACCESS/DAY/REGION/SERVICE/aws4_request,
 *	    SignedHeaders=NAME;NAME..., Signature=HEX
 *
 * Secrets are wiped from memory that is given back.  Locks: none; a cache
 * belongs to one thread.
 */
#ifndef S3_SIGN_H
#define S3_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/date.h"

#define SIGN_UNSIGNED "UNSIGNED-PAYLOAD"

/* The SHA-256 of nothing. */
#define SIGN_EMPTY                                                             \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#define SIGN_HEX_SIZE    65 /* a SHA-256 in hex and '\0' */
#define SIGN_HEADERS_MAX 320

/* Opaque types. */
struct sign_hash;

/* Borrowed strings. */
struct sign_keys {
	const char *access;
	const char *secret;
	const char *token; /* NULL: not a session */
};

struct sign_header {
	const char *name;  /* in any case */
	const char *value; /* one line */
};

/* What to sign.  All borrowed. */
struct sign_request {
	const char *method;
	const char *path;  /* encoded, as sent; not encoded again */
	const char *query; /* canonical, from url_query(); NULL: "" */
	const struct sign_header *headers;
	size_t headers_count; /* at most SIGN_HEADERS_MAX */
	const char *payload;  /* SHA-256 in hex, SIGN_UNSIGNED, NULL: empty */
	const char *region;
	const char *service; /* NULL: "s3" */
	int64_t time_s;      /* since 1970, by the server's clock */
};

struct signature {
	char date[DATE_AMZ_SIZE];
	char payload[SIGN_HEX_SIZE];
	char *authorization; /* owned */
};

/* The last signing key, good for a day, a region and a service. */
struct sign_cache {
	bool is_set;
	uint8_t scope[32]; /* SHA-256 of what the key is made from */
	uint8_t key[32];
};

/* clang-format off */
#define SIGN_CACHE_INIT { .is_set = false }
/* clang-format on */

/**
 * sign_request(rq, keys, cache, ret):
 * Sign ${rq}.
 * Returns: 0; -EINVAL: a header with a line break, too many headers, no host,
 *     or one of the signer's own; -ENOMEM; -EIO: OpenSSL failed.
 * Memory:  ${ret} is owned by the caller: sign_fini().
 */
int sign_request(const struct sign_request *rq, const struct sign_keys *keys,
    struct sign_cache *cache, struct signature *ret);

/**
 * sign_canonical(rq, keys, ret, ret_signed):
 * The canonical request, and the names of its headers; for tests, and to
 * compare with what a server says in SignatureDoesNotMatch.
 * Returns: as sign_request().
 * Memory:  both are owned by the caller; the first may hold a token.
 */
int sign_canonical(const struct sign_request *rq, const struct sign_keys *keys,
    char **ret, char **ret_signed);

void sign_fini(struct signature *sig);

/* Wipe ${cache}; it is as at first. */
void sign_cache_fini(struct sign_cache *cache);

/* The SHA-256 of ${data} in lower case hex.  Returns: 0 or -EIO. */
int sign_sha256(const void *data, size_t len, char ret[SIGN_HEX_SIZE]);

/* The same piece by piece: new, add ..., final, free. */
int sign_hash_new(struct sign_hash **ret);
int sign_hash_add(struct sign_hash *h, const void *data, size_t len);
int sign_hash_final(struct sign_hash *h, char ret[SIGN_HEX_SIZE]);
void sign_hash_free(struct sign_hash *h);

#endif

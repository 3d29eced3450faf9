/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - what all calls of one client share: struct s3.
 *
 * Role:    where the bucket is, what the clock is off by, how many retries
 *          may still be made, what was counted.
 * Locks:   `lock` is a leaf and guards `shared`.
 */
#ifndef S3_CLIENT_H
#define S3_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "s3/base/lock.h"
#include "s3/error.h"
#include "s3/exchange.h"
#include "s3/s3.h"
#include "s3/sign.h"
#include "s3/url.h"

/* Opaque types. */
struct creds;
struct http;

#define CLIENT_TOKENS 500 /* of retries, as the AWS SDKs have them */

/* A region name; kept until the end, for s3_region() gives it out. */
struct region {
	struct region *before;
	char name[64];
};

struct s3 {
	/* [I] since s3_open(). */
	char *bucket;
	bool has_endpoint; /* one was given; else AWS, by region */
	struct endpoint endpoint;
	int path_style;
	bool sign_payload;
	bool checksum;
	bool is_opening; /* s3_open() has not returned: do not wait long */
	unsigned timeout_s;
	const struct clock *clock;
	struct http *http;
	struct creds *creds;

	struct lock lock;
	struct {
		struct region *region;
		int64_t skew_ms; /* the server's clock minus ours */
		struct s3_stats stats;
		struct s3_call *starved; /* no memory for their requests */
	} shared;                        /* [lock] */

	/* Of the net thread. */
	struct {
		struct sign_cache sign;
		unsigned tokens;
		struct exchange starved; /* ends shared.starved */
	} net;
};

/* The endpoint of requests that are signed for ${region}. */
int client_endpoint(
    const struct s3 *s3, const char *region, struct endpoint *ret);

/* Returns: 0; -EINVAL: no region name; -ENOMEM. */
int client_set_region(struct s3 *s3, const char *region);

/* The time by the server's clock: wall, seconds. */
int64_t client_time_s(struct s3 *s3);

/* The server's clock shows ${server_ns} now. */
void client_set_skew(struct s3 *s3, int64_t server_ns);

/* Our clock minus the server's, in seconds. */
int64_t client_skew_s(struct s3 *s3);

/**
 * client_retry_ms(s3, e, is_answered, tries):
 * How long to wait before the next try after ${tries} (1 or more) failed, the
 * last with ${e}: full jitter, doubling; the longest where retries have become
 * too many.  Net thread only.
 */
int64_t client_retry_ms(
    struct s3 *s3, const struct s3_error *e, bool is_answered, unsigned tries);

/* A call succeeded after ${tries} failures.  Net thread only. */
void client_refill(struct s3 *s3, unsigned tries);

/* Count a request that was sent. */
void client_count_sent(struct s3 *s3, enum s3_kind kind, bool is_retry);

/* Count bytes of bodies. */
void client_count_bytes(struct s3 *s3, uint64_t up, uint64_t down);

/* Note whether the endpoint answers. */
void client_set_reachable(struct s3 *s3, bool is_reachable);

/* Hand ${call} back to its owner.  It may be gone afterwards. */
void client_end_call(struct s3 *s3, struct s3_call *call);

/* A call begins or ends. */
void client_count_call(struct s3 *s3, int change, bool is_error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - what all calls of one client share: struct s3.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/wait.h"
#include "s3/client.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

/* Retries as the AWS SDKs make them ("standard" mode). */
#define COST_THROTTLE 5
#define COST_OTHER    14
#define BASE_THROTTLE 1000 /* ms */
#define BASE_OTHER    50
#define CAP_ANSWERED  20000
#define CAP_SILENT    5000 /* a connection that is refused costs nobody */

int
client_endpoint(const struct s3 *s3, const char *region, struct endpoint *ret)
{
	if (!s3->has_endpoint)
		return url_aws_endpoint(region, ret);
	*ret = s3->endpoint;
	return 0;
}

int
client_set_region(struct s3 *s3, const char *region)
{
	struct endpoint e;
	struct region *new;
	size_t len = strlen(region);

	if (len == 0 || len >= sizeof(new->name) ||
	    url_aws_endpoint(region, &e) < 0)
		return -EINVAL;
	new = calloc(1, sizeof(*new));
	if (new == NULL)
		return -ENOMEM;
	memcpy(new->name, region, len);
	lock_take(&s3->lock);
	new->before = s3->shared.region;
	s3->shared.region = new;
	lock_drop(&s3->lock);
	return 0;
}

const char *
s3_region(struct s3 *s3)
{
	const char *name;

	lock_take(&s3->lock);
	name = s3->shared.region->name;
	lock_drop(&s3->lock);
	return name;
}

int64_t
client_time_s(struct s3 *s3)
{
	int64_t ns = clock_wall_ns(s3->clock);

	lock_take(&s3->lock);
	ns += s3->shared.skew_ms * NS_PER_MS;
	lock_drop(&s3->lock);
	return ns / NS_PER_S;
}

void
client_set_skew(struct s3 *s3, int64_t server_ns)
{
	int64_t skew = (server_ns - clock_wall_ns(s3->clock)) / NS_PER_MS;

	lock_take(&s3->lock);
	s3->shared.skew_ms = skew;
	lock_drop(&s3->lock);
}

int64_t
client_skew_s(struct s3 *s3)
{
	int64_t ms;

	lock_take(&s3->lock);
	ms = s3->shared.skew_ms;
	lock_drop(&s3->lock);
	return -ms / 1000;
}

int64_t
client_retry_ms(
    struct s3 *s3, const struct s3_error *e, bool is_answered, unsigned tries)
{
	bool throttle = e->retry == ERROR_THROTTLE;
	unsigned cost = throttle ? COST_THROTTLE : COST_OTHER;
	int64_t ms = throttle ? BASE_THROTTLE : BASE_OTHER;
	int64_t cap = is_answered ? CAP_ANSWERED : CAP_SILENT;

	if (s3->net.tokens < cost)
		return cap / 2 + arc4random_uniform((uint32_t)cap / 2);
	s3->net.tokens -= cost;
	for (unsigned i = 1; i < tries && ms < cap; i++)
		ms *= 2;
	if (ms > cap)
		ms = cap;
	return arc4random_uniform((uint32_t)ms + 1);
}

void
client_refill(struct s3 *s3, unsigned tries)
{
	s3->net.tokens += tries > 0 ? COST_OTHER : 1;
	if (s3->net.tokens > CLIENT_TOKENS)
		s3->net.tokens = CLIENT_TOKENS;
}

void
client_count_sent(struct s3 *s3, enum s3_kind kind, bool is_retry)
{
	lock_take(&s3->lock);
	s3->shared.stats.requests[kind]++;
	if (is_retry)
		s3->shared.stats.retries++;
	lock_drop(&s3->lock);
}

void
client_count_bytes(struct s3 *s3, uint64_t up, uint64_t down)
{
	lock_take(&s3->lock);
	s3->shared.stats.bytes_up += up;
	s3->shared.stats.bytes_down += down;
	lock_drop(&s3->lock);
}

void
client_set_reachable(struct s3 *s3, bool is_reachable)
{
	int64_t now = clock_mono_ms(s3->clock);

	lock_take(&s3->lock);
	if (is_reachable)
		s3->shared.stats.down_since_ms = 0;
	else if (s3->shared.stats.down_since_ms == 0)
		s3->shared.stats.down_since_ms = now;
	lock_drop(&s3->lock);
}

void
client_end_call(struct s3 *s3, struct s3_call *call)
{
	if (call->done != NULL) {
		call->done(call);
		return;
	}
	lock_take(&s3->lock);
	call->is_over = true;
	if (call->waiter != NULL)
		waiter_wake(call->waiter);
	lock_drop(&s3->lock);
}

void
client_count_call(struct s3 *s3, int change, bool is_error)
{
	lock_take(&s3->lock);
	s3->shared.stats.in_flight += (uint64_t)(int64_t)change;
	if (is_error)
		s3->shared.stats.errors++;
	lock_drop(&s3->lock);
}

void
s3_get_stats(struct s3 *s3, struct s3_stats *ret)
{
	lock_take(&s3->lock);
	*ret = s3->shared.stats;
	lock_drop(&s3->lock);
}

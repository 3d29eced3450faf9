/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request_retry.c - whether an attempt that failed is worth another one.
 *
 * Role:    corrects what the answer says is wrong with the request (clock,
 *          region, keys, place), or says how long to wait.
 * Threads: the net thread.
 *
 * A call gives up when for timeout_s nothing good came: no byte of an object
 * (a GET goes on after those that did) and no good answer.  That time begins
 * with the call; for what changes the bucket it begins with the first bad
 * answer, as the server may work long before it gives any, and an attempt that
 * is under way at its end is waited for.  http.c ends a silent attempt that may
 * be repeated at half of the time, so there is a second one.  What our own
 * limits (pace.h) make a request wait for is no part of that time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/creds.h"
#include "s3/request.h"

#define LAST_PART       8 /* in the last 1/8 of the time nothing new begins */
#define NONSENSE_MAX    3 /* answers that cannot be: one may be by chance */
#define OPENING_TRIES   4 /* s3_open() must not keep a person waiting */
#define OPENING_MS      8000
#define RETRY_AFTER_MAX 20000
#define SKEW_MIN_S      60 /* less than that is no reason to refuse */
#define NS_PER_S        INT64_C(1000000000)

/*
 * How far the server's time ${ns} is from the one that was signed: since then
 * another call may have corrected the clock.
 */
static int64_t
skew_of(const struct request *r, int64_t ns)
{
	return r->keys == NULL ? 0 : llabs(ns / NS_PER_S - r->signed_s);
}

static int64_t
fix_skew(struct request *r)
{
	int64_t server_ns = request_error(r)->server_time_ns;

	if (server_ns == 0)
		server_ns = r->x.head.date_ns;
	if (server_ns == 0 || r->has_new_skew ||
	    skew_of(r, server_ns) < SKEW_MIN_S)
		return -1;
	client_set_skew(r->s3, server_ns);
	r->has_new_skew = true;
	return 0;
}

static int64_t
fix_region(struct request *r)
{
	const char *name = request_error(r)->region;

	if (name[0] == '\0')
		name = r->x.head.region;
	if (r->has_new_region || name[0] == '\0' ||
	    strcmp(name, r->region) == 0)
		return -1;
	if (strcmp(name, s3_region(r->s3)) != 0 &&
	    client_set_region(r->s3, name) < 0)
		return -1;
	r->has_new_region = true;
	return 0;
}

/* Go where S3 says, this once; from AWS to AWS only. */
static int64_t
fix_redirect(struct request *r)
{
	const char *host = request_error(r)->endpoint;
	size_t len = strlen(r->s3->bucket);
	struct endpoint from;

	if (fix_region(r) == 0)
		return 0;
	if (r->has_redirect || client_endpoint(r->s3, r->region, &from) < 0)
		return -1;
	if (strncmp(host, r->s3->bucket, len) == 0 && host[len] == '.')
		host += len + 1;
	if (url_parse_endpoint(host, &r->redirect) < 0 || !from.is_aws ||
	    !r->redirect.is_aws)
		return -1;
	r->redirect.https = from.https;
	r->has_redirect = true;
	return 0;
}

/* ${is_said}: by the server; else it is a guess. */
static int64_t
fix_keys(struct request *r, bool is_said)
{
	if (r->has_new_keys || r->keys == NULL)
		return -1;
	if (is_said)
		creds_refresh(r->s3->creds, r->keys);
	else if (!creds_doubt(r->s3->creds, r->keys))
		return -1;
	r->has_new_keys = true;
	return 0;
}

/* Count the failure, and note since when nothing good came. */
static void
note_failure(struct request *r)
{
	const struct exchange *x = &r->x;

	r->tries++;
	if (r->since_ms != 0 && !r->has_moved)
		r->since_ms += x->held_ms;
	else if (r->has_moved || (x->sent && r->op->mutates))
		r->since_ms = x->own.last_ms;
	else
		r->since_ms = r->start_ms + x->held_ms;
}

/* How long a call may go on without anything good, in ms. */
static int64_t
limit_ms(const struct request *r)
{
	int64_t limit = (int64_t)r->s3->timeout_s * 1000;

	return r->s3->is_opening && limit > OPENING_MS ? OPENING_MS : limit;
}

/* When to try again after ${e}; -1: do not. */
static int64_t
back_off(struct request *r, const struct s3_error *e)
{
	const struct head *h = &r->x.head;
	bool is_answered = h->status != 0;
	int64_t ms, limit = limit_ms(r), left;

	note_failure(r);
	left = r->since_ms + limit - clock_mono_ms(r->s3->clock);
	if (left < limit / LAST_PART ||
	    (r->s3->is_opening && r->tries >= OPENING_TRIES))
		return -1;
	ms = client_retry_ms(r->s3, e, is_answered, r->tries);
	/* A pause that leaves no time to try again is shortened. */
	if (ms > left / 2)
		ms = left / 2;
	if (ms < h->retry_ms)
		ms = h->retry_ms < RETRY_AFTER_MAX ? h->retry_ms
						   : RETRY_AFTER_MAX;
	if (ms >= left)
		return -1;
	if (!r->op->mutates)
		r->x.end_ms = r->since_ms + limit;
	return ms;
}

/*
 * Answers to HEAD have no body, so no code: the region that the answer names,
 * and its Date, tell what a body would.  If they tell nothing, it may be that
 * the keys have expired.
 */
static enum error_retry
retry_of(struct request *r, const struct s3_error *e, const char *code)
{
	const struct head *h = &r->x.head;

	if (code[0] != '\0' || h->status < 300 || h->status >= 500)
		return e->retry;
	if (h->region[0] != '\0' && strcmp(h->region, r->region) != 0 &&
	    h->status != 404)
		return ERROR_REGION;
	if (h->status == 403 && h->date_ns != 0 &&
	    skew_of(r, h->date_ns) > S3_SKEW_MAX_S)
		return ERROR_SKEW;
	if (h->status == 400 ||
	    (h->status == 403 && r->keys != NULL && r->keys->token != NULL))
		return ERROR_CREDENTIALS;
	return e->retry;
}

int64_t
request_retry_ms(struct request *r, const struct s3_error *e, const char *code)
{
	switch (retry_of(r, e, code)) {
	case ERROR_NEVER:
		break;
	case ERROR_RETRY:
	case ERROR_THROTTLE:
		return back_off(r, e);
	case ERROR_RETRY_FEW:
		return ++r->nonsense < NONSENSE_MAX ? back_off(r, e) : -1;
	case ERROR_SKEW:
		return fix_skew(r);
	case ERROR_REGION:
		return fix_region(r);
	case ERROR_CREDENTIALS:
		return fix_keys(r, code[0] != '\0');
	case ERROR_REDIRECT:
		return fix_redirect(r);
	}
	return -1;
}

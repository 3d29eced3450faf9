/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3.c - the S3 client: the façade of the layer.
 *
 * Role:    opens and closes a client, hands calls to request.c, waits for
 *          them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/wait.h"
#include "s3/client.h"
#include "s3/creds.h"
#include "s3/http.h"
#include "s3/request.h"
#include "s3/xml.h"

#define DEFAULT_REGION  "us-east-1"
#define CONNECTIONS_MAX 256
#define SKEW_WARN_S     60
#ifndef PAILFS_VERSION
#define PAILFS_VERSION "0"
#endif

const char *
s3_kind_name(enum s3_kind kind)
{
	return request_op(kind)->name;
}

void
s3_call_init(struct s3_call *call, enum s3_kind kind)
{
	memset(call, 0, sizeof(*call));
	call->kind = kind;
}

void
s3_call_fini(struct s3_call *call)
{
	struct xml_parts parts = { .parts = call->ret_parts,
		.count = call->ret_parts_count };
	struct xml_uploads uploads = { .uploads = call->uploads,
		.count = call->uploads_count };

	request_free(call->request);
	call->request = NULL;
	object_fini(&call->object);
	xml_page_fini(&call->page);
	xml_parts_fini(&parts);
	call->ret_parts = NULL;
	call->ret_parts_count = 0;
	xml_uploads_fini(&uploads);
	call->uploads = NULL;
	call->uploads_count = 0;
	free(call->ret_upload_id);
	call->ret_upload_id = NULL;
}

/* An exchange that is never sent: it ends what has no memory of its own. */
static int
starved_prepare(struct exchange *x)
{
	(void)x;
	return -ENOMEM;
}

static void
starved_done(struct exchange *x)
{
	struct s3 *s3 =
	    (struct s3 *)(void *)((char *)x - offsetof(struct s3, net.starved));
	struct s3_call *call, *next;

	lock_take(&s3->lock);
	call = s3->shared.starved;
	s3->shared.starved = NULL;
	lock_drop(&s3->lock);
	for (; call != NULL; call = next) {
		/* Without a request, its field is the link of the chain. */
		next = (struct s3_call *)(void *)call->request;
		request_end_starved(s3, call);
	}
}

static const struct exchange_ops starved_ops = {
	.prepare = starved_prepare,
	.done = starved_done,
};

static void
starve(struct s3 *s3, struct s3_call *call)
{
	bool is_first;

	lock_take(&s3->lock);
	is_first = s3->shared.starved == NULL;
	call->request = (struct request *)(void *)s3->shared.starved;
	s3->shared.starved = call;
	lock_drop(&s3->lock);
	if (is_first)
		http_start(s3->http, &s3->net.starved);
}

void
s3_submit(struct s3 *s3, struct s3_call *call)
{
	s3_call_fini(call);
	memset(&call->result, 0, sizeof(call->result));
	call->received = 0;
	call->is_over = false;
	if (request_start(s3, call) < 0)
		starve(s3, call);
}

void
s3_cancel(struct s3 *s3, struct s3_call *call)
{
	http_cancel(s3->http, &call->request->x);
}

/* Name ${w} as who waits for ${call}, NULL: nobody.  Is it over? */
static bool
set_waiter(struct s3 *s3, struct s3_call *call, struct waiter *w)
{
	bool is_over;

	lock_take(&s3->lock);
	call->waiter = w;
	is_over = call->is_over;
	lock_drop(&s3->lock);
	return is_over;
}

int
s3_wait(struct s3 *s3, struct s3_call *call, struct waiter *w)
{
	struct waiter own;
	int r = 0;

	if (w == NULL) {
		waiter_init(&own);
		r = s3_wait(s3, call, &own);
		waiter_fini(&own);
		return r;
	}
	waiter_reset(w);
	while (!set_waiter(s3, call, w) && r == 0)
		r = waiter_wait(w, WAIT_FOREVER);
	return set_waiter(s3, call, NULL) ? 0 : r;
}

int
s3_run(struct s3 *s3, struct s3_call *call, struct waiter *w)
{
	bool is_interrupted;

	call->done = NULL;
	s3_submit(s3, call);
	is_interrupted = s3_wait(s3, call, w) < 0;
	if (is_interrupted) {
		s3_cancel(s3, call);
		(void)s3_wait(s3, call, NULL); /* cannot be interrupted */
		if (call->result.err == -ECANCELED)
			call->result.err = -EINTR;
	}
	return call->result.err;
}

static int
complain(struct s3_result *result, int err, const char *message)
{
	result->err = err;
	(void)snprintf(result->message, sizeof(result->message), "%s", message);
	return err;
}

static int
set_endpoint(
    struct s3 *s3, const struct s3_config *config, struct s3_result *result)
{
	if (config->endpoint == NULL)
		return 0;
	if (url_parse_endpoint(config->endpoint, &s3->endpoint) < 0)
		return complain(result, -EINVAL,
		    "endpoint must be a URL, as https://s3.example.org; "
		    "region= is for the name of a region");
	s3->has_endpoint = true;
	return 0;
}

static int
set_config(
    struct s3 *s3, const struct s3_config *config, struct s3_result *result)
{
	if (config->bucket == NULL || !url_is_bucket_name(config->bucket))
		return complain(
		    result, -EINVAL, "that cannot be the name of a bucket");
	if (config->connections < 1 || config->connections > CONNECTIONS_MAX)
		return complain(
		    result, -EINVAL, "connections must be 1 to 256");
	if (config->timeout_s < 1)
		return complain(
		    result, -EINVAL, "timeout must be a second or more");
	s3->bucket = strdup(config->bucket);
	if (s3->bucket == NULL)
		return complain(result, -ENOMEM, "out of memory");
	s3->path_style = config->path_style;
	s3->sign_payload = config->sign_payload;
	s3->checksum = config->checksum;
	s3->timeout_s = config->timeout_s;
	s3->clock = config->clock != NULL ? config->clock : &clock_system;
	s3->is_opening = true;
	s3->net.tokens = CLIENT_TOKENS;
	return set_endpoint(s3, config, result);
}

static int
open_creds(
    struct s3 *s3, const struct s3_config *config, struct s3_result *result)
{
	const struct creds_query query = { .bucket = config->bucket,
		.profile = config->profile,
		.passwd_file = config->passwd_file,
		.no_sign = config->no_sign,
		.clock = s3->clock };
	struct buf note = BUF_INIT(8192);
	AUTO_FREE char *region = NULL;
	int r;

	if (config->region == NULL)
		region = creds_find_region(&query);
	r = client_set_region(s3, config->region != NULL ? config->region
				  : region != NULL       ? region
							 : DEFAULT_REGION);
	if (r < 0)
		return complain(
		    result, r, "that cannot be the name of a region");
	r = creds_open(&query, &s3->creds, &note);
	(void)complain(
	    result, r, note.len > 0 || r == 0 ? buf_str(&note) : strerror(-r));
	buf_fini(&note);
	return r;
}

/* The CA certificates to trust, NULL: the machine's. */
static const char *
ca_file(void)
{
	static const char *const names[] = { "AWS_CA_BUNDLE", "CURL_CA_BUNDLE",
		"SSL_CERT_FILE" };
	const char *value = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		value = getenv(names[i]);
		if (value != NULL && value[0] != '\0')
			return value;
	}
	return NULL;
}

static int
open_http(
    struct s3 *s3, const struct s3_config *config, struct s3_result *result)
{
	const struct http_config hc = { .clock = s3->clock,
		.ca_file = ca_file(),
		.user_agent = "pailfs/" PAILFS_VERSION,
		.connections = config->connections,
		.timeout_s = config->timeout_s,
		.limits = { .bytes_s = { [PACE_UP] = config->max_upload,
				[PACE_DOWN] = config->max_download },
		    .requests_s = config->max_requests } };
	int r = http_open(&hc, &s3->http);

	return r < 0 ? complain(result, r, strerror(-r)) : 0;
}

/*
 * Ask the bucket.  An answer to HEAD has no body, so what is not plain is
 * asked again as a listing, whose error says more.
 */
static int
probe(struct s3 *s3, struct s3_result *result)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_HEAD_BUCKET);
	r = s3_run(s3, &call, NULL);
	if (r < 0 && call.result.status >= 300) {
		s3_call_fini(&call);
		s3_call_init(&call, S3_LIST_OBJECTS);
		call.max_keys = 1;
		r = s3_run(s3, &call, NULL);
	}
	if (r < 0)
		*result = call.result;
	else
		result->err = 0;
	if (r < 0 && call.result.status == 0 && r != -EINVAL && r != -ENOMEM &&
	    r != -EACCES)
		r = result->err = -EHOSTUNREACH;
	s3_call_fini(&call);
	return r;
}

static void
warn_skew(struct s3 *s3, struct s3_result *result)
{
	int64_t s = client_skew_s(s3);

	if (llabs(s) >= SKEW_WARN_S && result->message[0] == '\0')
		(void)snprintf(result->message, sizeof(result->message),
		    "the clock of this machine is off by %lld s: set it",
		    (long long)s);
}

int
s3_open(
    const struct s3_config *config, struct s3 **ret, struct s3_result *result)
{
	struct s3 *s3 = calloc(1, sizeof(*s3));
	int r;

	memset(result, 0, sizeof(*result));
	if (s3 == NULL)
		return complain(result, -ENOMEM, "out of memory");
	lock_init(&s3->lock);
	exchange_init(&s3->net.starved, &starved_ops);
	r = set_config(s3, config, result);
	if (r == 0)
		r = open_http(s3, config, result);
	if (r == 0)
		r = open_creds(s3, config, result);
	if (r == 0)
		r = probe(s3, result);
	if (r < 0) {
		s3_close(s3);
		return r;
	}
	s3->is_opening = false;
	warn_skew(s3, result);
	*ret = s3;
	return 0;
}

void
s3_close(struct s3 *s3)
{
	struct region *region;

	if (s3 == NULL)
		return;
	http_close(s3->http);
	creds_close(s3->creds);
	while (s3->shared.region != NULL) {
		region = s3->shared.region;
		s3->shared.region = region->before;
		free(region);
	}
	sign_cache_fini(&s3->net.sign);
	exchange_fini(&s3->net.starved);
	lock_fini(&s3->lock);
	free(s3->bucket);
	free(s3);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.c - one S3 call on its way: send, judge, retry.
 *
 * Role:    decides, after each attempt, whether the call is over; what an
 *          answer means is said by error.c, how to ask by op and
 *          request_build.c.
 * Threads: the net thread; request_start() and request_free() any.
 *
 * A call gives up when nothing came for timeout_s, neither a byte nor an
 * answer; or after ANSWERED_MAX answers that say "later".  Bytes of an object
 * that came set both to nothing, and a GET goes on after them.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/log.h"
#include "s3/creds.h"
#include "s3/http.h"
#include "s3/request.h"

#define ANSWERED_MAX    10
#define OPENING_TRIES   4 /* s3_open() must not keep a person waiting */
#define OPENING_MS      8000
#define RETRY_AFTER_MAX 20000
#define SKEW_MIN_S      60    /* less than that is no reason to refuse */
#define ERROR_SKIP_MAX  65536 /* of an error that is no XML */
#define NS_PER_S        INT64_C(1000000000)

static const struct op *const ops[S3_KIND_COUNT] = {
	[S3_HEAD_BUCKET] = &op_head_bucket,
	[S3_LIST_OBJECTS] = &op_list_objects,
	[S3_HEAD_OBJECT] = &op_head_object,
	[S3_GET_OBJECT] = &op_get_object,
	[S3_PUT_OBJECT] = &op_put_object,
	[S3_COPY_OBJECT] = &op_copy_object,
	[S3_DELETE_OBJECT] = &op_delete_object,
	[S3_DELETE_OBJECTS] = &op_delete_objects,
	[S3_CREATE_MULTIPART_UPLOAD] = &op_create_multipart_upload,
	[S3_UPLOAD_PART] = &op_upload_part,
	[S3_UPLOAD_PART_COPY] = &op_upload_part_copy,
	[S3_COMPLETE_MULTIPART_UPLOAD] = &op_complete_multipart_upload,
	[S3_ABORT_MULTIPART_UPLOAD] = &op_abort_multipart_upload,
	[S3_LIST_PARTS] = &op_list_parts,
	[S3_LIST_MULTIPART_UPLOADS] = &op_list_multipart_uploads,
};

const struct op *
request_op(enum s3_kind kind)
{
	return ops[kind];
}

static struct request *
request_of(struct exchange *x)
{
	return (
	    struct request *)(void *)((char *)x - offsetof(struct request, x));
}

int
request_refuse(struct request *r, const char *code, const char *detail)
{
	r->refusal = code;
	r->detail = detail;
	return -EBADMSG;
}

/* Forget what the attempt before brought. */
static void
forget_answer(struct request *r)
{
	xml_free(r->xml);
	r->xml = NULL;
	r->is_xml_error = false;
	r->is_ok = false;
	r->has_moved = false;
	r->skipped = 0;
	r->refusal = NULL;
}

/* The call is over: give back all but what s3_call_fini() frees. */
static void
shed(struct request *r)
{
	forget_answer(r);
	request_out_fini(&r->out);
	curl_slist_free_all(r->lines);
	r->lines = NULL;
	creds_keys_put(r->keys);
	r->keys = NULL;
	free(r->url);
	r->url = NULL;
	free(r->get.etag);
	r->get.etag = NULL;
	xml_written_fini(&r->written);
	xml_parts_fini(&r->parts);
	xml_uploads_fini(&r->uploads);
	free(r->marker);
	r->marker = NULL;
	free(r->marker_id);
	r->marker_id = NULL;
	free(r->batch);
	r->batch = NULL;
}

void
request_free(struct request *r)
{
	if (r == NULL)
		return;
	shed(r);
	exchange_fini(&r->x);
	free(r);
}

/* Errors that say something of the key, not of the client or the server. */
static bool
is_error_of_key(int err)
{
	static const int table[] = { -ENOENT, -ESTALE, -EAGAIN, -ERANGE,
		-ECANCELED };

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		if (err == table[i])
			return true;
	}
	return false;
}

/* Hand the call back.  It may be gone afterwards, and ${r} with it. */
static void
end(struct request *r, int err)
{
	struct s3_call *call = r->call;

	call->result.err = err;
	call->result.unsure = err < 0 && r->is_unsure;
	if (err == 0) {
		call->result.message[0] = '\0';
		call->result.code[0] = '\0';
		client_refill(r->s3, r->failures);
	}
	shed(r);
	client_count_call(r->s3, -1, err < 0 && !is_error_of_key(err));
	call->done(call);
}

/* Send the next attempt in ${ms}. */
static void
again(struct request *r, int64_t ms)
{
	r->x.start_ms = clock_mono_ms(r->s3->clock) + ms;
	http_start(r->s3->http, &r->x);
}

static void
next_step(struct request *r)
{
	r->tries = 0;
	r->answered = 0;
	r->since_ms = 0;
	r->is_retry = false;
	again(r, 0);
}

/* The step failed for good, with the message set. */
static void
end_step(struct request *r, int err)
{
	int rc = err;

	if (r->op->failed != NULL && err != -ECANCELED)
		rc = r->op->failed(r, err);
	if (rc == 1)
		next_step(r);
	else
		end(r, rc);
}

static const struct xml_error *
error_of(const struct request *r)
{
	static const struct xml_error none;

	return r->xml != NULL ? xml_error(r->xml) : &none;
}

static void
set_message(struct request *r, const struct s3_error *e, const char *code)
{
	const struct xml_error *xe = error_of(r);
	struct s3_result *result = &r->call->result;
	struct s3_error_info info = {
		.status = r->x.head.status,
		.code = code,
		.server_message = xe->message,
		.bucket = r->s3->bucket,
		.key = r->out.key,
		.endpoint = r->url,
		.region = r->region,
		.server_region =
		    xe->region[0] != '\0' ? xe->region : r->x.head.region,
		.detail = r->detail != NULL ? r->detail : r->x.detail,
		.skew_s = client_skew_s(r->s3),
	};
	struct buf b = BUF_INIT(1024);
	struct endpoint endpoint;

	if (client_endpoint(r->s3, r->region, &endpoint) == 0 &&
	    url_endpoint_print(&b, &endpoint) == 0)
		info.endpoint = buf_str(&b);
	s3_error_message(e, &info, result->message, sizeof(result->message));
	buf_fini(&b);
}

/* May the server have acted on an attempt that ended with ${status}? */
static void
note_effect(struct request *r, unsigned status)
{
	if (!r->op->mutates || !r->x.sent)
		return;
	if (status < 300 || status == 500 || status == 502 || status == 504)
		r->is_unsure = true;
}

/* Something of ours or the caller's failed, not the server. */
static void
fail_here(struct request *r, int err)
{
	struct s3_result *result = &r->call->result;

	note_effect(r, 0);
	(void)snprintf(result->message, sizeof(result->message), "%s: %s",
	    r->op->name, r->detail != NULL ? r->detail : strerror(-err));
	end_step(r, err);
}

static int64_t
fix_skew(struct request *r)
{
	int64_t server_ns = error_of(r)->server_time_ns;
	int64_t here_s = client_time_s(r->s3);

	if (server_ns == 0)
		server_ns = r->x.head.date_ns;
	if (server_ns == 0 || r->has_new_skew ||
	    llabs(server_ns / NS_PER_S - here_s) < SKEW_MIN_S)
		return -1;
	client_set_skew(r->s3, server_ns);
	r->has_new_skew = true;
	return 0;
}

static int64_t
fix_region(struct request *r)
{
	const char *name = error_of(r)->region;

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
	const char *host = error_of(r)->endpoint;
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

static int64_t
fix_keys(struct request *r)
{
	if (r->has_new_keys || r->keys == NULL)
		return -1;
	creds_refresh(r->s3->creds, r->keys);
	r->has_new_keys = true;
	return 0;
}

/* Count the failure, and note since when neither byte nor answer came. */
static void
note_failure(struct request *r)
{
	const struct exchange *x = &r->x;
	bool is_answered = x->head.status != 0;

	r->tries++;
	if (is_answered)
		r->answered++;
	if (is_answered && !r->has_moved && x->err != -ETIMEDOUT)
		r->since_ms = 0;
	else if (r->since_ms == 0 || r->has_moved)
		r->since_ms = x->sent ? x->own.last_ms : r->start_ms;
}

/* When to try again after ${e}; -1: do not. */
static int64_t
back_off(struct request *r, const struct s3_error *e)
{
	const struct head *h = &r->x.head;
	int64_t now = clock_mono_ms(r->s3->clock);
	int64_t limit = (int64_t)r->s3->timeout_s * 1000;
	int64_t ms;

	if (r->s3->is_opening && limit > OPENING_MS)
		limit = OPENING_MS;
	note_failure(r);
	if (r->answered >= ANSWERED_MAX ||
	    (r->s3->is_opening && r->tries >= OPENING_TRIES))
		return -1;
	ms = client_retry_ms(r->s3, e, h->status != 0, r->tries);
	if (ms < h->retry_ms)
		ms = h->retry_ms < RETRY_AFTER_MAX ? h->retry_ms
						   : RETRY_AFTER_MAX;
	if (r->since_ms != 0 && now + ms - r->since_ms >= limit)
		return -1;
	return ms;
}

/*
 * Answers to HEAD have no body, so no code: the region that the answer names,
 * and its Date, tell what a body would.
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
	    llabs(h->date_ns / NS_PER_S - client_time_s(r->s3)) > S3_SKEW_MAX_S)
		return ERROR_SKEW;
	if (h->status == 400 && r->keys != NULL && r->keys->token != NULL)
		return ERROR_CREDENTIALS;
	return e->retry;
}

/* The attempt failed: ${status} (0: no answer, or none to believe). */
static void
fail(struct request *r, unsigned status, const char *code)
{
	const struct s3_error *e = s3_error_find(status, code);
	struct s3_result *result = &r->call->result;
	int64_t ms = -1;

	r->failures++;
	note_effect(r, status);
	switch (retry_of(r, e, code)) {
	case ERROR_NEVER:
		break;
	case ERROR_RETRY:
	case ERROR_THROTTLE:
		ms = back_off(r, e);
		break;
	case ERROR_SKEW:
		ms = fix_skew(r);
		break;
	case ERROR_REGION:
		ms = fix_region(r);
		break;
	case ERROR_CREDENTIALS:
		ms = fix_keys(r);
		break;
	case ERROR_REDIRECT:
		ms = fix_redirect(r);
		break;
	}
	log_debug("s3=%s key=%s status=%u code=%s request=%s attempt=%u "
		  "retry_ms=%lld detail=%s",
	    r->op->name, r->out.key != NULL ? r->out.key : "", status, code,
	    result->request_id, result->attempts, (long long)ms,
	    r->detail != NULL ? r->detail : r->x.detail);
	r->x.fresh = r->x.head.status == 0;
	if (ms >= 0) {
		r->is_retry = true;
		again(r, ms);
		return;
	}
	(void)snprintf(result->code, sizeof(result->code), "%s",
	    status == 0 && r->x.head.status != 0 ? "" : code);
	set_message(r, e, code);
	end_step(r, e->err);
}

/* Judge an answer that is complete. */
static void
judge(struct request *r)
{
	unsigned status = r->x.head.status;
	int rc = r->xml == NULL ? -ENODATA : xml_end(r->xml);

	if (r->xml != NULL && rc == (r->is_xml_error ? 0 : -EREMOTEIO)) {
		fail(r, status, xml_error(r->xml)->code);
		return;
	}
	if (!r->is_ok) {
		fail(r, status, "");
		return;
	}
	if (rc == -ENOMEM) {
		fail_here(r, rc);
		return;
	}
	if (rc < 0 && r->xml != NULL && !r->is_xml_error) {
		r->detail = "the answer is not the document it should be";
		fail(r, 0, ERROR_BAD_ANSWER);
		return;
	}
	rc = r->op->finish == NULL ? 0 : r->op->finish(r);
	if (rc == 1)
		next_step(r);
	else if (rc == 0)
		end(r, 0);
	else if (r->refusal != NULL)
		fail(r, 0, r->refusal);
	else
		fail_here(r, rc);
}

static void
account(struct request *r)
{
	const struct exchange *x = &r->x;
	struct s3_result *result = &r->call->result;
	const char *id = x->head.request_id;

	if (r->xml != NULL && id[0] == '\0')
		id = xml_error(r->xml)->request_id;
	result->status = x->head.status;
	(void)snprintf(
	    result->request_id, sizeof(result->request_id), "%s", id);
	if (x->sent) {
		result->sent_ms = x->sent_ms;
		result->attempts++;
		client_count_sent(r->s3, r->out.kind, r->is_retry);
	}
	client_count_bytes(r->s3, x->sent_len, 0);
	if (r->has_moved) {
		r->tries = 0;
		r->answered = 0;
	}
}

static void
on_done(struct exchange *x)
{
	struct request *r = request_of(x);
	bool is_cut = !r->is_ok && r->skipped > ERROR_SKIP_MAX;

	account(r);
	if (x->err == -ECANCELED) {
		note_effect(r, 0);
		set_message(
		    r, s3_error_find(0, ERROR_CANCELED), ERROR_CANCELED);
		end_step(r, -ECANCELED);
	} else if (x->err == 0 || is_cut) {
		client_set_reachable(r->s3, true);
		judge(r);
	} else if (x->is_local && r->refusal == NULL) {
		fail_here(r, x->err);
	} else if (x->is_local) {
		fail(r, 0, r->refusal);
	} else {
		client_set_reachable(r->s3, x->head.status != 0);
		fail(r, 0, s3_error_code(x->err));
	}
}

static int
on_prepare(struct exchange *x)
{
	struct request *r = request_of(x);

	forget_answer(r);
	r->start_ms = clock_mono_ms(r->s3->clock);
	return request_build(r);
}

static int64_t
on_source(struct exchange *x, uint64_t off, void *data, size_t len)
{
	struct s3_call *call = request_of(x)->call;

	return call->source(call->arg, off, data, len);
}

static int
on_head(struct exchange *x)
{
	struct request *r = request_of(x);

	r->is_ok = x->head.status >= 200 && x->head.status < 300;
	if (r->is_ok && r->op->head != NULL)
		return r->op->head(r);
	if (r->is_ok && r->op->open != NULL)
		return r->op->open(r, &r->xml);
	return 0;
}

static int
on_data(struct exchange *x, const void *data, size_t len)
{
	struct request *r = request_of(x);
	int rc;

	client_count_bytes(r->s3, 0, len);
	if (r->is_ok && r->op->data != NULL)
		return r->op->data(r, data, len);
	if (r->xml == NULL) {
		rc = xml_open_error(&r->xml);
		if (rc < 0)
			return rc;
		r->is_xml_error = true;
	}
	rc = xml_push(r->xml, data, len);
	if (rc == -ENOMEM || rc == 0)
		return rc;
	if (!r->is_xml_error)
		return request_refuse(r, ERROR_BAD_ANSWER,
		    "the answer is not the document it should be");
	r->skipped += len;
	return r->skipped > ERROR_SKIP_MAX ? -EBADMSG : 0;
}

static const struct exchange_ops exchange_ops = {
	.prepare = on_prepare,
	.source = on_source,
	.head = on_head,
	.data = on_data,
	.done = on_done,
};

int
request_start(struct s3 *s3, struct s3_call *call)
{
	struct request *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	exchange_init(&r->x, &exchange_ops);
	request_out_fini(&r->out);
	r->x.background = call->background;
	r->s3 = s3;
	r->call = call;
	r->op = request_op(call->kind);
	call->request = r;
	client_count_call(s3, 1, false);
	http_start(s3->http, &r->x);
	return 0;
}

void
request_end_starved(struct s3 *s3, struct s3_call *call)
{
	call->request = NULL;
	call->result.err = -ENOMEM;
	(void)snprintf(call->result.message, sizeof(call->result.message),
	    "out of memory");
	client_count_call(s3, 0, true);
	call->done(call);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.c - one S3 call on its way: send, judge, send again.
 *
 * Role:    decides, after each attempt, whether the call is over; what an
 *          answer means is said by error.c, how to ask by op and
 *          request_build.c, whether to ask again by request_retry.c.
 * Threads: the net thread; request_start() and request_free() any.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/killpoint.h"
#include "s3/base/log.h"
#include "s3/creds.h"
#include "s3/http.h"
#include "s3/request.h"

#define ERROR_SKIP_MAX 65536 /* of an error that is no XML */

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
	digest_fini(&r->get.digest);
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
	client_end_call(r->s3, call);
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
	r->nonsense = 0;
	r->since_ms = 0;
	r->x.end_ms = 0;
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

const struct xml_error *
request_error(const struct request *r)
{
	static const struct xml_error none;

	return r->xml != NULL ? xml_error(r->xml) : &none;
}

static void
set_message(struct request *r, const struct s3_error *e, const char *code)
{
	const struct xml_error *xe = request_error(r);
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

/* What ${status} and ${code} mean.  A HEAD of what a program may name is never
 * a bad request; its answer has no body that tells what it is. */
static const struct s3_error *
find_error(const struct request *r, unsigned status, const char *code)
{
	if (status == 400 && code[0] == '\0' &&
	    strcmp(r->op->method, "HEAD") == 0)
		return s3_error_find(0, ERROR_UNSAID);
	return s3_error_find(status, code);
}

/* The attempt failed: ${status} (0: no answer, or none to believe). */
static void
fail(struct request *r, unsigned status, const char *code)
{
	const struct s3_error *e = find_error(r, status, code);
	struct s3_result *result = &r->call->result;
	int64_t ms;

	r->failures++;
	note_effect(r, status);
	ms = request_retry_ms(r, e, code);
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

/* The answer was not taken by its parser, with ${rc}. */
static int
refuse_document(struct request *r, int rc)
{
	if (rc == -EDOM)
		return request_refuse(r, ERROR_NONSENSE, xml_detail(r->xml));
	return request_refuse(
	    r, ERROR_BAD_ANSWER, "the answer is not the document it should be");
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
		(void)refuse_document(r, rc); /* told by the next line */
		fail(r, 0, r->refusal);
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
	if (r->has_moved)
		r->tries = 0;
}

static void
on_done(struct exchange *x)
{
	struct request *r = request_of(x);
	bool is_cut = !r->is_ok && r->skipped > ERROR_SKIP_MAX;

	KILL_POINT("s3.%s.after", s3_kind_name(r->call->kind));
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
	/* Less what is added as held_ms at its end. */
	r->start_ms = clock_mono_ms(r->s3->clock) - x->held_ms;
	KILL_POINT("s3.%s.before", s3_kind_name(r->call->kind));
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
	if (rc == 0 && r->is_ok && r->op->parsed != NULL)
		r->op->parsed(r);
	if (rc == -ENOMEM || rc == 0)
		return rc;
	if (!r->is_xml_error)
		return refuse_document(r, rc);
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
	digest_init(&r->get.digest);
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
	client_end_call(s3, call);
}

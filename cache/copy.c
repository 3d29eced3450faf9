/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.c - copies within S3: one CopyObject, or parts where that is too much.
 *
 * Threads: the caller's; done() of parts runs on the net thread.
 * S3:      API_CopyObject, API_UploadPartCopy; a failure whose reason may be
 *          our own success is settled by a HEAD of the destination.
 */
#include "cache/copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/attrs.h"
#include "cache/core.h"
#include "cache/probe.h"
#include "cache/sweep.h"
#include "s3/base/cleanup.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

#define PART_LEN  (UINT64_C(256) << 20) /* at least */
#define PART_UNIT (UINT64_C(1) << 20)   /* a multiple of it */
#define FLIGHT    16                    /* parts at once */

void
copy_result_fini(struct copy_result *r)
{
	free(r->etag);
	free(r->version_id);
	*r = (struct copy_result){ 0 };
}

/* Note how a call ended; the object that it made is taken from it. */
static void
take_result(struct cache *c, struct s3_call *call, struct copy_result *ret)
{
	copy_result_fini(ret);
	ret->attempts = call->result.attempts;
	ret->unsure = call->result.unsure;
	ret->sent_ms = cache_ms(c, call->result.sent_ms);
	memcpy(ret->message, call->result.message, sizeof(ret->message));
	if (call->result.err < 0)
		return;
	ret->etag = TAKE(call->object.etag);
	ret->version_id = TAKE(call->object.version_id);
	if (ret->etag != NULL && ret->etag[0] == '\0') {
		free(ret->etag);
		ret->etag = NULL;
	}
}

/* ---- what a failure means ---- */

/* Whether ${head} carries all of the metadata that was sent. */
static bool
has_meta(const struct s3_object *head, const struct copy *what)
{
	for (size_t i = 0; i < what->meta_count; i++) {
		const struct s3_meta *m = &what->meta[i];
		bool found = false;

		for (size_t k = 0; k < head->meta_count && !found; k++)
			found = strcmp(head->meta[k].name, m->name) == 0 &&
				strcmp(head->meta[k].value, m->value) == 0;
		if (!found)
			return false;
	}
	return true;
}

/* Whether both objects are of one generation of ours, or of the same bytes. */
static int
is_same(const struct s3_object *a, const struct s3_object *b)
{
	struct attrs x, y;
	bool same = false;
	int r;

	attrs_init(&x);
	attrs_init(&y);
	r = attrs_read(a->meta, a->meta_count, a->content_type, &x);
	if (r == 0)
		r = attrs_read(b->meta, b->meta_count, b->content_type, &y);
	if (r == 0)
		same = text_same(x.token, y.token) &&
		       (x.token != NULL ||
			   (a->etag != NULL && text_same(a->etag, b->etag)));
	attrs_fini(&x);
	attrs_fini(&y);
	return r < 0 ? r : same;
}

static void
head_init(struct s3_call *head, const char *key, const char *version_id)
{
	s3_call_init(head, S3_HEAD_OBJECT);
	head->key = key;
	head->version_id = version_id;
}

/* Whether ${head}, of the destination, is of our copy: 1, 0, -errno. */
static int
is_ours(struct cache *c, const struct copy *what, const struct s3_object *head,
    struct waiter *w)
{
	struct s3_call source;
	int r;

	if (head->size != what->size)
		return 0;
	if (what->replace_meta || what->size > S3_COPY_MAX)
		return has_meta(head, what);
	head_init(&source, what->source_key, what->source_version_id);
	r = s3_run(c->s3, &source, w);
	if (r == 0)
		r = is_same(head, &source.object);
	else if (r == -ENOENT)
		r = head->etag != NULL &&
		    text_same(head->etag, what->source_etag);
	s3_call_fini(&source);
	return r;
}

/*
 * The request failed with ${err}, at least an earlier try of it may have had
 * its effect: look.  Returns: 0 it had; else ${err}; unsure says whether that
 * was found out.
 */
static int
settle(struct cache *c, const struct copy *what, int err, struct waiter *w,
    struct copy_result *ret)
{
	struct s3_call head;
	int r;

	head_init(&head, what->key, NULL);
	r = s3_run(c->s3, &head, w);
	if (r == -ENOENT)
		r = 0;
	else if (r == 0)
		r = is_ours(c, what, &head.object, w);
	log_debug("copy key=%s err=%d settled=%d request=%s", what->key, err, r,
	    head.result.request_id);
	if (r > 0) {
		unsigned attempts = ret->attempts;

		take_result(c, &head, ret);
		ret->attempts = attempts;
		err = 0;
	} else {
		ret->unsure = r < 0;
	}
	s3_call_fini(&head);
	return err;
}

/* Which condition did not hold?  Returns: ${err}, or what it should be. */
static int
judge(struct cache *c, const struct copy *what, int err, struct waiter *w,
    struct copy_result *ret)
{
	bool at_source = what->source_etag != NULL;
	bool at_key = what->if_match != NULL || what->if_absent;
	struct s3_call head;
	int r;

	/* A condition on what is not there may be answered by 404. */
	if (err != -ESTALE && (err != -ENOENT || what->if_match == NULL))
		return err;
	ret->is_source = at_source;
	if (err == -ESTALE && !(at_source && at_key))
		return err;
	head_init(&head, what->source_key, what->source_version_id);
	r = s3_run(c->s3, &head, w);
	ret->is_source = r < 0 || (at_source && !text_same(head.object.etag,
						    what->source_etag));
	s3_call_fini(&head);
	return r == 0 ? -ESTALE : err;
}

/* All that is left to do after the request that makes the object. */
static int
conclude(struct cache *c, const struct copy *what, int err, struct waiter *w,
    struct copy_result *ret)
{
	/* One that was cancelled may still be at work: a look says nothing. */
	if (err == 0 || err == -EINTR)
		return err;
	if (ret->unsure || ret->attempts > 1)
		err = settle(c, what, err, w, ret);
	return err == 0 || ret->unsure ? err : judge(c, what, err, w, ret);
}

/* ---- conditions that the server lacks ---- */

static int
check_source(struct cache *c, const struct copy *what, struct waiter *w,
    struct copy_result *ret)
{
	int r;

	if (what->source_etag == NULL)
		return 0;
	r = probe_check(
	    c, PROBE_COPY_SOURCE, what->source_key, what->source_etag, w);
	ret->is_source = r == -ESTALE;
	return r;
}

static int
check_key(struct cache *c, const struct copy *what, enum probe_kind match,
    enum probe_kind absent, struct waiter *w)
{
	if (what->if_match != NULL)
		return probe_check(c, match, what->key, what->if_match, w);
	return what->if_absent ? probe_check(c, absent, what->key, NULL, w) : 0;
}

/* ---- one call ---- */

static int
copy_whole(struct cache *c, const struct copy *what, struct waiter *w,
    struct copy_result *ret)
{
	struct s3_call call;
	int r;

	r = check_key(c, what, PROBE_COPY_MATCH, PROBE_COPY_ABSENT, w);
	if (r < 0)
		return r;
	s3_call_init(&call, S3_COPY_OBJECT);
	call.key = what->key;
	call.if_match = what->if_match;
	call.if_none_match = what->if_absent ? "*" : NULL;
	call.source_key = what->source_key;
	call.source_version_id = what->source_version_id;
	call.source_if_match = what->source_etag;
	call.replace_meta = what->replace_meta;
	if (what->replace_meta) {
		call.content_type = what->content_type;
		call.meta = what->meta;
		call.meta_count = what->meta_count;
	}
	keylock_set_sending(&c->keylocks, what->key, true);
	r = s3_run(c->s3, &call, w);
	take_result(c, &call, ret);
	s3_call_fini(&call);
	return conclude(c, what, r, w, ret);
}

/* ---- by parts ---- */

enum slot_state {
	SLOT_FREE,
	SLOT_BUSY,
	SLOT_DONE
};

/* A part on its way. */
struct slot {
	struct batch *batch;
	enum slot_state state; /* [lock] */
	struct s3_call call;   /* the net thread's while it is busy */
};

struct batch {
	struct cache *cache;
	const struct copy *what;
	const char *upload_id;
	uint64_t note;         /* of sweep.h */
	struct lock lock;      /* above the http queue */
	struct waiter *waiter; /* [lock] of who waits for slots */
	struct slot slots[FLIGHT];
	uint64_t part_len;
	struct s3_part *parts; /* owned */
	size_t count;
	size_t next; /* index of the next to send */
	int err;     /* the first */
	struct copy_result *ret;
};

static void
part_done(struct s3_call *call)
{
	struct slot *slot = call->arg;
	struct batch *b = slot->batch;

	lock_take(&b->lock);
	slot->state = SLOT_DONE;
	waiter_wake(b->waiter);
	lock_drop(&b->lock);
}

static void
part_send(struct batch *b, struct slot *slot)
{
	const struct copy *what = b->what;
	struct s3_call *call = &slot->call;

	s3_call_init(call, S3_UPLOAD_PART_COPY);
	call->key = what->key;
	call->upload_id = b->upload_id;
	call->part_number = (unsigned)b->next + 1;
	call->source_key = what->source_key;
	call->source_version_id = what->source_version_id;
	call->source_if_match = what->source_etag;
	call->off = b->next * b->part_len;
	call->len = what->size - call->off < b->part_len
			? what->size - call->off
			: b->part_len;
	call->done = part_done;
	call->arg = slot;
	slot->batch = b;
	b->next++;
	lock_take(&b->lock);
	slot->state = SLOT_BUSY;
	lock_drop(&b->lock);
	s3_submit(b->cache->s3, call);
}

/* The batch fails: no part is sent any more, those on their way end soon. */
static void
batch_fail(struct batch *b, int err)
{
	if (b->err != 0)
		return;
	b->err = err;
	lock_take(&b->lock);
	for (size_t i = 0; i < FLIGHT; i++)
		if (b->slots[i].state == SLOT_BUSY)
			s3_cancel(b->cache->s3, &b->slots[i].call);
	lock_drop(&b->lock);
}

/* How a call of the upload ended; that this is gone is no missing object. */
static int
upload_error(const struct s3_call *call)
{
	if (call->result.err == -ENOENT &&
	    strcmp(call->result.code, "NoSuchUpload") == 0)
		return -EIO;
	return call->result.err;
}

/* Take over what came of a part. */
static void
part_take(struct batch *b, struct slot *slot)
{
	struct s3_call *call = &slot->call;
	int err = upload_error(call);

	if (err == 0 && call->ret_parts_count == 0)
		err = -EIO;
	if (err == 0) {
		struct s3_part *part = &b->parts[call->part_number - 1];

		*part = call->ret_parts[0];
		call->ret_parts[0].etag = NULL; /* is the batch's now */
	} else if (b->err == 0) {
		take_result(b->cache, call, b->ret);
		b->ret->unsure = false; /* a part alone changes nothing */
		b->ret->is_source = err == -ESTALE;
		batch_fail(b, err);
	}
	s3_call_fini(call);
}

/* Take what is done, send what there is room for; whether any is under way. */
static bool
batch_step(struct batch *b)
{
	bool is_busy = false;

	for (size_t i = 0; i < FLIGHT; i++) {
		struct slot *slot = &b->slots[i];
		enum slot_state state;

		lock_take(&b->lock);
		state = slot->state;
		if (state == SLOT_DONE)
			slot->state = SLOT_FREE;
		lock_drop(&b->lock);
		if (state == SLOT_DONE)
			part_take(b, slot);
		if (state != SLOT_BUSY && b->err == 0 && b->next < b->count) {
			part_send(b, slot);
			state = SLOT_BUSY;
		}
		is_busy = is_busy || state == SLOT_BUSY;
	}
	return is_busy;
}

/* Copy all parts. */
static int
batch_run(struct batch *b, struct waiter *w)
{
	struct waiter own;

	waiter_init(&own);
	b->waiter = w != NULL ? w : &own;
	lock_init(&b->lock);
	while (batch_step(b)) {
		if (waiter_wait(b->waiter, WAIT_FOREVER) != -EINTR)
			continue;
		batch_fail(b, -EINTR);
		lock_take(&b->lock);
		b->waiter = &own;
		lock_drop(&b->lock);
	}
	lock_fini(&b->lock);
	waiter_fini(&own);
	return b->err;
}

static int
complete(struct batch *b, struct waiter *w)
{
	const struct copy *what = b->what;
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_COMPLETE_MULTIPART_UPLOAD);
	call.key = what->key;
	call.upload_id = b->upload_id;
	call.parts = b->parts;
	call.parts_count = b->count;
	call.complete_size = what->size;
	call.if_match = what->if_match;
	call.if_none_match = what->if_absent ? "*" : NULL;
	keylock_set_sending(&b->cache->keylocks, what->key, true);
	(void)s3_run(b->cache->s3, &call, w); /* it is in the result, too */
	take_result(b->cache, &call, b->ret);
	r = upload_error(&call);
	if (r == -ENOENT && what->if_match != NULL)
		r = -ESTALE; /* of what is not there */
	s3_call_fini(&call);
	if (r != 0 && r != -EINTR && (b->ret->unsure || b->ret->attempts > 1))
		r = settle(b->cache, what, r, w, b->ret);
	return r;
}

/* Leave no parts behind that cost money. */
static void
abort_upload(struct batch *b)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_ABORT_MULTIPART_UPLOAD);
	call.key = b->what->key;
	call.upload_id = b->upload_id;
	r = s3_run(b->cache->s3, &call, NULL);
	log_debug("copy key=%s aborted=%d", b->what->key, r);
	if (r == 0 || r == -ENOENT)
		sweep_end(b->cache, b->note);
	s3_call_fini(&call);
}

static uint64_t
part_len(uint64_t size)
{
	uint64_t len = (size + S3_PARTS_MAX - 1) / S3_PARTS_MAX;

	len = (len + PART_UNIT - 1) / PART_UNIT * PART_UNIT;
	return len < PART_LEN ? PART_LEN : len;
}

static int
batch_do(struct batch *b, struct waiter *w)
{
	int r;

	b->part_len = part_len(b->what->size);
	b->count = (size_t)((b->what->size + b->part_len - 1) / b->part_len);
	b->parts = calloc(b->count, sizeof(*b->parts));
	r = b->parts == NULL ? -ENOMEM : batch_run(b, w);
	if (r == 0)
		r = complete(b, w);
	if (r < 0)
		abort_upload(b);
	else
		sweep_end(b->cache, b->note);
	for (size_t i = 0; b->parts != NULL && i < b->count; i++)
		free(b->parts[i].etag);
	free(b->parts);
	return r;
}

static int
copy_parts(struct cache *c, const struct copy *what, struct waiter *w,
    struct copy_result *ret)
{
	struct batch *b = NULL;
	struct s3_call call;
	uint64_t note;
	int r;

	r = check_key(c, what, PROBE_COMPLETE_MATCH, PROBE_COMPLETE_ABSENT, w);
	if (r < 0)
		return r;
	b = calloc(1, sizeof(*b));
	r = b == NULL ? -ENOMEM : sweep_begin(c, what->key, NULL, &note);
	if (r < 0) {
		free(b);
		return r;
	}
	s3_call_init(&call, S3_CREATE_MULTIPART_UPLOAD);
	call.key = what->key;
	call.content_type = what->content_type;
	call.meta = what->meta;
	call.meta_count = what->meta_count;
	r = s3_run(c->s3, &call, w);
	sweep_answered(c, &note, &call);
	take_result(c, &call, ret);
	ret->unsure = false; /* an upload alone changes nothing */
	if (r == 0) {
		b->cache = c;
		b->what = what;
		b->upload_id = call.ret_upload_id;
		b->note = note;
		b->ret = ret;
		r = batch_do(b, w);
	}
	s3_call_fini(&call);
	free(b);
	return r;
}

/* Say which object it was; the client knows the destination only. */
static void
explain(const struct copy *what, int err, struct copy_result *ret)
{
	if (err == -ESTALE)
		(void)snprintf(ret->message, sizeof(ret->message),
		    "the object '%.180s' was changed by others",
		    ret->is_source ? what->source_key : what->key);
	else if (err == -ENOENT)
		(void)snprintf(ret->message, sizeof(ret->message),
		    "no such object '%.180s'", what->source_key);
}

int
copy_run(struct cache *c, const struct copy *what, struct waiter *w,
    struct copy_result *ret)
{
	int r;

	*ret = (struct copy_result){ 0 };
	r = check_source(c, what, w, ret);
	if (r == 0 && what->size <= S3_COPY_MAX)
		r = copy_whole(c, what, w, ret);
	else if (r == 0)
		r = copy_parts(c, what, w, ret);
	explain(what, r, ret);
	return r;
}

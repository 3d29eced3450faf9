/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_net.h - the net thread of fake_s3.h, and what s3/s3.h promises.
 *
 * Role:    part of fake_s3.h, which says how it is used.
 */
#ifndef TESTS_UNIT_FAKE_NET_H
#define TESTS_UNIT_FAKE_NET_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/wait.h"
#include "s3/s3.h"
#include "tests/unit/fake_bucket.h"
#include "tests/unit/fake_upload.h"

#define FAKE_BODY   65536 /* bytes that a sink is given at once */
#define FAKE_RANGES 1024  /* GETs that are remembered */

/* A call on its way. */
struct fake_job {
	struct list link; /* [mutex] */
	struct s3_call *call;
	bool is_cancelled; /* [mutex] */
	int64_t sent_ms;
};

/* Called on the net thread before a call is answered; may change the bucket. */
typedef void fake_before_fn(struct s3 *s3, const struct s3_call *call);

struct s3 {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	const struct clock *clock;
	struct fake_bucket bucket; /* [mutex] */
	struct list jobs;          /* [mutex] struct fake_job */
	bool is_closing;
	unsigned page_size;                   /* of LIST */
	fake_before_fn *before;               /* [mutex] NULL: none */
	bool held[S3_KIND_COUNT];             /* [mutex] */
	int fail_err[S3_KIND_COUNT];          /* [mutex] */
	unsigned fail_count[S3_KIND_COUNT];   /* [mutex] */
	unsigned lose_count[S3_KIND_COUNT];   /* [mutex] */
	unsigned repeat_count[S3_KIND_COUNT]; /* [mutex] */
	const char *wrong_more;         /* told of pages to come; NULL: right */
	uint64_t cut_after;             /* [mutex] bytes of the next GET */
	int cut_err;                    /* [mutex] then this; 0: whole */
	unsigned flips;                 /* [mutex] GETs to come, wrong */
	bool holds_end;                 /* [mutex] of GETs */
	bool is_at_end;                 /* [mutex] one is held there */
	uint64_t counts[S3_KIND_COUNT]; /* [mutex] */
	uint64_t bytes_up;              /* [mutex] of PUTs and parts */
	uint64_t in_flight;             /* [mutex] */
	uint64_t most_in_flight;        /* [mutex] since it was open */
	struct {
		uint64_t off;
		uint64_t len;
	} ranges[FAKE_RANGES]; /* [mutex] of GETs */
};

/* ---- the net thread ---- */

/* Headers of ${key}; the errno of conditions. */
static inline int
fake_head(struct s3 *s3, struct s3_call *call, const struct fake_object **ret)
{
	const struct fake_object *o = fake_object(&s3->bucket, call->key);
	const struct fake_headers *h;

	if (o == NULL)
		return -ENOENT;
	if (call->if_match != NULL && strcmp(call->if_match, o->etag) != 0)
		return -ESTALE;
	if (call->if_none_match != NULL &&
	    strcmp(call->if_none_match, o->etag) == 0)
		return -EAGAIN;
	*ret = o;
	h = &o->headers;
	fake_answer_object(call, o);
	if (h->content_type != NULL)
		call->object.content_type = fake_copy(h->content_type);
	call->object.meta_count = h->meta_count;
	call->object.meta = calloc(FAKE_META, sizeof(*call->object.meta));
	assert(call->object.meta != NULL);
	for (size_t i = 0; i < h->meta_count; i++) {
		call->object.meta[i].name = fake_copy(h->meta[i].name);
		call->object.meta[i].value = fake_copy(h->meta[i].value);
	}
	return 0;
}

/* Hand the body to the sink, ${bytes} beginning at call->off, ${flip}: with a
 * wrong bit. */
static inline int
fake_body(struct s3_call *call, const struct fake_bytes *bytes,
    uint64_t cut_after, int cut_err, bool flip)
{
	static uint8_t data[FAKE_BODY]; /* of the net thread */
	uint64_t at = 0, end = bytes->size;
	int r = 0;

	if (cut_err != 0 && end > cut_after)
		end = cut_after;
	else
		cut_err = 0;
	while (r == 0 && at < end) {
		size_t len =
		    end - at < sizeof(data) ? (size_t)(end - at) : sizeof(data);

		fake_bytes_read(bytes, at, data, len);
		if (flip && at == 0)
			data[0] ^= 8;
		r = call->sink(call->arg, call->off + at, data, len);
		at += len;
		call->received += len;
	}
	return r == 0 ? cut_err : r;
}

/* A GET; the mutex is held, but not for the body. */
static inline int
fake_get(struct s3 *s3, struct s3_call *call)
{
	const struct fake_object *object;
	uint64_t cut_after = s3->cut_after, len;
	int cut_err = s3->cut_err, r;
	struct fake_bytes bytes;
	bool flip;

	r = fake_head(s3, call, &object);
	if (r < 0)
		return r;
	if (call->off > 0 && call->off >= object->bytes.size)
		return -ERANGE;
	len = object->bytes.size - call->off;
	if (call->len != 0 && call->len < len)
		len = call->len;
	bytes = fake_bytes_copy(&object->bytes, call->off, len);
	s3->cut_err = 0;
	flip = s3->flips > 0;
	s3->flips -= flip;
	pthread_mutex_unlock(&s3->mutex);
	r = fake_body(call, &bytes, cut_after, cut_err, flip);
	pthread_mutex_lock(&s3->mutex);
	free(bytes.data);
	s3->is_at_end = true;
	pthread_cond_broadcast(&s3->cond);
	while (s3->holds_end)
		pthread_cond_wait(&s3->cond, &s3->mutex);
	s3->is_at_end = false;
	call->result.is_corrupt = r == 0 && flip && call->len == 0;
	return call->result.is_corrupt ? -EIO : r;
}

/* Take the body of a PUT or part; the mutex is not held. */
static inline int
fake_take_body(struct s3_call *call, struct fake_bytes *ret)
{
	uint64_t at = 0;

	*ret = (struct fake_bytes){ .size = call->body_len };
	if (call->kind != S3_PUT_OBJECT && call->kind != S3_UPLOAD_PART)
		return 0;
	ret->data = fake_alloc(call->body_len);
	if (call->source == NULL && call->body_len > 0)
		memcpy(ret->data, call->body, call->body_len);
	while (call->source != NULL && at < call->body_len) {
		size_t len = FAKE_BODY;
		int64_t n;

		if (call->body_len - at < len)
			len = (size_t)(call->body_len - at);
		n = call->source(call->arg, at, ret->data + at, len);
		if (n <= 0) {
			free(ret->data);
			return n < 0 ? (int)n : -EIO;
		}
		at += (uint64_t)n;
	}
	return 0;
}

/* A call that changes something, with loss and repetition. */
static inline int
fake_change(struct s3 *s3, struct s3_call *call)
{
	unsigned times = 1;
	struct fake_bytes body;
	int r = 0;

	if (s3->repeat_count[call->kind] > 0) {
		s3->repeat_count[call->kind]--;
		times = 2;
	}
	for (unsigned i = 0; i < times; i++) {
		pthread_mutex_unlock(&s3->mutex);
		r = fake_take_body(call, &body);
		pthread_mutex_lock(&s3->mutex);
		if (r < 0)
			break;
		s3->bytes_up += body.size;
		s3->bucket.now_ns = clock_wall_ns(s3->clock);
		r = fake_mutate(&s3->bucket, call, body);
	}
	call->result.attempts = times;
	if (r == 0 && s3->lose_count[call->kind] > 0) {
		s3->lose_count[call->kind]--;
		call->result.unsure = true;
		r = -EIO;
	}
	return r;
}

/* Add a line to the page; false: it is full. */
static inline bool
fake_line(struct s3_call *call, const struct fake_object *object,
    size_t prefix_len, unsigned max)
{
	struct s3_page *page = &call->page;
	struct s3_listed *listed;

	if (page->count == max)
		return false;
	listed = &page->entries[page->count++];
	listed->key = fake_copy(object->key);
	listed->key_len = strlen(object->key);
	listed->is_prefix = prefix_len > 0;
	if (listed->is_prefix) {
		listed->key[prefix_len] = '\0';
		listed->key_len = prefix_len;
		return true;
	}
	listed->size = object->bytes.size;
	listed->modified_ns = object->modified_ns;
	listed->etag = fake_copy(object->etag);
	return true;
}

/* Tokens are the last key, or prefix, of the page before. */
static inline int
fake_list(struct s3 *s3, struct s3_call *call)
{
	const char *prefix = call->prefix != NULL ? call->prefix : "";
	const char *after =
	    call->token != NULL ? call->token : call->start_after;
	unsigned max = call->max_keys != 0 ? call->max_keys : s3->page_size;
	const char *last = NULL;

	call->page.entries = calloc(max, sizeof(*call->page.entries));
	assert(call->page.entries != NULL);
	for (size_t i = 0; i < s3->bucket.count; i++) {
		const struct fake_object *object = s3->bucket.objects[i];
		const char *slash = NULL;
		size_t len = 0;

		if (strncmp(object->key, prefix, strlen(prefix)) != 0)
			continue;
		if (call->delimiter)
			slash = strchr(object->key + strlen(prefix), '/');
		if (slash != NULL)
			len = (size_t)(slash + 1 - object->key);
		if (after != NULL &&
		    (len > 0 ? strncmp(object->key, after, len) <= 0
			     : strcmp(object->key, after) <= 0))
			continue;
		if (len > 0 && last != NULL &&
		    strncmp(object->key, last, len) == 0)
			continue;
		if (!fake_line(call, object, len, max)) {
			call->page.next_token = fake_copy(last);
			return 0;
		}
		last = call->page.entries[call->page.count - 1].key;
	}
	return 0;
}

/* ... and say that there is more, before the call ends. */
static inline int
fake_list_and_tell(struct s3 *s3, struct s3_call *call)
{
	int r = fake_list(s3, call);
	const char *token = s3->wrong_more;

	if (r < 0 || call->page.next_token == NULL || call->more == NULL)
		return r;
	pthread_mutex_unlock(&s3->mutex);
	call->more(call->arg, token != NULL ? token : call->page.next_token);
	pthread_mutex_lock(&s3->mutex);
	return 0;
}

/* Do what the call asks; the mutex is held, but not for bodies. */
static inline int
fake_answer(struct s3 *s3, struct s3_call *call)
{
	const struct fake_object *object;
	fake_before_fn *before = s3->before;

	if (before != NULL) {
		pthread_mutex_unlock(&s3->mutex);
		before(s3, call);
		pthread_mutex_lock(&s3->mutex);
	}
	if (s3->fail_count[call->kind] > 0) {
		s3->fail_count[call->kind]--;
		return s3->fail_err[call->kind];
	}
	switch ((int)call->kind) {
	case S3_LIST_OBJECTS:
		return fake_list_and_tell(s3, call);
	case S3_HEAD_OBJECT:
		return fake_head(s3, call, &object);
	case S3_GET_OBJECT:
		return fake_get(s3, call);
	case S3_LIST_PARTS:
		return fake_do_list_parts(&s3->bucket, call);
	case S3_LIST_MULTIPART_UPLOADS:
		return fake_do_list_uploads(&s3->bucket, call);
	default:
		return fake_change(s3, call);
	}
}

/* The first call that may be answered now. */
static inline struct fake_job *
fake_next(struct s3 *s3)
{
	for (struct list *l = s3->jobs.next; l != &s3->jobs; l = l->next) {
		struct fake_job *job = LIST_ENTRY(l, struct fake_job, link);

		if (job->is_cancelled || !s3->held[job->call->kind])
			return job;
	}
	return NULL;
}

static inline void
fake_end(struct s3 *s3, struct fake_job *job)
{
	struct s3_call *call = job->call;
	int r = -ECANCELED;

	list_remove(&job->link);
	call->result = (struct s3_result){ .attempts = 1 };
	if (!job->is_cancelled)
		r = fake_answer(s3, call);
	call->result.err = r;
	call->result.sent_ms = job->sent_ms;
	s3->in_flight--;
	call->request = NULL;
	pthread_cond_broadcast(&s3->cond);
	free(job);
	/* The call may be gone, or on its way again, after either. */
	if (call->done == NULL) {
		call->is_over = true;
		if (call->waiter != NULL)
			waiter_wake(call->waiter);
		return;
	}
	pthread_mutex_unlock(&s3->mutex);
	call->done(call);
	pthread_mutex_lock(&s3->mutex);
}

static inline void *
fake_main(void *arg)
{
	struct s3 *s3 = arg;

	pthread_mutex_lock(&s3->mutex);
	for (;;) {
		struct fake_job *job = fake_next(s3);

		if (job != NULL)
			fake_end(s3, job);
		else if (s3->is_closing)
			break;
		else
			pthread_cond_wait(&s3->cond, &s3->mutex);
	}
	pthread_mutex_unlock(&s3->mutex);
	return NULL;
}

/* ---- what s3/s3.h promises ---- */

const char *
s3_kind_name(enum s3_kind kind)
{
	(void)kind;
	return "Fake";
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
	for (size_t i = 0; i < call->object.meta_count; i++) {
		free(call->object.meta[i].name);
		free(call->object.meta[i].value);
	}
	free(call->object.meta);
	free(call->object.etag);
	free(call->object.version_id);
	free(call->object.storage_class);
	free(call->object.content_type);
	call->object = (struct s3_object){ 0 };
	for (size_t i = 0; i < call->page.count; i++) {
		free(call->page.entries[i].key);
		free(call->page.entries[i].etag);
		free(call->page.entries[i].storage_class);
	}
	free(call->page.entries);
	free(call->page.next_token);
	call->page = (struct s3_page){ 0 };
	free(call->ret_upload_id);
	call->ret_upload_id = NULL;
	for (size_t i = 0; i < call->ret_parts_count; i++)
		free(call->ret_parts[i].etag);
	free(call->ret_parts);
	call->ret_parts = NULL;
	call->ret_parts_count = 0;
	for (size_t i = 0; i < call->uploads_count; i++) {
		free(call->uploads[i].key);
		free(call->uploads[i].upload_id);
	}
	free(call->uploads);
	call->uploads = NULL;
	call->uploads_count = 0;
}

void
s3_submit(struct s3 *s3, struct s3_call *call)
{
	struct fake_job *job = calloc(1, sizeof(*job));

	assert(job != NULL);
	s3_call_fini(call);
	call->received = 0;
	call->is_over = false;
	job->call = call;
	job->sent_ms = clock_mono_ms(s3->clock);
	call->request = (struct request *)(void *)job;
	pthread_mutex_lock(&s3->mutex);
	s3->counts[call->kind]++;
	if (call->kind == S3_GET_OBJECT) {
		uint64_t n = s3->counts[S3_GET_OBJECT] - 1;

		s3->ranges[n % FAKE_RANGES].off = call->off;
		s3->ranges[n % FAKE_RANGES].len = call->len;
	}
	s3->in_flight++;
	if (s3->in_flight > s3->most_in_flight)
		s3->most_in_flight = s3->in_flight;
	list_append(&s3->jobs, &job->link);
	pthread_cond_broadcast(&s3->cond);
	pthread_mutex_unlock(&s3->mutex);
}

void
s3_cancel(struct s3 *s3, struct s3_call *call)
{
	pthread_mutex_lock(&s3->mutex);
	for (struct list *l = s3->jobs.next; l != &s3->jobs; l = l->next) {
		struct fake_job *job = LIST_ENTRY(l, struct fake_job, link);

		if (job->call == call)
			job->is_cancelled = true;
	}
	pthread_cond_broadcast(&s3->cond);
	pthread_mutex_unlock(&s3->mutex);
}

static inline bool
fake_set_waiter(struct s3 *s3, struct s3_call *call, struct waiter *w)
{
	bool is_over;

	pthread_mutex_lock(&s3->mutex);
	call->waiter = w;
	is_over = call->is_over;
	pthread_mutex_unlock(&s3->mutex);
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
	while (!fake_set_waiter(s3, call, w) && r == 0)
		r = waiter_wait(w, WAIT_FOREVER);
	return fake_set_waiter(s3, call, NULL) ? 0 : r;
}

int
s3_run(struct s3 *s3, struct s3_call *call, struct waiter *w)
{
	call->done = NULL;
	s3_submit(s3, call);
	if (s3_wait(s3, call, w) < 0) {
		s3_cancel(s3, call);
		(void)s3_wait(s3, call, NULL);
		if (call->result.err == -ECANCELED)
			call->result.err = -EINTR;
	}
	return call->result.err;
}

void
s3_get_stats(struct s3 *s3, struct s3_stats *ret)
{
	*ret = (struct s3_stats){ 0 };
	pthread_mutex_lock(&s3->mutex);
	memcpy(ret->requests, s3->counts, sizeof(ret->requests));
	ret->in_flight = s3->in_flight;
	pthread_mutex_unlock(&s3->mutex);
}

#endif

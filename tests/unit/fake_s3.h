/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_s3.h - the S3 client of s3/s3.h, on a dictionary in memory.
 *
 *	struct s3 *s3 = fake_open(NULL);
 *	fake_put(s3, "a/b", 300000, 1);		bytes are fake_byte(1, offset)
 *	... a cache that borrows s3 ...
 *	fake_fail(s3, S3_GET_OBJECT, -EIO, 2);	so end the next two
 *	fake_hold(s3, S3_GET_OBJECT, true);	answers wait
 *	fake_wait_held(s3, 1); ... fake_hold(s3, S3_GET_OBJECT, false);
 *	fake_count(s3, S3_GET_OBJECT)		calls so far
 *	fake_close(s3);
 *
 * Role:    included by one program, whose definitions take the place of the
 *          real ones: the linker does not look for them in the library.
 * Threads: one net thread answers in the order of the calls.  A mutex guards
 *          all; done() and sink() are called without it.
 */
#ifndef TESTS_UNIT_FAKE_S3_H
#define TESTS_UNIT_FAKE_S3_H

#include "tests/unit/fake_objects.h"

/* ---- the net thread ---- */

static inline char *
fake_copy(const char *s)
{
	char *copy = strdup(s);

	assert(copy != NULL);
	return copy;
}

/* Headers of ${key}; the errno of conditions. */
static inline int
fake_head(struct s3 *s3, struct s3_call *call, struct fake_object *ret)
{
	const struct fake_object *object;
	bool found;
	size_t at = fake_find(s3, call->key, &found);

	if (!found)
		return -ENOENT;
	object = s3->objects[at];
	if (call->if_match != NULL && strcmp(call->if_match, object->etag) != 0)
		return -ESTALE;
	if (call->if_none_match != NULL &&
	    strcmp(call->if_none_match, object->etag) == 0)
		return -EAGAIN;
	*ret = *object;
	call->object = (struct s3_object){ .size = object->size,
		.etag = fake_copy(object->etag),
		.modified_ns = object->modified_ns,
		.meta_count = object->meta_count };
	call->object.meta = calloc(4, sizeof(*call->object.meta));
	assert(call->object.meta != NULL);
	for (size_t i = 0; i < object->meta_count; i++) {
		call->object.meta[i].name = fake_copy(object->meta[i].name);
		call->object.meta[i].value = fake_copy(object->meta[i].value);
	}
	return 0;
}

/* Hand the body to the sink. */
static inline int
fake_body(struct s3_call *call, const struct fake_object *object,
    uint64_t cut_after, int cut_err, bool flip)
{
	static uint8_t data[FAKE_BODY]; /* of the net thread */
	uint64_t off = call->off, end = call->off + call->len;
	int r = 0;

	if (call->len == 0 || end > object->size)
		end = object->size;
	if (cut_err != 0 && end - off > cut_after)
		end = off + cut_after;
	else
		cut_err = 0;
	while (r == 0 && off < end) {
		size_t len = end - off < sizeof(data) ? (size_t)(end - off)
						      : sizeof(data);

		for (size_t i = 0; i < len; i++)
			data[i] = fake_byte(object->seed, off + i);
		if (flip && off == call->off)
			data[0] ^= 8;
		r = call->sink(call->arg, off, data, len);
		off += len;
		call->received += len;
	}
	return r == 0 ? cut_err : r;
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
	listed->size = object->size;
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
	for (size_t i = 0; i < s3->count; i++) {
		const struct fake_object *object = s3->objects[i];
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

/* Do what the call asks; the mutex is held, but not for the body. */
static inline int
fake_answer(struct s3 *s3, struct s3_call *call)
{
	struct fake_object object;
	uint64_t cut_after = s3->cut_after;
	int cut_err = s3->cut_err, r;
	bool flip;

	if (s3->fail_count[call->kind] > 0) {
		s3->fail_count[call->kind]--;
		return s3->fail_err[call->kind];
	}
	switch ((int)call->kind) {
	case S3_LIST_OBJECTS:
		return fake_list(s3, call);
	case S3_HEAD_OBJECT:
		return fake_head(s3, call, &object);
	case S3_GET_OBJECT:
		break;
	default:
		return -EOPNOTSUPP;
	}
	r = fake_head(s3, call, &object);
	if (r < 0)
		return r;
	if (call->off > 0 && call->off >= object.size)
		return -ERANGE;
	s3->cut_err = 0;
	flip = s3->flips > 0;
	s3->flips -= flip;
	pthread_mutex_unlock(&s3->mutex);
	r = fake_body(call, &object, cut_after, cut_err, flip);
	pthread_mutex_lock(&s3->mutex);
	s3->is_at_end = true;
	pthread_cond_broadcast(&s3->cond);
	while (s3->holds_end)
		pthread_cond_wait(&s3->cond, &s3->mutex);
	s3->is_at_end = false;
	return r == 0 && flip && call->len == 0 ? -EBADMSG : r;
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
	if (!job->is_cancelled)
		r = fake_answer(s3, call);
	call->result = (struct s3_result){ .err = r == -EBADMSG ? -EIO : r,
		.attempts = 1,
		.is_corrupt = r == -EBADMSG,
		.sent_ms = job->sent_ms };
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

static inline struct s3 *
fake_open(const struct clock *clock)
{
	struct s3 *s3 = calloc(1, sizeof(*s3));

	assert(s3 != NULL);
	pthread_mutex_init(&s3->mutex, NULL);
	pthread_cond_init(&s3->cond, NULL);
	list_init(&s3->jobs);
	s3->clock = clock != NULL ? clock : &clock_system;
	s3->page_size = 1000;
	if (pthread_create(&s3->thread, NULL, fake_main, s3) != 0)
		abort();
	return s3;
}

static inline void
fake_close(struct s3 *s3)
{
	pthread_mutex_lock(&s3->mutex);
	assert(s3->in_flight == 0);
	s3->is_closing = true;
	pthread_cond_broadcast(&s3->cond);
	pthread_mutex_unlock(&s3->mutex);
	pthread_join(s3->thread, NULL);
	for (size_t i = 0; i < s3->count; i++) {
		free(s3->objects[i]->key);
		free(s3->objects[i]);
	}
	free(s3->objects);
	pthread_cond_destroy(&s3->cond);
	pthread_mutex_destroy(&s3->mutex);
	free(s3);
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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_s3.h - the S3 client of s3/s3.h, on a bucket in memory.
 *
 *	struct s3 *s3 = fake_open(NULL);
 *	fake_put(s3, "a/b", 300000, 1);		bytes are fake_byte(1, offset)
 *	fake_put_text(s3, "a/c", "text");	or these
 *	... a cache that borrows s3 ...
 *	fake_fail(s3, S3_GET_OBJECT, -EIO, 2);	so end the next two
 *	fake_lose(s3, S3_PUT_OBJECT, 1);	done, but the answer is lost
 *	fake_repeat(s3, S3_PUT_OBJECT, 1);	done twice, as after a loss
 *	fake_ignore(s3, S3_COPY_OBJECT, FAKE_MATCH, true);
 *	fake_flip(s3, 1);			the next GET has a wrong bit
 *	fake_hold(s3, S3_GET_OBJECT, true);	answers wait
 *	fake_wait_held(s3, 1); ... fake_hold(s3, S3_GET_OBJECT, false);
 *	fake_hold_end(s3, true);		GETs wait behind their bytes
 *	fake_wait_end(s3); ... fake_hold_end(s3, false);
 *	fake_count(s3, S3_GET_OBJECT)		calls so far
 *	fake_has(s3, "a/b"), fake_size(), fake_etag(), fake_read(), ...
 *	fake_close(s3);
 *
 * Role:    included by one program, whose definitions take the place of the
 *          real ones: the linker does not look for them in the library.
 * Threads: one net thread answers in the order of the calls.  A mutex guards
 *          all; done(), source() and sink() are called without it.
 */
#ifndef TESTS_UNIT_FAKE_S3_H
#define TESTS_UNIT_FAKE_S3_H

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "tests/unit/fake_net.h"

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
	fake_bucket_fini(&s3->bucket);
	pthread_cond_destroy(&s3->cond);
	pthread_mutex_destroy(&s3->mutex);
	free(s3);
}

/* Make or replace an object; it gets a new ETag. */
static inline void
fake_put(struct s3 *s3, const char *key, uint64_t size, unsigned seed)
{
	struct fake_bytes bytes = { .seed = seed, .size = size };
	struct fake_headers none = { 0 };

	pthread_mutex_lock(&s3->mutex);
	(void)fake_store(&s3->bucket, key, bytes, none, 0);
	pthread_mutex_unlock(&s3->mutex);
}

/* Likewise, of these bytes. */
static inline void
fake_put_text(struct s3 *s3, const char *key, const char *text)
{
	struct fake_bytes bytes = { .data = (uint8_t *)fake_copy(text),
		.size = strlen(text) };
	struct fake_headers none = { 0 };

	pthread_mutex_lock(&s3->mutex);
	(void)fake_store(&s3->bucket, key, bytes, none, 0);
	pthread_mutex_unlock(&s3->mutex);
}

/* Add a metadata header ("mode", not "x-amz-meta-mode"). */
static inline void
fake_meta(struct s3 *s3, const char *key, const char *name, const char *value)
{
	struct fake_object *o;

	pthread_mutex_lock(&s3->mutex);
	o = fake_object(&s3->bucket, key);
	assert(o != NULL);
	fake_headers_add(&o->headers, name, value);
	pthread_mutex_unlock(&s3->mutex);
}

static inline void
fake_remove(struct s3 *s3, const char *key)
{
	pthread_mutex_lock(&s3->mutex);
	fake_delete(&s3->bucket, key);
	pthread_mutex_unlock(&s3->mutex);
}

static inline bool
fake_has(struct s3 *s3, const char *key)
{
	bool found;

	pthread_mutex_lock(&s3->mutex);
	(void)fake_find(&s3->bucket, key, &found);
	pthread_mutex_unlock(&s3->mutex);
	return found;
}

/* Have an object that is there, of fake_put(), be of another size; nothing else
 * tells. */
static inline void
fake_resize(struct s3 *s3, const char *key, uint64_t size)
{
	struct fake_object *o;

	pthread_mutex_lock(&s3->mutex);
	o = fake_object(&s3->bucket, key);
	assert(o != NULL && o->bytes.data == NULL);
	o->bytes.size = size;
	pthread_mutex_unlock(&s3->mutex);
}

/* Of an object that is there; UINT64_MAX: it is not. */
static inline uint64_t
fake_size(struct s3 *s3, const char *key)
{
	const struct fake_object *o;
	uint64_t size;

	pthread_mutex_lock(&s3->mutex);
	o = fake_object(&s3->bucket, key);
	size = o == NULL ? UINT64_MAX : o->bytes.size;
	pthread_mutex_unlock(&s3->mutex);
	return size;
}

/* Copies of its ETag, content type, and a metadata header, owned by the
 * caller; NULL: there is none. */
static inline char *
fake_etag(struct s3 *s3, const char *key)
{
	const struct fake_object *o;
	char *copy;

	pthread_mutex_lock(&s3->mutex);
	o = fake_object(&s3->bucket, key);
	copy = o == NULL ? NULL : fake_copy(o->etag);
	pthread_mutex_unlock(&s3->mutex);
	return copy;
}

static inline char *
fake_type_of(struct s3 *s3, const char *key)
{
	const struct fake_object *o;
	char *copy = NULL;

	pthread_mutex_lock(&s3->mutex);
	o = fake_object(&s3->bucket, key);
	if (o != NULL && o->headers.content_type != NULL)
		copy = fake_copy(o->headers.content_type);
	pthread_mutex_unlock(&s3->mutex);
	return copy;
}

static inline char *
fake_meta_of(struct s3 *s3, const char *key, const char *name)
{
	const struct fake_object *o;
	char *copy = NULL;

	pthread_mutex_lock(&s3->mutex);
	o = fake_object(&s3->bucket, key);
	for (size_t i = 0; o != NULL && i < o->headers.meta_count; i++)
		if (copy == NULL && strcmp(o->headers.meta[i].name, name) == 0)
			copy = fake_copy(o->headers.meta[i].value);
	pthread_mutex_unlock(&s3->mutex);
	return copy;
}

/* Bytes of an object that is there and long enough. */
static inline void
fake_read(
    struct s3 *s3, const char *key, uint64_t off, void *data, uint64_t len)
{
	const struct fake_object *o;

	pthread_mutex_lock(&s3->mutex);
	o = fake_object(&s3->bucket, key);
	assert(o != NULL);
	fake_bytes_read(&o->bytes, off, data, len);
	pthread_mutex_unlock(&s3->mutex);
}

/* How many objects there are with ${prefix} ("": all). */
static inline size_t
fake_objects(struct s3 *s3, const char *prefix)
{
	size_t count = 0;

	pthread_mutex_lock(&s3->mutex);
	for (size_t i = 0; i < s3->bucket.count; i++)
		if (strncmp(s3->bucket.objects[i]->key, prefix,
			strlen(prefix)) == 0)
			count++;
	pthread_mutex_unlock(&s3->mutex);
	return count;
}

/* How many multipart uploads are open. */
static inline size_t
fake_uploads(struct s3 *s3)
{
	size_t count = 0;

	pthread_mutex_lock(&s3->mutex);
	for (const struct fake_upload *u = s3->bucket.uploads; u != NULL;
	     u = u->next)
		count++;
	pthread_mutex_unlock(&s3->mutex);
	return count;
}

/* Calls of ${kind} ignore these conditions (enum fake_condition), or not. */
static inline void
fake_ignore(struct s3 *s3, enum s3_kind kind, unsigned conditions, bool ignore)
{
	pthread_mutex_lock(&s3->mutex);
	if (ignore)
		s3->bucket.ignored[kind] |= conditions;
	else
		s3->bucket.ignored[kind] &= ~conditions;
	pthread_mutex_unlock(&s3->mutex);
}

/* Have ${fn} called before each answer, on the net thread; NULL: none. */
static inline void
fake_before(struct s3 *s3, fake_before_fn *fn)
{
	pthread_mutex_lock(&s3->mutex);
	s3->before = fn;
	pthread_mutex_unlock(&s3->mutex);
}

/* The next ${count} calls of ${kind} have their effect, but end with -EIO and
 * result.unsure: the answer was lost. */
static inline void
fake_lose(struct s3 *s3, enum s3_kind kind, unsigned count)
{
	pthread_mutex_lock(&s3->mutex);
	s3->lose_count[kind] = count;
	pthread_mutex_unlock(&s3->mutex);
}

/* The next ${count} calls of ${kind} are done twice, and the second answer is
 * given, with result.attempts 2: the client tried again after a loss. */
static inline void
fake_repeat(struct s3 *s3, enum s3_kind kind, unsigned count)
{
	pthread_mutex_lock(&s3->mutex);
	s3->repeat_count[kind] = count;
	pthread_mutex_unlock(&s3->mutex);
}

/* The next ${count} calls of ${kind} end with ${err}. */
static inline void
fake_fail(struct s3 *s3, enum s3_kind kind, int err, unsigned count)
{
	pthread_mutex_lock(&s3->mutex);
	s3->fail_err[kind] = err;
	s3->fail_count[kind] = count;
	pthread_mutex_unlock(&s3->mutex);
}

/* The next GET gives ${bytes} bytes and ends with ${err}. */
static inline void
fake_cut(struct s3 *s3, uint64_t bytes, int err)
{
	pthread_mutex_lock(&s3->mutex);
	s3->cut_after = bytes;
	s3->cut_err = err;
	pthread_mutex_unlock(&s3->mutex);
}

/* The next ${count} GETs have a wrong bit at ${call->off}; as to one of a whole
 * object, its checksum tells. */
static inline void
fake_flip(struct s3 *s3, unsigned count)
{
	pthread_mutex_lock(&s3->mutex);
	s3->flips = count;
	pthread_mutex_unlock(&s3->mutex);
}

/* Hold GETs back when all bytes were handed over, or let them go. */
static inline void
fake_hold_end(struct s3 *s3, bool hold)
{
	pthread_mutex_lock(&s3->mutex);
	s3->holds_end = hold;
	pthread_cond_broadcast(&s3->cond);
	pthread_mutex_unlock(&s3->mutex);
}

/* Wait until one is held so. */
static inline void
fake_wait_end(struct s3 *s3)
{
	pthread_mutex_lock(&s3->mutex);
	while (!s3->is_at_end)
		pthread_cond_wait(&s3->cond, &s3->mutex);
	pthread_mutex_unlock(&s3->mutex);
}

/* Hold the answers to ${kind} back, or let them go. */
static inline void
fake_hold(struct s3 *s3, enum s3_kind kind, bool hold)
{
	pthread_mutex_lock(&s3->mutex);
	s3->held[kind] = hold;
	pthread_cond_broadcast(&s3->cond);
	pthread_mutex_unlock(&s3->mutex);
}

/* Hold nothing back any more. */
static inline void
fake_release(struct s3 *s3)
{
	fake_hold_end(s3, false);
	for (int i = 0; i < S3_KIND_COUNT; i++)
		fake_hold(s3, (enum s3_kind)i, false);
}

static inline uint64_t
fake_count(struct s3 *s3, enum s3_kind kind)
{
	uint64_t n;

	pthread_mutex_lock(&s3->mutex);
	n = s3->counts[kind];
	pthread_mutex_unlock(&s3->mutex);
	return n;
}

/* From now on no key that begins with ${kept} is deleted (NULL: none). */
static inline void
fake_keep(struct s3 *s3, const char *kept)
{
	pthread_mutex_lock(&s3->mutex);
	s3->bucket.kept = kept;
	pthread_mutex_unlock(&s3->mutex);
}

/* Forget the counts. */
static inline void
fake_count_reset(struct s3 *s3)
{
	pthread_mutex_lock(&s3->mutex);
	memset(s3->counts, 0, sizeof(s3->counts));
	s3->bytes_up = 0;
	pthread_mutex_unlock(&s3->mutex);
}

/* All calls so far. */
static inline uint64_t
fake_count_all(struct s3 *s3)
{
	uint64_t n = 0;

	pthread_mutex_lock(&s3->mutex);
	for (int i = 0; i < S3_KIND_COUNT; i++)
		n += s3->counts[i];
	pthread_mutex_unlock(&s3->mutex);
	return n;
}

/* Bytes of PUTs and parts so far. */
static inline uint64_t
fake_bytes_up(struct s3 *s3)
{
	uint64_t n;

	pthread_mutex_lock(&s3->mutex);
	n = s3->bytes_up;
	pthread_mutex_unlock(&s3->mutex);
	return n;
}

/* Wait until ${count} calls are in flight; only while they are held. */
static inline void
fake_wait_held(struct s3 *s3, uint64_t count)
{
	pthread_mutex_lock(&s3->mutex);
	while (s3->in_flight < count)
		pthread_cond_wait(&s3->cond, &s3->mutex);
	pthread_mutex_unlock(&s3->mutex);
}

#endif

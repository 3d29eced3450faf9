/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_objects.h - what fake_s3.h holds, and what a test may ask of it: its
 * objects, and the faults to come.
 *
 * Threads: a mutex guards all.
 */
#ifndef TESTS_UNIT_FAKE_OBJECTS_H
#define TESTS_UNIT_FAKE_OBJECTS_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/wait.h"
#include "s3/s3.h"

#define FAKE_BODY   65536 /* bytes that a sink is given at once */
#define FAKE_RANGES 1024  /* GETs that are remembered */

struct fake_object {
	char *key; /* owned */
	uint64_t size;
	unsigned seed;
	char etag[40];
	int64_t modified_ns;
	struct s3_meta meta[4]; /* static strings */
	size_t meta_count;
};

/* A call on its way. */
struct fake_job {
	struct list link; /* [mutex] */
	struct s3_call *call;
	bool is_cancelled; /* [mutex] */
	int64_t sent_ms;
};

struct s3 {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	const struct clock *clock;
	struct fake_object **objects; /* [mutex] in the order of the keys */
	size_t count;
	size_t size;
	struct list jobs; /* [mutex] struct fake_job */
	bool is_closing;
	unsigned etags;                     /* [mutex] given so far */
	unsigned page_size;                 /* of LIST */
	bool held[S3_KIND_COUNT];           /* [mutex] */
	int fail_err[S3_KIND_COUNT];        /* [mutex] */
	unsigned fail_count[S3_KIND_COUNT]; /* [mutex] */
	uint64_t cut_after;                 /* [mutex] bytes of the next GET */
	int cut_err;                        /* [mutex] then this; 0: whole */
	unsigned flips;                     /* [mutex] GETs to come, wrong */
	bool holds_end;                     /* [mutex] of GETs */
	bool is_at_end;                     /* [mutex] one is held there */
	uint64_t counts[S3_KIND_COUNT];     /* [mutex] */
	uint64_t in_flight;                 /* [mutex] */
	struct {
		uint64_t off;
		uint64_t len;
	} ranges[FAKE_RANGES]; /* [mutex] of GETs */
};

static inline uint8_t
fake_byte(unsigned seed, uint64_t off)
{
	uint64_t x = (off / 8 + seed) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)((x ^ x >> 29) >> 8 * (off % 8));
}

/* Where ${key} is, or would be. */
static inline size_t
fake_find(struct s3 *s3, const char *key, bool *ret_found)
{
	size_t lo = 0, hi = s3->count;

	*ret_found = false;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(s3->objects[mid]->key, key);

		*ret_found = c == 0;
		if (c == 0)
			return mid;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Make or replace an object; it gets a new ETag. */
static inline void
fake_put(struct s3 *s3, const char *key, uint64_t size, unsigned seed)
{
	struct fake_object *object;
	bool found;
	size_t at;

	pthread_mutex_lock(&s3->mutex);
	at = fake_find(s3, key, &found);
	if (!found) {
		if (s3->count == s3->size) {
			s3->size = s3->size * 2 + 16;
			s3->objects = realloc(
			    s3->objects, s3->size * sizeof(*s3->objects));
			assert(s3->objects != NULL);
		}
		memmove(s3->objects + at + 1, s3->objects + at,
		    (s3->count++ - at) * sizeof(*s3->objects));
		s3->objects[at] = calloc(1, sizeof(*object));
		assert(s3->objects[at] != NULL);
		s3->objects[at]->key = strdup(key);
	}
	object = s3->objects[at];
	object->size = size;
	object->seed = seed;
	object->modified_ns =
	    (INT64_C(1600000000) + s3->etags) * INT64_C(1000000000);
	(void)snprintf(
	    object->etag, sizeof(object->etag), "\"etag%u\"", ++s3->etags);
	pthread_mutex_unlock(&s3->mutex);
}

/* Add a metadata header ("mode", not "x-amz-meta-mode"); static strings. */
static inline void
fake_meta(struct s3 *s3, const char *key, char *name, char *value)
{
	struct fake_object *object;
	bool found;

	pthread_mutex_lock(&s3->mutex);
	object = s3->objects[fake_find(s3, key, &found)];
	object->meta[object->meta_count++] =
	    (struct s3_meta){ .name = name, .value = value };
	pthread_mutex_unlock(&s3->mutex);
}

static inline void
fake_remove(struct s3 *s3, const char *key)
{
	bool found;
	size_t at;

	pthread_mutex_lock(&s3->mutex);
	at = fake_find(s3, key, &found);
	if (found) {
		free(s3->objects[at]->key);
		free(s3->objects[at]);
		memmove(s3->objects + at, s3->objects + at + 1,
		    (--s3->count - at) * sizeof(*s3->objects));
	}
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

static inline uint64_t
fake_count(struct s3 *s3, enum s3_kind kind)
{
	uint64_t n;

	pthread_mutex_lock(&s3->mutex);
	n = s3->counts[kind];
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

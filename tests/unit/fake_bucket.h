/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_bucket.h - a bucket in memory: objects and conditions.
 *
 * Role:    what fake_s3.h answers from; multipart uploads are in
 *          fake_upload.h.  No threads, no locks.
 *
 * As on S3: an object that is stored gets a new ETag, but a copy keeps the
 * source's, unless that is a multipart object's ("etag7-2"); If-Match of what
 * is not there is -ENOENT; a copy onto itself must replace the metadata.
 * Conditions hold unless the server is made to ignore them
 * (fake_bucket.ignored).
 */
#ifndef TESTS_UNIT_FAKE_BUCKET_H
#define TESTS_UNIT_FAKE_BUCKET_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/s3.h"

#define FAKE_META 32 /* headers an object may have */

/* Kinds of conditions, as bits. */
enum fake_condition {
	FAKE_MATCH = 1,  /* If-Match */
	FAKE_ABSENT = 2, /* If-None-Match: * */
	FAKE_SOURCE = 4  /* x-amz-copy-source-if-match */
};

/* Bytes: ${data}, or where that is NULL fake_byte(seed, off) and on. */
struct fake_bytes {
	uint8_t *data; /* owned */
	unsigned seed;
	uint64_t off;
	uint64_t size;
};

/* What goes with them. */
struct fake_headers {
	char *content_type; /* owned, NULL */
	struct s3_meta meta[FAKE_META];
	size_t meta_count;
};

struct fake_object {
	char *key; /* owned */
	struct fake_bytes bytes;
	char etag[40];
	int64_t modified_ns;
	struct fake_headers headers;
};

struct fake_upload; /* fake_upload.h */

struct fake_bucket {
	struct fake_object **objects; /* in the order of the keys */
	size_t count;
	size_t size;
	unsigned etags; /* given so far */
	unsigned times; /* likewise */
	unsigned ids;   /* likewise, of uploads */
	struct fake_upload *uploads;
	unsigned ignored[S3_KIND_COUNT]; /* enum fake_condition */
	int64_t now_ns;                  /* wall, of the call */
	const char *kept; /* no key that begins so is deleted; NULL: none */
};

static inline uint8_t
fake_byte(unsigned seed, uint64_t off)
{
	uint64_t x = (off / 8 + seed) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint8_t)((x ^ x >> 29) >> 8 * (off % 8));
}

static inline char *
fake_copy(const char *s)
{
	char *copy = strdup(s);

	assert(copy != NULL);
	return copy;
}

/* ---- bytes and headers ---- */

static inline uint8_t *
fake_alloc(uint64_t size)
{
	uint8_t *data = malloc(size + 1);

	assert(data != NULL);
	return data;
}

static inline void
fake_bytes_read(
    const struct fake_bytes *b, uint64_t off, uint8_t *data, uint64_t len)
{
	assert(off <= b->size && len <= b->size - off);
	if (b->data != NULL && len > 0)
		memcpy(data, b->data + off, len);
	for (uint64_t i = 0; b->data == NULL && i < len; i++)
		data[i] = fake_byte(b->seed, b->off + off + i);
}

/* A range of ${b} as bytes of its own. */
static inline struct fake_bytes
fake_bytes_copy(const struct fake_bytes *b, uint64_t off, uint64_t len)
{
	struct fake_bytes copy = {
		.seed = b->seed, .off = b->off + off, .size = len
	};

	assert(off <= b->size && len <= b->size - off);
	if (b->data != NULL) {
		copy.data = fake_alloc(len);
		memcpy(copy.data, b->data + off, len);
	}
	return copy;
}

static inline void
fake_headers_fini(struct fake_headers *h)
{
	for (size_t i = 0; i < h->meta_count; i++) {
		free(h->meta[i].name);
		free(h->meta[i].value);
	}
	free(h->content_type);
	*h = (struct fake_headers){ 0 };
}

static inline void
fake_headers_add(struct fake_headers *h, const char *name, const char *value)
{
	assert(h->meta_count < FAKE_META);
	h->meta[h->meta_count++] = (struct s3_meta){ .name = fake_copy(name),
		.value = fake_copy(value) };
}

static inline struct fake_headers
fake_headers_make(
    const char *content_type, const struct s3_meta *meta, size_t count)
{
	struct fake_headers h = { 0 };

	if (content_type != NULL)
		h.content_type = fake_copy(content_type);
	for (size_t i = 0; i < count; i++)
		fake_headers_add(&h, meta[i].name, meta[i].value);
	return h;
}

/* ---- objects ---- */

/* Where ${key} is, or would be. */
static inline size_t
fake_find(const struct fake_bucket *b, const char *key, bool *ret_found)
{
	size_t lo = 0, hi = b->count;

	*ret_found = false;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(b->objects[mid]->key, key);

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

/* The object ${key}, or NULL. */
static inline struct fake_object *
fake_object(const struct fake_bucket *b, const char *key)
{
	bool found;
	size_t at = fake_find(b, key, &found);

	return found ? b->objects[at] : NULL;
}

static inline void
fake_object_fini(struct fake_object *o)
{
	free(o->bytes.data);
	fake_headers_fini(&o->headers);
}

/* Store what is handed over as ${key}; it gets a new ETag, of an object of
 * ${parts} parts if that is not 0. */
static inline struct fake_object *
fake_store(struct fake_bucket *b, const char *key, struct fake_bytes bytes,
    struct fake_headers headers, size_t parts)
{
	struct fake_object *o;
	bool found;
	size_t at = fake_find(b, key, &found);

	if (!found) {
		if (b->count == b->size) {
			b->size = b->size * 2 + 16;
			b->objects = realloc(
			    b->objects, b->size * sizeof(struct fake_object *));
			assert(b->objects != NULL);
		}
		memmove(b->objects + at + 1, b->objects + at,
		    (b->count++ - at) * sizeof(struct fake_object *));
		b->objects[at] = calloc(1, sizeof(*o));
		assert(b->objects[at] != NULL);
		b->objects[at]->key = fake_copy(key);
	}
	o = b->objects[at];
	fake_object_fini(o);
	o->bytes = bytes;
	o->headers = headers;
	o->modified_ns =
	    (INT64_C(1600000000) + b->times++) * INT64_C(1000000000);
	if (parts == 0)
		(void)snprintf(
		    o->etag, sizeof(o->etag), "\"etag%u\"", ++b->etags);
	else
		(void)snprintf(o->etag, sizeof(o->etag), "\"etag%u-%zu\"",
		    ++b->etags, parts);
	return o;
}

static inline void
fake_delete(struct fake_bucket *b, const char *key)
{
	bool found;
	size_t at = fake_find(b, key, &found);

	if (!found)
		return;
	fake_object_fini(b->objects[at]);
	free(b->objects[at]->key);
	free(b->objects[at]);
	memmove(b->objects + at, b->objects + at + 1,
	    (--b->count - at) * sizeof(struct fake_object *));
}

/* ---- conditions ---- */

static inline int
fake_conditions(const struct fake_bucket *b, enum s3_kind kind, const char *key,
    const char *if_match, const char *if_none_match)
{
	const struct fake_object *o = fake_object(b, key);
	unsigned ignored = b->ignored[kind];

	if (if_none_match != NULL && (ignored & FAKE_ABSENT) == 0) {
		assert(strcmp(if_none_match, "*") == 0);
		if (o != NULL)
			return -ESTALE;
	}
	if (if_match == NULL || (ignored & FAKE_MATCH) != 0)
		return 0;
	if (o == NULL)
		return -ENOENT;
	return strcmp(o->etag, if_match) == 0 ? 0 : -ESTALE;
}

/* The source of a copy, if its conditions hold. */
static inline int
fake_source(const struct fake_bucket *b, const struct s3_call *call,
    const struct fake_object **ret)
{
	const struct fake_object *o = fake_object(b, call->source_key);

	if (o == NULL)
		return -ENOENT;
	if (call->source_if_match != NULL &&
	    (b->ignored[call->kind] & FAKE_SOURCE) == 0 &&
	    strcmp(o->etag, call->source_if_match) != 0)
		return -ESTALE;
	*ret = o;
	return 0;
}

/* ---- calls; ${body} is taken over ---- */

static inline void
fake_answer_object(struct s3_call *call, const struct fake_object *o)
{
	free(call->object.etag);
	call->object.etag = fake_copy(o->etag);
	call->object.size = o->bytes.size;
	call->object.modified_ns = o->modified_ns;
}

static inline int
fake_do_put(struct fake_bucket *b, struct s3_call *call, struct fake_bytes body)
{
	int r = fake_conditions(
	    b, call->kind, call->key, call->if_match, call->if_none_match);

	if (r < 0) {
		free(body.data);
		return r;
	}
	fake_answer_object(call, fake_store(b, call->key, body,
				     fake_headers_make(call->content_type,
					 call->meta, call->meta_count),
				     0));
	return 0;
}

static inline int
fake_do_copy(struct fake_bucket *b, struct s3_call *call)
{
	const struct fake_object *source = NULL;
	struct fake_headers headers;
	struct fake_object *o;
	char etag[40];
	int r = fake_source(b, call, &source);

	if (r == 0)
		r = fake_conditions(b, call->kind, call->key, call->if_match,
		    call->if_none_match);
	if (r == 0 && !call->replace_meta &&
	    strcmp(call->key, call->source_key) == 0)
		r = -EINVAL;
	if (r == 0 && source->bytes.size > S3_COPY_MAX)
		r = -EINVAL;
	if (r < 0)
		return r;
	if (call->replace_meta)
		headers = fake_headers_make(
		    call->content_type, call->meta, call->meta_count);
	else
		headers = fake_headers_make(source->headers.content_type,
		    source->headers.meta, source->headers.meta_count);
	memcpy(etag, source->etag, sizeof(etag));
	o = fake_store(b, call->key,
	    fake_bytes_copy(&source->bytes, 0, source->bytes.size), headers, 0);
	if (strchr(etag, '-') == NULL)
		memcpy(o->etag, etag, sizeof(etag));
	fake_answer_object(call, o);
	return 0;
}

/* A DELETE of what is not there succeeds. */
static inline int
fake_do_delete(struct fake_bucket *b, enum s3_kind kind, const char *key,
    const char *if_match)
{
	int r = fake_conditions(b, kind, key, if_match, NULL);

	if (b->kept != NULL && strncmp(key, b->kept, strlen(b->kept)) == 0)
		return -EACCES;
	if (r == 0)
		fake_delete(b, key);
	return r;
}

static inline int
fake_do_deletes(struct fake_bucket *b, struct s3_call *call)
{
	assert(call->deletes_count >= 1 && call->deletes_count <= 1000);
	for (size_t i = 0; i < call->deletes_count; i++)
		call->deletes[i].err = fake_do_delete(b, call->kind,
		    call->deletes[i].key, call->deletes[i].if_match);
	return 0;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_upload.h - the multipart uploads of the bucket in memory, and all calls
 * that change it.
 *
 * Role:    part of fake_s3.h; no threads, no locks.  Only the last part may be
 *          under S3_PART_MIN.
 */
#ifndef TESTS_UNIT_FAKE_UPLOAD_H
#define TESTS_UNIT_FAKE_UPLOAD_H

#include "tests/unit/fake_bucket.h"

struct fake_part {
	struct fake_bytes bytes;
	char etag[40];
	uint32_t crc32c;
	bool has_crc32c;
};

struct fake_upload {
	char id[24];
	char *key; /* owned */
	int64_t made_ns;
	struct fake_headers headers;
	struct fake_part *parts[S3_PARTS_MAX + 1]; /* owned, by number */
	struct fake_upload *next;
};

static inline void
fake_part_free(struct fake_part *part)
{
	if (part != NULL)
		free(part->bytes.data);
	free(part);
}

/* The upload, taken out of the list if ${take}; or NULL. */
static inline struct fake_upload *
fake_upload(struct fake_bucket *b, const struct s3_call *call, bool take)
{
	for (struct fake_upload **u = &b->uploads; *u != NULL;
	     u = &(*u)->next) {
		struct fake_upload *found = *u;

		if (strcmp(found->id, call->upload_id) != 0 ||
		    strcmp(found->key, call->key) != 0)
			continue;
		if (take)
			*u = found->next;
		return found;
	}
	return NULL;
}

static inline void
fake_upload_free(struct fake_upload *u)
{
	for (size_t i = 0; i <= S3_PARTS_MAX; i++)
		fake_part_free(u->parts[i]);
	fake_headers_fini(&u->headers);
	free(u->key);
	free(u);
}

static inline int
fake_do_create(struct fake_bucket *b, struct s3_call *call)
{
	struct fake_upload *u = calloc(1, sizeof(*u));

	assert(u != NULL);
	(void)snprintf(u->id, sizeof(u->id), "upload%u", ++b->ids);
	u->key = fake_copy(call->key);
	u->made_ns = b->now_ns;
	u->headers =
	    fake_headers_make(call->content_type, call->meta, call->meta_count);
	u->next = b->uploads;
	b->uploads = u;
	free(call->ret_upload_id);
	call->ret_upload_id = fake_copy(u->id);
	return 0;
}

static inline int
fake_no_upload(struct s3_call *call)
{
	(void)snprintf(
	    call->result.code, sizeof(call->result.code), "NoSuchUpload");
	return -ENOENT;
}

static inline int
fake_do_part(
    struct fake_bucket *b, struct s3_call *call, struct fake_bytes body)
{
	struct fake_upload *u = fake_upload(b, call, false);
	struct fake_part *part;

	assert(call->part_number >= 1 && call->part_number <= S3_PARTS_MAX);
	if (u == NULL) {
		free(body.data);
		return fake_no_upload(call);
	}
	part = calloc(1, sizeof(*part));
	assert(part != NULL);
	part->bytes = body;
	part->crc32c = call->crc32c;
	part->has_crc32c = call->has_crc32c;
	(void)snprintf(
	    part->etag, sizeof(part->etag), "\"part%u\"", ++b->etags);
	fake_part_free(u->parts[call->part_number]);
	u->parts[call->part_number] = part;
	free(call->ret_parts == NULL ? NULL : call->ret_parts->etag);
	free(call->ret_parts);
	call->ret_parts = calloc(1, sizeof(*call->ret_parts));
	assert(call->ret_parts != NULL);
	call->ret_parts_count = 1;
	*call->ret_parts = (struct s3_part){ .number = call->part_number,
		.size = body.size,
		.etag = fake_copy(part->etag) };
	return 0;
}

static inline int
fake_do_part_copy(struct fake_bucket *b, struct s3_call *call)
{
	const struct fake_object *source = NULL;
	uint64_t len;
	int r = fake_source(b, call, &source);

	if (r < 0)
		return r;
	len = call->len != 0 ? call->len : source->bytes.size;
	if (len > S3_PART_MAX || call->off > source->bytes.size ||
	    len > source->bytes.size - call->off)
		return -EINVAL;
	return fake_do_part(
	    b, call, fake_bytes_copy(&source->bytes, call->off, len));
}

/* The bytes of all parts; of neighbours by the same seed without a copy. */
static inline struct fake_bytes
fake_join(const struct fake_upload *u, const struct s3_call *call)
{
	const struct fake_bytes *first =
	    &u->parts[call->parts[0].number]->bytes;
	struct fake_bytes all = { .seed = first->seed, .off = first->off };
	bool is_one = true;
	uint64_t at = 0;

	for (size_t i = 0; i < call->parts_count; i++) {
		const struct fake_bytes *p =
		    &u->parts[call->parts[i].number]->bytes;

		is_one = is_one && p->data == NULL && p->seed == all.seed &&
			 p->off == all.off + all.size;
		all.size += p->size;
	}
	if (is_one)
		return all;
	all.data = fake_alloc(all.size);
	for (size_t i = 0; i < call->parts_count; i++) {
		const struct fake_bytes *p =
		    &u->parts[call->parts[i].number]->bytes;

		fake_bytes_read(p, 0, all.data + at, p->size);
		at += p->size;
	}
	return all;
}

/* Whether the parts are there, in order, and large enough. */
static inline int
fake_check_parts(const struct fake_upload *u, const struct s3_call *call)
{
	uint64_t size = 0;

	if (call->parts_count == 0)
		return -EINVAL;
	for (size_t i = 0; i < call->parts_count; i++) {
		const struct s3_part *p = &call->parts[i];
		const struct fake_part *part = u->parts[p->number];

		if (part == NULL || p->etag == NULL ||
		    strcmp(part->etag, p->etag) != 0)
			return -EIO; /* InvalidPart */
		if (i > 0 && p->number <= call->parts[i - 1].number)
			return -EINVAL;
		if (i + 1 < call->parts_count && part->bytes.size < S3_PART_MIN)
			return -EINVAL; /* EntityTooSmall */
		size += part->bytes.size;
	}
	if (call->complete_size != 0 && call->complete_size != size)
		return -EINVAL;
	return 0;
}

static inline int
fake_do_complete(struct fake_bucket *b, struct s3_call *call)
{
	struct fake_upload *u = fake_upload(b, call, false);
	int r;

	if (u == NULL)
		return fake_no_upload(call);
	r = fake_check_parts(u, call);
	if (r == 0)
		r = fake_conditions(b, call->kind, call->key, call->if_match,
		    call->if_none_match);
	if (r < 0)
		return r;
	(void)fake_upload(b, call, true);
	fake_answer_object(call, fake_store(b, call->key, fake_join(u, call),
				     u->headers, call->parts_count));
	u->headers = (struct fake_headers){ 0 };
	fake_upload_free(u);
	return 0;
}

static inline int
fake_do_abort(struct fake_bucket *b, struct s3_call *call)
{
	struct fake_upload *u = fake_upload(b, call, true);

	if (u == NULL)
		return fake_no_upload(call);
	fake_upload_free(u);
	return 0;
}

/* Do a call that changes something; ${body}: of a PUT or part. */
static inline int
fake_mutate(struct fake_bucket *b, struct s3_call *call, struct fake_bytes body)
{
	switch ((int)call->kind) {
	case S3_PUT_OBJECT:
		return fake_do_put(b, call, body);
	case S3_COPY_OBJECT:
		return fake_do_copy(b, call);
	case S3_DELETE_OBJECT:
		return fake_do_delete(b, call->kind, call->key, call->if_match);
	case S3_DELETE_OBJECTS:
		return fake_do_deletes(b, call);
	case S3_CREATE_MULTIPART_UPLOAD:
		return fake_do_create(b, call);
	case S3_UPLOAD_PART:
		return fake_do_part(b, call, body);
	case S3_UPLOAD_PART_COPY:
		return fake_do_part_copy(b, call);
	case S3_COMPLETE_MULTIPART_UPLOAD:
		return fake_do_complete(b, call);
	case S3_ABORT_MULTIPART_UPLOAD:
		return fake_do_abort(b, call);
	default:
		return -EOPNOTSUPP;
	}
}

/* A call that changes nothing. */
static inline int
fake_do_list_uploads(const struct fake_bucket *b, struct s3_call *call)
{
	size_t count = 0;

	for (const struct fake_upload *u = b->uploads; u != NULL; u = u->next)
		count++;
	call->uploads = calloc(count + 1, sizeof(*call->uploads));
	assert(call->uploads != NULL);
	for (const struct fake_upload *u = b->uploads; u != NULL; u = u->next) {
		if (strncmp(u->key, call->prefix, strlen(call->prefix)) != 0)
			continue;
		call->uploads[call->uploads_count++] =
		    (struct s3_upload){ .key = fake_copy(u->key),
			    .upload_id = fake_copy(u->id),
			    .initiated_ns = u->made_ns };
	}
	return 0;
}

/* Likewise. */
static inline int
fake_do_list_parts(struct fake_bucket *b, struct s3_call *call)
{
	struct fake_upload *u = fake_upload(b, call, false);

	if (u == NULL)
		return fake_no_upload(call);
	call->ret_parts = calloc(S3_PARTS_MAX, sizeof(*call->ret_parts));
	assert(call->ret_parts != NULL);
	for (unsigned i = 1; i <= S3_PARTS_MAX; i++) {
		const struct fake_part *part = u->parts[i];

		if (part == NULL)
			continue;
		call->ret_parts[call->ret_parts_count++] =
		    (struct s3_part){ .number = i,
			    .size = part->bytes.size,
			    .etag = fake_copy(part->etag),
			    .crc32c = part->crc32c,
			    .has_crc32c = part->has_crc32c };
	}
	return 0;
}

static inline void
fake_bucket_fini(struct fake_bucket *b)
{
	while (b->count > 0)
		fake_delete(b, b->objects[b->count - 1]->key);
	free(b->objects);
	while (b->uploads != NULL) {
		struct fake_upload *u = b->uploads;

		b->uploads = u->next;
		fake_upload_free(u);
	}
}

#endif

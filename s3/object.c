/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object.c - the calls on buckets and single objects; the table of all.
 *
 * Role:    what each sends and how its answer is taken; request.c does the
 *          rest.  Threads: the net thread.
 * S3:      API_HeadBucket, API_ListObjectsV2, API_HeadObject, API_GetObject,
 *          API_PutObject, API_CopyObject, API_DeleteObject,
 *          API_DeleteObjects.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/base/crc.h"
#include "s3/checksum.h"
#include "s3/request.h"

/* Take over what the head of the answer says of the object. */
static void
take_object(struct request *r)
{
	struct s3_object *to = &r->call->object;

	object_fini(to);
	*to = r->x.head.object;
	memset(&r->x.head.object, 0, sizeof(r->x.head.object));
}

/* After a mutation: the head is that of the answer, not of the object. */
static void
take_written(struct request *r)
{
	struct s3_object *to = &r->call->object;

	object_fini(to);
	to->etag = TAKE(r->x.head.object.etag);
	to->version_id = TAKE(r->x.head.object.version_id);
}

static void
add_conditions(struct request *r)
{
	request_header(r, "If-Match", r->call->if_match);
	request_header(r, "If-None-Match", r->call->if_none_match);
}

static int
head_bucket_build(struct request *r)
{
	r->out.key = NULL;
	return 0;
}

static int
list_build(struct request *r)
{
	const struct s3_call *call = r->call;

	r->out.key = NULL;
	request_param(r, "list-type", "2");
	request_param(r, "encoding-type", "url");
	if (call->prefix != NULL && call->prefix[0] != '\0')
		request_param(r, "prefix", call->prefix);
	if (call->delimiter)
		request_param(r, "delimiter", "/");
	if (call->start_after != NULL)
		request_param(r, "start-after", call->start_after);
	if (call->token != NULL)
		request_param(r, "continuation-token", call->token);
	if (call->max_keys != 0)
		request_param_number(r, "max-keys", call->max_keys);
	return 0;
}

static int
list_open(struct request *r, struct xml **ret)
{
	xml_page_fini(&r->call->page);
	return xml_open_list(&r->call->page, ret);
}

static void
list_parsed(struct request *r)
{
	const char *token = xml_list_more(r->xml);

	if (token == NULL || r->call->more == NULL || r->is_more_told)
		return;
	r->is_more_told = true;
	r->call->more(r->call->arg, token);
}

static int
read_build(struct request *r)
{
	r->out.key = r->call->key;
	if (r->call->key == NULL)
		return -EINVAL;
	if (r->call->version_id != NULL)
		request_param(r, "versionId", r->call->version_id);
	return 0;
}

static int
head_object_build(struct request *r)
{
	int rc = read_build(r);

	add_conditions(r);
	return rc;
}

static int
head_object_finish(struct request *r)
{
	const struct s3_object *o = &r->x.head.object;

	if (!r->x.head.has_length)
		return request_refuse(
		    r, ERROR_BAD_ANSWER, "the answer has no Content-Length");
	/* An error that came with 200 has no body that tells it from this. */
	if (o->etag == NULL && o->modified_ns == 0)
		return request_refuse(
		    r, ERROR_BAD_ANSWER, "the answer describes no object");
	take_object(r);
	r->call->object.size = r->x.head.length;
	return 0;
}

static bool
wants_all(const struct s3_call *call)
{
	return call->off == 0 && call->len == 0;
}

/* The rest of the range, pinned to the version that gave its beginning. */
static int
get_build(struct request *r)
{
	const struct s3_call *call = r->call;
	unsigned long long first = r->get.pos;
	int rc = read_build(r);

	if (!r->get.is_pinned) {
		if (call->len > 0 && call->off > UINT64_MAX - call->len)
			return -EINVAL;
		r->get.pos = call->off;
		r->get.end = call->len > 0 ? call->off + call->len : UINT64_MAX;
		first = r->get.pos;
	}
	if (r->get.is_pinned && r->get.etag != NULL) {
		request_header(r, "If-Match", r->get.etag);
	} else if (r->get.pos > call->off && call->if_match == NULL) {
		r->detail = "the body ended early, and without an ETag the "
			    "rest may be of another version";
		return -EIO;
	} else {
		add_conditions(r);
	}
	if (r->get.end != UINT64_MAX)
		request_headerf(r, "Range", "bytes=%llu-%llu", first,
		    (unsigned long long)r->get.end - 1);
	else if (first > 0)
		request_headerf(r, "Range", "bytes=%llu-", first);
	if (r->s3->checksum && wants_all(call) && !r->get.is_pinned)
		request_header(r, "x-amz-checksum-mode", "ENABLED");
	r->out.expect_len = r->get.end - r->get.pos;
	return rc;
}

static const char *
strong(const char *etag)
{
	return strncmp(etag, "W/", 2) == 0 ? etag + 2 : etag;
}

/* What the answer begins and ends with, as offsets in the object. */
static int
get_extent(struct request *r, uint64_t *first, uint64_t *end, uint64_t *total)
{
	const struct head *h = &r->x.head;

	if (h->status == 206 && h->has_range) {
		*first = h->range_first;
		*end = h->range_last + 1;
		*total = h->range_total;
	} else if (h->status == 200 && h->has_length) {
		*first = 0;
		*end = h->length;
		*total = h->length;
	} else {
		return request_refuse(r, ERROR_BAD_ANSWER,
		    "the answer does not say which bytes it holds");
	}
	if (!h->has_length || h->length != *end - *first)
		return request_refuse(r, ERROR_BAD_ANSWER,
		    "Content-Length and Content-Range do not agree");
	return 0;
}

/* Is it the version that was asked for, or that the last attempt gave? */
static int
get_check_version(struct request *r, uint64_t total)
{
	const char *want = r->call->if_match;
	const char *etag = r->x.head.object.etag;

	if (want != NULL && strcmp(want, "*") == 0)
		want = NULL;
	if (r->get.is_pinned && r->get.etag != NULL)
		want = r->get.etag;
	if (r->get.is_pinned && total != r->get.total) {
		r->detail = "the object changed its size while it was read";
		return -ESTALE;
	}
	if (want != NULL && etag == NULL)
		return request_refuse(r, ERROR_BAD_ANSWER,
		    "the server did not say which version it sent");
	if (want != NULL && strcmp(strong(want), strong(etag)) != 0) {
		r->detail = "the server sent another version than asked for";
		return -ESTALE;
	}
	return 0;
}

/* Is there a checksum of the whole in the answer?  Then begin with it. */
static int
get_begin_digest(struct request *r)
{
	const struct head *h = &r->x.head;

	/* A range has nothing to be compared with. */
	if (!r->s3->checksum || !wants_all(r->call))
		return 0;
	if (strcmp(h->checksum_type, "COMPOSITE") == 0)
		return 0;
	/* Without a type, that of a multipart object may be of anything. */
	if (h->checksum_type[0] == '\0' && h->object.etag != NULL &&
	    strchr(h->object.etag, '-') != NULL)
		return 0;
	for (int k = 0; k < DIGEST_KIND_COUNT; k++) {
		if (h->checksums[k][0] == '\0')
			continue;
		memcpy(r->get.checksum, h->checksums[k], DIGEST_VALUE_SIZE);
		return digest_begin(&r->get.digest, (enum digest_kind)k);
	}
	return 0;
}

static int
get_pin(struct request *r, uint64_t total)
{
	const struct head *h = &r->x.head;

	if (r->get.is_pinned)
		return 0;
	if (h->object.etag != NULL) {
		r->get.etag = strdup(h->object.etag);
		if (r->get.etag == NULL)
			return -ENOMEM;
	}
	r->get.total = total;
	r->get.is_pinned = true;
	return get_begin_digest(r);
}

/* No byte goes to the sink before the head was found to be right. */
static int
get_head(struct request *r)
{
	uint64_t first = 0, end = 0, total = 0, want_end = r->get.end;
	int rc = get_extent(r, &first, &end, &total);

	if (rc < 0)
		return rc;
	rc = get_check_version(r, total);
	if (rc < 0)
		return rc;
	if (total != HEAD_TOTAL_UNKNOWN && total < want_end)
		want_end = total;
	if (first != r->get.pos || end != want_end)
		return request_refuse(r, ERROR_BAD_ANSWER,
		    "the server sent other bytes than asked for");
	rc = get_pin(r, total);
	if (rc < 0)
		return rc;
	r->get.end = end;
	take_object(r);
	r->call->object.size = total;
	return 0;
}

static int
get_data(struct request *r, const void *data, size_t len)
{
	struct s3_call *call = r->call;
	int rc = 0;

	if (len > r->get.end - r->get.pos)
		return request_refuse(
		    r, ERROR_BAD_ANSWER, "the server sent too many bytes");
	if (call->sink != NULL)
		rc = call->sink(call->arg, r->get.pos, data, len);
	if (rc < 0) {
		r->detail = "the bytes could not be stored";
		return rc;
	}
	rc = digest_add(&r->get.digest, data, len);
	if (rc < 0)
		return rc;
	r->get.pos += len;
	call->received += len;
	r->has_moved = true;
	return 0;
}

static int
get_finish(struct request *r)
{
	int rc;

	if (r->get.pos != r->get.end)
		return request_refuse(
		    r, ERROR_TRUNCATED, "the body ended early");
	rc = digest_verify(&r->get.digest, r->get.checksum);
	if (rc == -EBADMSG) {
		r->detail = "the checksum of the object is not that of its "
			    "bytes: check the network and the server";
		r->call->result.is_corrupt = true;
		return -EIO;
	}
	return rc == -ENODATA ? 0 : rc;
}

static int
put_build(struct request *r)
{
	r->out.key = r->call->key;
	if (r->call->key == NULL)
		return -EINVAL;
	add_conditions(r);
	request_header_meta(r);
	request_body(r);
	return 0;
}

static int
put_finish(struct request *r)
{
	/* Whatever said 200 without one has not stored the object. */
	if (r->x.head.object.etag == NULL)
		return request_refuse(
		    r, ERROR_BAD_ANSWER, "the answer has no ETag");
	take_written(r);
	r->call->object.size = r->call->body_len;
	return 0;
}

static int
copy_build(struct request *r)
{
	r->out.key = r->call->key;
	r->out.has_body = true;
	if (r->call->key == NULL)
		return -EINVAL;
	add_conditions(r);
	request_header_source(r);
	if (r->call->replace_meta) {
		request_header(r, "x-amz-metadata-directive", "REPLACE");
		request_header_meta(r);
	}
	return 0;
}

static int
copy_open(struct request *r, struct xml **ret)
{
	xml_written_fini(&r->written);
	return xml_open_copy(&r->written, ret);
}

static int
copy_finish(struct request *r)
{
	struct s3_object *o = &r->call->object;

	take_written(r);
	free(o->etag);
	o->etag = TAKE(r->written.etag);
	o->modified_ns = r->written.modified_ns;
	return 0;
}

static int
delete_build(struct request *r)
{
	int rc = read_build(r);

	add_conditions(r);
	return rc;
}

static int
delete_finish(struct request *r)
{
	/* Nor has this removed any: there is nothing to say. */
	if (r->is_xml_error)
		return request_refuse(
		    r, ERROR_BAD_ANSWER, "the answer has a body");
	take_written(r);
	return 0;
}

/* Content-MD5, which DeleteObjects wants unless there is a checksum. */
static int
add_md5(struct request *r)
{
	unsigned char md5[16], text[25];
	unsigned len = 0;

	if (EVP_Digest(buf_str(&r->out.text), r->out.text.len, md5, &len,
		EVP_md5(), NULL) != 1)
		return -EIO;
	(void)EVP_EncodeBlock(text, md5, sizeof(md5));
	request_header(r, "Content-MD5", (char *)text);
	return 0;
}

/* Put the keys that XML can carry into a batch; the rest go singly. */
static int
batch_make(struct request *r)
{
	const struct s3_call *call = r->call;

	if (r->batch != NULL)
		return 0;
	if (call->deletes_count < 1 || call->deletes_count > S3_DELETE_MAX) {
		r->detail = "1 to 1000 keys can be deleted at once";
		return -EINVAL;
	}
	r->batch = calloc(call->deletes_count, sizeof(*r->batch));
	if (r->batch == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < call->deletes_count; i++) {
		if (xml_can_carry(call->deletes[i].key))
			r->batch[r->batch_count++] = call->deletes[i];
	}
	r->is_batch_done = r->batch_count == 0;
	return 0;
}

/* Go to the next key that is not in the batch.  Returns: 1; 0: no more. */
static int
single_next(struct request *r)
{
	const struct s3_call *call = r->call;

	while (r->single < call->deletes_count &&
	       xml_can_carry(call->deletes[r->single].key))
		r->single++;
	return r->single < call->deletes_count ? 1 : 0;
}

static int
deletes_build(struct request *r)
{
	char value[CHECKSUM_CRC32C_SIZE];
	struct s3_call *call = r->call;
	int rc = batch_make(r);

	if (rc < 0)
		return rc;
	if (r->is_batch_done) {
		(void)single_next(r);
		r->out.method = "DELETE";
		r->out.kind = S3_DELETE_OBJECT;
		r->out.key = call->deletes[r->single].key;
		request_header(
		    r, "If-Match", call->deletes[r->single].if_match);
		return 0;
	}
	r->out.key = NULL;
	request_param(r, "delete", NULL);
	rc = xml_write_delete(&r->out.text, r->batch, r->batch_count);
	if (rc < 0)
		return rc;
	request_body_text(r);
	if (!r->s3->checksum)
		return add_md5(r);
	checksum_format(
	    crc32c(0, buf_str(&r->out.text), r->out.text.len), value);
	request_header(r, "x-amz-checksum-crc32c", value);
	return 0;
}

static int
deletes_open(struct request *r, struct xml **ret)
{
	if (r->is_batch_done)
		return 0;
	return xml_open_delete(r->batch, r->batch_count, ret);
}

static int
deletes_finish(struct request *r)
{
	struct s3_call *call = r->call;
	size_t n = 0;

	if (r->is_batch_done) {
		call->deletes[r->single++].err = 0;
		return single_next(r);
	}
	for (size_t i = 0; i < call->deletes_count; i++) {
		if (xml_can_carry(call->deletes[i].key))
			call->deletes[i].err = r->batch[n++].err;
	}
	r->is_batch_done = true;
	return single_next(r);
}

/* A single key that fails does not fail the call. */
static int
deletes_failed(struct request *r, int err)
{
	if (!r->is_batch_done || r->single >= r->call->deletes_count)
		return err;
	r->call->deletes[r->single++].err = err;
	return single_next(r);
}

/* clang-format off */
const struct op op_head_bucket = {
	.name = "HeadBucket", .method = "HEAD", .build = head_bucket_build,
};

const struct op op_list_objects = {
	.name = "ListObjectsV2", .method = "GET", .build = list_build,
	.open = list_open, .parsed = list_parsed,
};

const struct op op_head_object = {
	.name = "HeadObject", .method = "HEAD", .build = head_object_build,
	.finish = head_object_finish,
};

const struct op op_get_object = {
	.name = "GetObject", .method = "GET", .build = get_build,
	.head = get_head, .data = get_data, .finish = get_finish,
};

const struct op op_put_object = {
	.name = "PutObject", .method = "PUT", .mutates = true,
	.build = put_build, .finish = put_finish,
};

const struct op op_copy_object = {
	.name = "CopyObject", .method = "PUT", .mutates = true,
	.build = copy_build, .open = copy_open, .finish = copy_finish,
};

const struct op op_delete_object = {
	.name = "DeleteObject", .method = "DELETE", .mutates = true,
	.build = delete_build, .finish = delete_finish,
};

const struct op op_delete_objects = {
	.name = "DeleteObjects", .method = "POST", .mutates = true,
	.build = deletes_build, .open = deletes_open,
	.finish = deletes_finish, .failed = deletes_failed,
};
/* clang-format on */

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

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multipart.c - the calls of a multipart upload.
 *
 * Role:    what each sends and how its answer is taken; request.c does the
 *          rest.  Threads: the net thread.
 * S3:      API_CreateMultipartUpload, API_UploadPart, API_UploadPartCopy,
 *          API_CompleteMultipartUpload, API_AbortMultipartUpload,
 *          API_ListParts, API_ListMultipartUploads.
 *
 * With checksums an upload is made for CRC32C of the whole object, so that
 * the CRCs of parts can be combined and a later GET be verified.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/checksum.h"
#include "s3/request.h"

#define UPLOADS_MAX 100000 /* a hostile list must end */

static int
upload_build(struct request *r)
{
	r->out.key = r->call->key;
	if (r->call->key == NULL || r->call->upload_id == NULL) {
		r->detail = "a key and an upload id are needed";
		return -EINVAL;
	}
	request_param(r, "uploadId", r->call->upload_id);
	return 0;
}

static int
part_build(struct request *r)
{
	if (r->call->part_number < 1 || r->call->part_number > S3_PARTS_MAX) {
		r->detail = "parts have the numbers 1 to 10000";
		return -EINVAL;
	}
	request_param_number(r, "partNumber", r->call->part_number);
	return upload_build(r);
}

static int
create_build(struct request *r)
{
	r->out.key = r->call->key;
	r->out.has_body = true;
	if (r->call->key == NULL)
		return -EINVAL;
	request_param(r, "uploads", NULL);
	request_header_meta(r);
	if (r->s3->checksum) {
		request_header(r, "x-amz-checksum-algorithm", "CRC32C");
		request_header(r, "x-amz-checksum-type", "FULL_OBJECT");
	}
	return 0;
}

static int
create_open(struct request *r, struct xml **ret)
{
	free(r->call->ret_upload_id);
	r->call->ret_upload_id = NULL;
	return xml_open_create(&r->call->ret_upload_id, ret);
}

static int
upload_part_build(struct request *r)
{
	request_body(r);
	return part_build(r);
}

/* Keep what is known of the part that was written, with ${*etag}. */
static int
keep_part(struct request *r, char **etag, const char *crc, uint64_t size)
{
	struct s3_call *call = r->call;
	struct checksum sum;
	struct s3_part *part;

	if (*etag == NULL)
		return request_refuse(
		    r, ERROR_BAD_ANSWER, "the answer has no ETag");
	if (call->ret_parts == NULL)
		call->ret_parts = calloc(1, sizeof(*call->ret_parts));
	if (call->ret_parts == NULL)
		return -ENOMEM;
	part = call->ret_parts;
	call->ret_parts_count = 1;
	part->number = call->part_number;
	part->size = size;
	free(part->etag);
	part->etag = TAKE(*etag);
	if (checksum_parse(crc, &sum) == 0 && sum.parts == 0) {
		part->crc32c = sum.crc32c;
		part->has_crc32c = true;
	}
	return 0;
}

static int
upload_part_finish(struct request *r)
{
	struct s3_call *call = r->call;
	int rc = keep_part(r, &r->x.head.object.etag,
	    r->x.head.checksums[DIGEST_CRC32C], call->body_len);

	if (rc == 0 && call->has_crc32c && r->s3->checksum) {
		call->ret_parts[0].crc32c = call->crc32c;
		call->ret_parts[0].has_crc32c = true;
	}
	return rc;
}

static int
part_copy_build(struct request *r)
{
	const struct s3_call *call = r->call;

	r->out.has_body = true;
	request_header_source(r);
	if (call->len > 0)
		request_headerf(r, "x-amz-copy-source-range", "bytes=%llu-%llu",
		    (unsigned long long)call->off,
		    (unsigned long long)(call->off + call->len - 1));
	return part_build(r);
}

static int
part_copy_open(struct request *r, struct xml **ret)
{
	xml_written_fini(&r->written);
	return xml_open_copy_part(&r->written, ret);
}

static int
part_copy_finish(struct request *r)
{
	return keep_part(r, &r->written.etag, r->written.crc32c, r->call->len);
}

static int
complete_build(struct request *r)
{
	const struct s3_call *call = r->call;
	char value[CHECKSUM_CRC32C_SIZE];
	int rc = upload_build(r);

	if (rc < 0)
		return rc;
	rc = xml_write_complete(&r->out.text, call->parts, call->parts_count);
	if (rc < 0)
		return rc;
	request_body_text(r);
	request_header(r, "If-Match", call->if_match);
	request_header(r, "If-None-Match", call->if_none_match);
	if (call->complete_size > 0)
		request_headerf(r, "x-amz-mp-object-size", "%llu",
		    (unsigned long long)call->complete_size);
	if (r->s3->checksum && call->has_crc32c) {
		checksum_format(call->crc32c, value);
		request_header(r, "x-amz-checksum-crc32c", value);
		request_header(r, "x-amz-checksum-type", "FULL_OBJECT");
	}
	return 0;
}

static int
complete_open(struct request *r, struct xml **ret)
{
	xml_written_fini(&r->written);
	return xml_open_complete(&r->written, ret);
}

static int
complete_finish(struct request *r)
{
	struct s3_object *o = &r->call->object;

	object_fini(o);
	o->version_id = TAKE(r->x.head.object.version_id);
	o->etag = TAKE(r->written.etag);
	o->size = r->call->complete_size;
	return 0;
}

/* Gone after an attempt whose answer was lost: that one did it. */
static int
abort_failed(struct request *r, int err)
{
	return err == -ENOENT && r->is_unsure ? 0 : err;
}

static int
list_parts_build(struct request *r)
{
	if (r->parts.next != 0)
		request_param_number(r, "part-number-marker", r->parts.next);
	return upload_build(r);
}

static int
list_parts_open(struct request *r, struct xml **ret)
{
	return xml_open_parts(&r->parts, ret);
}

static int
list_parts_finish(struct request *r)
{
	struct s3_call *call = r->call;

	if (r->parts.next != 0 && r->parts.count <= S3_PARTS_MAX)
		return 1;
	call->ret_parts = TAKE(r->parts.parts);
	call->ret_parts_count = r->parts.count;
	r->parts.count = 0;
	return 0;
}

static int
list_uploads_build(struct request *r)
{
	r->out.key = NULL;
	request_param(r, "uploads", NULL);
	request_param(r, "encoding-type", "url");
	if (r->call->prefix != NULL && r->call->prefix[0] != '\0')
		request_param(r, "prefix", r->call->prefix);
	if (r->marker != NULL)
		request_param(r, "key-marker", r->marker);
	if (r->marker_id != NULL)
		request_param(r, "upload-id-marker", r->marker_id);
	return 0;
}

static int
list_uploads_open(struct request *r, struct xml **ret)
{
	return xml_open_uploads(&r->uploads, ret);
}

static int
list_uploads_finish(struct request *r)
{
	struct s3_call *call = r->call;

	free(r->marker);
	free(r->marker_id);
	r->marker = TAKE(r->uploads.next_key);
	r->marker_id = TAKE(r->uploads.next_id);
	if (r->marker != NULL && r->uploads.count < UPLOADS_MAX)
		return 1;
	call->uploads = TAKE(r->uploads.uploads);
	call->uploads_count = r->uploads.count;
	r->uploads.count = 0;
	return 0;
}

/* clang-format off */
const struct op op_create_multipart_upload = {
	.name = "CreateMultipartUpload", .method = "POST", .mutates = true,
	.build = create_build, .open = create_open,
};

const struct op op_upload_part = {
	.name = "UploadPart", .method = "PUT", .mutates = true,
	.build = upload_part_build, .finish = upload_part_finish,
};

const struct op op_upload_part_copy = {
	.name = "UploadPartCopy", .method = "PUT", .mutates = true,
	.build = part_copy_build, .open = part_copy_open,
	.finish = part_copy_finish,
};

const struct op op_complete_multipart_upload = {
	.name = "CompleteMultipartUpload", .method = "POST", .mutates = true,
	.build = complete_build, .open = complete_open,
	.finish = complete_finish,
};

const struct op op_abort_multipart_upload = {
	.name = "AbortMultipartUpload", .method = "DELETE", .mutates = true,
	.build = upload_build, .failed = abort_failed,
};

const struct op op_list_parts = {
	.name = "ListParts", .method = "GET", .build = list_parts_build,
	.open = list_parts_open, .finish = list_parts_finish,
};

const struct op op_list_multipart_uploads = {
	.name = "ListMultipartUploads", .method = "GET",
	.build = list_uploads_build, .open = list_uploads_open,
	.finish = list_uploads_finish,
};
/* clang-format on */

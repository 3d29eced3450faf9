/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml_answer.c - the answers that come in one piece, and <Error>.
 *
 * Role:    parsers for xml_parser.c.  S3: "Error responses", API_CopyObject,
 *          API_UploadPartCopy, API_CompleteMultipartUpload,
 *          API_CreateMultipartUpload, API_DeleteObjects,
 *          API_GetBucketLocation; STS: API_AssumeRoleWithWebIdentity.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/error.h"
#include "s3/xml_parser.h"

static bool
is(const char *path, const char *name)
{
	return strcmp(path, name) == 0;
}

/* An element of <Error>, or of <Error> in the <ErrorResponse> of STS. */
int
xml_error_end(struct xml *x, const char *path, const char *text)
{
	struct xml_error *e = &x->error;
	const struct {
		const char *name;
		char *ret;
		size_t size;
	} fields[] = {
		{ "Code", e->code, sizeof(e->code) },
		{ "Message", e->message, sizeof(e->message) },
		{ "RequestId", e->request_id, sizeof(e->request_id) },
		{ "Region", e->region, sizeof(e->region) },
		{ "BucketName", e->bucket, sizeof(e->bucket) },
		{ "Bucket", e->bucket, sizeof(e->bucket) },
		{ "Endpoint", e->endpoint, sizeof(e->endpoint) },
		{ "Condition", e->condition, sizeof(e->condition) },
	};
	uint64_t ms;

	if (strncmp(path, "Error/", 6) == 0)
		path += 6;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (is(path, fields[i].name))
			xml_set_array(fields[i].ret, fields[i].size, text);
	}
	if (is(path, "ServerTime"))
		xml_set_time(&e->server_time_ns, text);
	if (is(path, "MaxAllowedSkewMilliseconds") &&
	    xml_set_number(&ms, text) == 0 && ms <= INT64_MAX)
		e->max_skew_ms = (int64_t)ms;
	return 0;
}

int
xml_open_error(struct xml **ret_xml)
{
	static const struct xml_ops ops = { .roots = { NULL } };

	return xml_new(&ops, NULL, 0, ret_xml);
}

void
xml_written_fini(struct xml_written *w)
{
	free(w->etag);
	memset(w, 0, sizeof(*w));
}

static int
written_end(struct xml *x, const char *path, const char *text, size_t len)
{
	struct xml_written *own = &x->own.written;

	if (is(path, "ETag"))
		return xml_set_string(&own->etag, text, len);
	if (is(path, "LastModified"))
		xml_set_time(&own->modified_ns, text);
	if (is(path, "ChecksumCRC32C"))
		xml_set_array(own->crc32c, sizeof(own->crc32c), text);
	if (is(path, "ChecksumType"))
		xml_set_array(own->type, sizeof(own->type), text);
	return 0;
}

static int
written_finish(struct xml *x)
{
	struct xml_written *own = &x->own.written;

	if (own->etag == NULL || own->etag[0] == '\0')
		return -EBADMSG;
	*(struct xml_written *)x->ret = *own;
	own->etag = NULL;
	return 0;
}

static void
written_fini(struct xml *x)
{
	xml_written_fini(&x->own.written);
}

#define WRITTEN_OPS(root)                                                      \
	{                                                                      \
		.roots = { root }, .start = NULL, .end = written_end,          \
		.finish = written_finish, .fini = written_fini,                \
	}

int
xml_open_copy(struct xml_written *ret, struct xml **ret_xml)
{
	static const struct xml_ops ops = WRITTEN_OPS("CopyObjectResult");

	return xml_new(&ops, ret, 1, ret_xml);
}

int
xml_open_copy_part(struct xml_written *ret, struct xml **ret_xml)
{
	static const struct xml_ops ops = WRITTEN_OPS("CopyPartResult");

	return xml_new(&ops, ret, 1, ret_xml);
}

int
xml_open_complete(struct xml_written *ret, struct xml **ret_xml)
{
	static const struct xml_ops ops =
	    WRITTEN_OPS("CompleteMultipartUploadResult");

	return xml_new(&ops, ret, 1, ret_xml);
}

static int
create_end(struct xml *x, const char *path, const char *text, size_t len)
{
	if (is(path, "UploadId"))
		return xml_set_string(&x->own.string, text, len);
	return 0;
}

/* Hand over a string that must not be empty. */
static int
string_finish(struct xml *x)
{
	if (x->own.string == NULL || x->own.string[0] == '\0')
		return -EBADMSG;
	*(char **)x->ret = TAKE(x->own.string);
	return 0;
}

static void
string_fini(struct xml *x)
{
	free(x->own.string);
}

int
xml_open_create(char **ret_upload_id, struct xml **ret_xml)
{
	static const struct xml_ops ops = {
		.roots = { "InitiateMultipartUploadResult" },
		.end = create_end,
		.finish = string_finish,
		.fini = string_fini,
	};

	return xml_new(&ops, ret_upload_id, 1, ret_xml);
}

/* The root's own text; "" and "EU" are what the oldest regions say. */
static int
location_end(struct xml *x, const char *path, const char *text, size_t len)
{
	const char *name = text;

	if (path[0] != '\0')
		return 0;
	if (len == 0)
		name = "us-east-1";
	else if (is(text, "EU"))
		name = "eu-west-1";
	return xml_set_string(&x->own.string, name, strlen(name));
}

int
xml_open_location(char **ret_region, struct xml **ret_xml)
{
	static const struct xml_ops ops = {
		.roots = { "LocationConstraint" },
		.end = location_end,
		.finish = string_finish,
		.fini = string_fini,
	};

	return xml_new(&ops, ret_region, 1, ret_xml);
}

/* Free and wipe. */
static void
free_secret(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	free(s);
}

void
xml_sts_fini(struct xml_sts *s)
{
	free(s->access);
	free_secret(s->secret);
	free_secret(s->token);
	memset(s, 0, sizeof(*s));
}

static int
sts_end(struct xml *x, const char *path, const char *text, size_t len)
{
	struct xml_sts *own = &x->own.sts;
	const char *name = strstr(path, "Result/Credentials/");

	if (name == NULL)
		return 0;
	name += strlen("Result/Credentials/");
	if (is(name, "AccessKeyId"))
		return xml_set_string(&own->access, text, len);
	if (is(name, "SecretAccessKey"))
		return xml_set_string(&own->secret, text, len);
	if (is(name, "SessionToken"))
		return xml_set_string(&own->token, text, len);
	if (is(name, "Expiration"))
		xml_set_time(&own->expires_ns, text);
	return 0;
}

static int
sts_finish(struct xml *x)
{
	struct xml_sts *own = &x->own.sts;

	if (own->access == NULL || own->secret == NULL || own->token == NULL ||
	    own->expires_ns == 0)
		return -EBADMSG;
	*(struct xml_sts *)x->ret = *own;
	memset(own, 0, sizeof(*own));
	return 0;
}

static void
sts_fini(struct xml *x)
{
	/* The text was in the parser, too. */
	if (x->text.data != NULL)
		explicit_bzero(x->text.data, x->text.size);
	xml_sts_fini(&x->own.sts);
}

int
xml_open_sts(struct xml_sts *ret, struct xml **ret_xml)
{
	static const struct xml_ops ops = {
		.roots = { "AssumeRoleResponse",
		    "AssumeRoleWithWebIdentityResponse" },
		.end = sts_end,
		.finish = sts_finish,
		.fini = sts_fini,
	};

	return xml_new(&ops, ret, 1, ret_xml);
}

#define NOT_HEARD 1 /* in errs[]; not a possible result */

/* The answer for one key is complete: find the key it is for. */
static int
delete_one(struct xml *x, int err)
{
	struct xml_own_delete *own = &x->own.delete;
	const struct s3_delete *asked = x->ret;
	AUTO_FREE char *key = TAKE(own->key);
	size_t i;

	if (key == NULL)
		return -EBADMSG;
	/* In the order of the request, nearly always. */
	for (size_t n = 0; n < x->ret_count; n++) {
		i = (own->next + n) % x->ret_count;
		if (own->errs[i] != NOT_HEARD || !is(asked[i].key, key))
			continue;
		own->errs[i] = err;
		own->next = i + 1;
		return 0;
	}
	return 0; /* a key nobody asked for */
}

static int
delete_start(struct xml *x, const char *path)
{
	struct xml_own_delete *own = &x->own.delete;

	if (is(path, "Deleted") || is(path, "Error")) {
		own->code[0] = '\0';
		free(TAKE(own->key));
	}
	return 0;
}

static int
delete_end(struct xml *x, const char *path, const char *text, size_t len)
{
	struct xml_own_delete *own = &x->own.delete;

	if (is(path, "Deleted/Key") || is(path, "Error/Key"))
		return xml_set_string(&own->key, text, len);
	if (is(path, "Error/Code"))
		xml_set_array(own->code, sizeof(own->code), text);
	if (is(path, "Deleted"))
		return delete_one(x, 0);
	if (is(path, "Error"))
		return delete_one(x, s3_error_find(200, own->code)->err);
	return 0;
}

static int
delete_finish(struct xml *x)
{
	struct xml_own_delete *own = &x->own.delete;
	struct s3_delete *deletes = x->ret;

	for (size_t i = 0; i < x->ret_count; i++)
		deletes[i].err =
		    own->errs[i] != NOT_HEARD ? own->errs[i] : -EIO;
	return 0;
}

static void
delete_fini(struct xml *x)
{
	free(x->own.delete.errs);
	free(x->own.delete.key);
}

int
xml_open_delete(struct s3_delete *deletes, size_t count, struct xml **ret_xml)
{
	static const struct xml_ops ops = {
		.roots = { "DeleteResult" },
		.start = delete_start,
		.end = delete_end,
		.finish = delete_finish,
		.fini = delete_fini,
	};
	AUTO_FREE int *errs = calloc(count + 1, sizeof(*errs));
	int r;

	if (errs == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		errs[i] = NOT_HEARD;
	r = xml_new(&ops, deletes, count, ret_xml);
	if (r == 0)
		(*ret_xml)->own.delete.errs = TAKE(errs);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part.c - one part of a multipart upload on its way.
 */
#include "cache/part.h"

#include <errno.h>
#include <string.h>

#include "cache/core.h"
#include "cache/entry.h"
#include "cache/plan.h"
#include "cache/send.h"
#include "cache/settle.h"
#include "cache/trouble.h"
#include "cache/zero.h"
#include "s3/base/cleanup.h"
#include "s3/base/killpoint.h"
#include "s3/base/text.h"

/* Whether the base is another object by now: then its size may not do for the
 * range, and some servers look at that first. */
static bool
is_other(struct entry *e, const struct send_part *what)
{
	struct settle look = { 0 };
	enum settle_answer answer =
	    settle_look(e->cache, what->base_key, NULL, &look);
	bool other =
	    answer == SETTLE_ABSENT ||
	    (answer == SETTLE_OTHER && what->base_etag != NULL &&
		look.etag != NULL && strcmp(look.etag, what->base_etag) != 0);

	settle_fini(&look);
	return other;
}

/* What UploadPartCopy says of the part. */
static int
take_part(struct s3_call *call, struct s3_part *ret)
{
	if (call->ret_parts_count == 1) {
		ret->etag = TAKE(call->ret_parts[0].etag);
		ret->crc32c = call->ret_parts[0].crc32c;
		ret->has_crc32c = call->ret_parts[0].has_crc32c;
	}
	if (ret->etag == NULL)
		ret->etag = TAKE(call->object.etag);
	return ret->etag == NULL ? -EIO : 0;
}

/* UploadPartCopy of a part of ${len} bytes; its source is filled in. */
static int
run_copy(struct entry *e, const struct send_part *what, uint64_t len,
    struct s3_call *call)
{
	call->key = what->key;
	call->upload_id = what->upload_id;
	call->part_number = what->number;
	call->len = len;
	return s3_run(e->cache->s3, call, NULL);
}

static int
copy_base(struct entry *e, const struct send_part *what,
    const struct plan_part *plan, struct s3_part *ret)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_UPLOAD_PART_COPY);
	call.source_key = what->base_key;
	call.source_if_match = what->base_etag;
	call.off = plan->off;
	(void)run_copy(e, what, plan->len, &call); /* the result is there */
	r = trouble_errno(&call);
	if (r == -ENOENT || (r == -EINVAL && is_other(e, what)))
		r = -ESTALE; /* the base is not there */
	if (r == 0)
		r = take_part(&call, ret);
	s3_call_fini(&call);
	return r;
}

static int
upload(struct entry *e, const struct send_part *what,
    const struct plan_part *plan, struct s3_part *ret)
{
	ret->has_crc32c = true;
	return send_part(
	    e, what, plan->off, plan->len, &ret->etag, &ret->crc32c);
}

/* What a failed copy of zeros means: -ESTALE their object is another, or gone;
 * -EOPNOTSUPP they are to be sent; else there is no answer, or no upload. */
static int
judge_zeros(struct entry *e, const struct s3_call *call)
{
	const struct s3_result *result = &call->result;

	if (strcmp(result->code, "NoSuchUpload") == 0)
		return -ENOENT;
	if (result->status == 404 || result->status == 412) {
		zero_forget(e->cache, call->source_if_match);
		return -ESTALE;
	}
	if (result->status / 100 != 4 && result->status != 501)
		return trouble_errno(call);
	zero_refuse(e->cache, result->message);
	return -EOPNOTSUPP;
}

/* One try to copy a part from the object of zeros. */
static int
try_zeros(struct entry *e, const struct send_part *what, uint64_t len,
    struct s3_part *ret)
{
	AUTO_FREE char *etag = NULL;
	struct s3_call call;
	int r;

	r = zero_get(e->cache, ZERO_SIZE, &etag);
	if (r < 0)
		return -EOPNOTSUPP;
	s3_call_init(&call, S3_UPLOAD_PART_COPY);
	call.source_key = zero_key(e->cache);
	call.source_if_match = etag;
	r = run_copy(e, what, len, &call);
	r = r < 0 ? judge_zeros(e, &call) : take_part(&call, ret);
	if (r == 0 && ret->has_crc32c && ret->crc32c != zero_crc(len)) {
		zero_refuse(e->cache, "it does not hold zeros: delete it");
		r = -EOPNOTSUPP;
	}
	s3_call_fini(&call);
	return r;
}

static int
copy_zeros(struct entry *e, const struct send_part *what,
    const struct plan_part *plan, struct s3_part *ret)
{
	int r = try_zeros(e, what, plan->len, ret);

	if (r == -ESTALE) /* once more, with a new one */
		r = try_zeros(e, what, plan->len, ret);
	if (r != -ESTALE && r != -EOPNOTSUPP)
		return r;
	text_set(&ret->etag, NULL);
	return upload(e, what, plan, ret);
}

/* Whether an earlier mount has sent it, and the bytes were these.  (To copy one
 * again moves no bytes.) */
static bool
is_there(struct entry *e, const struct send_part *what,
    const struct plan_part *plan, struct s3_part *ret)
{
	const struct s3_part *found = &what->found;

	if (found->number != what->number || found->size != plan->len ||
	    plan->kind == PLAN_COPY ||
	    !send_is(e, plan->off, found, &ret->crc32c))
		return false;
	ret->etag = strdup(found->etag);
	ret->has_crc32c = ret->etag != NULL;
	return ret->etag != NULL;
}

int
part_send(struct entry *e, const struct send_part *what,
    const struct plan_part *plan, struct s3_part *ret)
{
	*ret = (struct s3_part){ .number = what->number, .size = plan->len };
	KILL_POINT("part.before");
	if (is_there(e, what, plan, ret))
		return 0;
	switch (plan->kind) {
	case PLAN_COPY:
		return copy_base(e, what, plan, ret);
	case PLAN_ZERO:
		return copy_zeros(e, what, plan, ret);
	case PLAN_UPLOAD:
		break;
	}
	return upload(e, what, plan, ret);
}

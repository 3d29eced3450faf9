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
#include "s3/base/cleanup.h"

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

/* UploadPartCopy from the base. */
static int
copy_base(struct entry *e, const struct send_part *what,
    const struct plan_part *plan, struct s3_part *ret)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_UPLOAD_PART_COPY);
	call.key = what->key;
	call.upload_id = what->upload_id;
	call.part_number = what->number;
	call.source_key = what->base_key;
	call.source_if_match = what->base_etag;
	call.off = plan->off;
	call.len = plan->len;
	(void)s3_run(e->cache->s3, &call, NULL); /* the result is there */
	r = trouble_errno(&call);
	if (r == -ENOENT || (r == -EINVAL && is_other(e, what)))
		r = -ESTALE; /* the base is not there */
	if (r == 0)
		r = take_part(&call, ret);
	s3_call_fini(&call);
	return r;
}

int
part_send(struct entry *e, const struct send_part *what,
    const struct plan_part *plan, struct s3_part *ret)
{
	*ret = (struct s3_part){ .number = what->number, .size = plan->len };
	if (plan->kind == PLAN_COPY)
		return copy_base(e, what, plan, ret);
	ret->has_crc32c = true;
	return send_part(
	    e, what, plan->off, plan->len, &ret->etag, &ret->crc32c);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settle.c - what became of a request that replaces an object.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/attrs.h"
#include "cache/core.h"
#include "cache/headers.h"
#include "cache/settle.h"
#include "cache/trouble.h"
#include "s3/base/cleanup.h"

void
settle_fini(struct settle *s)
{
	free(s->etag);
	free(s->version_id);
	*s = (struct settle){ 0 };
}

void
settle_none(struct settle *s)
{
	settle_fini(s);
}

static void
take_object(struct settle *s, struct cache *c, struct s3_call *call)
{
	free(s->etag);
	free(s->version_id);
	s->etag = TAKE(call->object.etag);
	s->version_id = TAKE(call->object.version_id);
	s->sent_ms = cache_ms(c, call->result.sent_ms);
}

void
settle_take(struct settle *s, struct cache *c, struct s3_call *call)
{
	take_object(s, c, call);
	s->attempts = call->result.attempts;
	s->unsure = call->result.unsure;
}

bool
settle_is_needed(const struct settle *s, int err)
{
	if (s->unsure || err == -ESTALE)
		return true;
	return err == -ENOENT; /* the base, or the upload, is gone */
}

static enum settle_answer
whose(const struct s3_object *o, const char *token)
{
	enum settle_answer answer = SETTLE_OTHER;
	struct attrs a;

	attrs_init(&a);
	if (attrs_read(o->meta, o->meta_count, o->content_type, &a) < 0)
		answer = SETTLE_UNKNOWN;
	else if (headers_token_is_like(a.token, token))
		answer =
		    strcmp(a.token, token) == 0 ? SETTLE_OURS : SETTLE_OLDER;
	attrs_fini(&a);
	return answer;
}

enum settle_answer
settle_look(
    struct cache *c, const char *key, const char *token, struct settle *s)
{
	enum settle_answer answer = SETTLE_UNKNOWN;
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_HEAD_OBJECT);
	call.key = key;
	(void)s3_run(c->s3, &call, NULL); /* the result is there */
	r = trouble_errno(&call);
	if (r == 0) {
		answer = whose(&call.object, token);
		s->size = call.object.size;
		take_object(s, c, &call);
	} else if (r == -ENOENT) {
		answer = SETTLE_ABSENT;
	}
	s3_call_fini(&call);
	return answer;
}

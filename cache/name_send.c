/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_send.c - one request of a change of names, settled.
 *
 * S3:      API_PutObject, API_DeleteObject with If-Match and If-None-Match.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/attrs.h"
#include "cache/copy.h"
#include "cache/core.h"
#include "cache/headers.h"
#include "cache/name.h"
#include "cache/probe.h"
#include "cache/trouble.h"
#include "s3/base/cleanup.h"
#include "s3/base/crc.h"
#include "s3/base/log.h"
#include "s3/base/text.h"

/* HEAD of ${key}: not interrupted, since it settles what was. */
static int
head_run(struct cache *c, const char *key, struct s3_call *call)
{
	s3_call_init(call, S3_HEAD_OBJECT);
	call->key = key;
	(void)s3_run(c->s3, call, NULL); /* the result is there */
	return trouble_errno(call);
}

/* The token that ${object} carries, NULL: none. */
static const char *
token_of(const struct s3_object *object)
{
	for (size_t i = 0; i < object->meta_count; i++)
		if (strcmp(object->meta[i].name, "pailfs-token") == 0)
			return object->meta[i].value;
	return NULL;
}

/* ---- what is there ---- */

void
name_base_fini(struct name_base *base)
{
	free(base->etag);
	*base = (struct name_base){ 0 };
}

static int
base_of_row(const struct row *row, struct name_base *ret)
{
	bool is_new = row->name_state == NAME_CREATING;

	*ret = (struct name_base){ .is_version = !is_new,
		.is_there = !is_new || row->etag != NULL };
	if (row->etag != NULL)
		ret->etag = strdup(row->etag);
	return row->etag != NULL && ret->etag == NULL ? -ENOMEM : 0;
}

/* A request of ours has no answer: what became of it? */
static int
base_of_head(struct cache *c, const struct row *row, const char *key,
    struct name_base *ret)
{
	bool is_ours, is_old;
	struct s3_call call;
	int r;

	r = head_run(c, key, &call);
	is_ours =
	    r == 0 && headers_token_is_like(token_of(&call.object), row->token);
	is_old = r == 0 && row->etag != NULL &&
		 text_same(call.object.etag, row->etag);
	if (r == 0 && !is_ours && !is_old)
		r = -ESTALE;
	*ret = (struct name_base){ .is_unsure = true };
	if (r == 0) {
		ret->is_there = true;
		ret->is_version = is_ours || row->name_state != NAME_CREATING;
		ret->etag = TAKE(call.object.etag);
	}
	s3_call_fini(&call);
	return r == -ENOENT ? 0 : r;
}

int
name_base(struct cache *c, const struct row *row, const char *key,
    struct name_base *ret)
{
	bool is_hidden = row->name_state == NAME_DELETING ||
			 row->name_state == NAME_DELETE_SENT;

	/* A name that went before the end of its first request was known. */
	if (row->byte_state == BYTES_UNSURE ||
	    row->attr_state == ATTRS_UNSURE ||
	    (is_hidden && row->etag == NULL && row->token != NULL))
		return base_of_head(c, row, key, ret);
	return base_of_row(row, ret);
}

/* ---- PUT ---- */

void
name_made_fini(struct name_made *made)
{
	free(made->etag);
	free(made->version_id);
	*made = (struct name_made){ 0 };
}

static void
take_made(struct cache *c, struct s3_call *call, struct name_made *ret)
{
	ret->etag = TAKE(call->object.etag);
	ret->version_id = TAKE(call->object.version_id);
	ret->sent_ms = cache_ms(c, call->result.sent_ms);
}

/* The PUT of ${row} failed with ${err} and may have had its effect. */
static int
settle_put(struct cache *c, const struct row *row, const char *key, int err,
    struct name_made *ret)
{
	struct s3_call head;
	int r = head_run(c, key, &head);

	ret->is_unsure = r < 0 && r != -ENOENT;
	if (r == 0 && row->token != NULL &&
	    text_same(token_of(&head.object), row->token)) {
		take_made(c, &head, ret);
		err = 0;
	} else if (r == 0 && (row->etag == NULL ||
				 !text_same(head.object.etag, row->etag))) {
		err = -ESTALE;
	}
	s3_call_fini(&head);
	return err;
}

static bool
is_lost(const struct s3_call *call)
{
	return call->result.err < 0 &&
	       (call->result.unsure || call->result.attempts > 1);
}

/* What of ${row} is to be replaced: the object that has its ETag.  That of a
 * directory is not its marker's. */
static const char *
replaced_etag(const struct row *row)
{
	return row->kind == ROW_DIR ? NULL : row->etag;
}

int
name_put(struct cache *c, const struct row *row, const char *key,
    const char *body, struct waiter *w, struct name_made *ret)
{
	const char *etag = replaced_etag(row);
	struct headers h = { 0 };
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_PUT_OBJECT);
	r = headers_make(c, row, true, &h);
	if (r == 0)
		r = probe_check(c,
		    etag == NULL ? PROBE_PUT_ABSENT : PROBE_PUT_MATCH, key,
		    etag, w);
	if (r == 0) {
		call.key = key;
		call.if_match = etag;
		call.if_none_match = etag == NULL ? "*" : NULL;
		call.body = body;
		call.body_len = body != NULL ? strlen(body) : 0;
		call.crc32c = crc32c(0, body, (size_t)call.body_len);
		call.has_crc32c = true;
		headers_apply(&h, &call);
		(void)s3_run(c->s3, &call, w); /* the result is there */
		r = trouble_errno(&call);
	}
	if (r == 0)
		take_made(c, &call, ret);
	else if (is_lost(&call) || (ret->was_sent && r == -ESTALE))
		r = settle_put(c, row, key, r, ret);
	s3_call_fini(&call);
	headers_fini(&h);
	return r == -ESTALE ? -EEXIST : r;
}

/* ---- DELETE ---- */

int
name_is_there(struct cache *c, const char *key, const char *etag)
{
	struct s3_call head;
	int r = head_run(c, key, &head);

	if (r == -ENOENT)
		r = 0;
	else if (r == 0)
		r = etag == NULL || text_same(head.object.etag, etag) ? 1
								      : -ESTALE;
	s3_call_fini(&head);
	return r;
}

int
name_look(struct cache *c, const char *key, struct name_look *ret)
{
	struct s3_call head;
	int r = head_run(c, key, &head);

	if (r == 0) {
		ret->etag = TAKE(head.object.etag);
		ret->token = text_copy(token_of(&head.object));
		ret->size = head.object.size;
	}
	s3_call_fini(&head);
	return r;
}

void
name_look_fini(struct name_look *look)
{
	free(look->etag);
	free(look->token);
	*look = (struct name_look){ 0 };
}

/* The DELETE failed with ${err} and may have had its effect. */
static int
settle_delete(struct cache *c, const char *key, const char *etag, int err)
{
	int r = name_is_there(c, key, etag);

	return r == 0 || r == -ESTALE ? r : err;
}

int
name_delete(
    struct cache *c, const char *key, const char *etag, struct waiter *w)
{
	struct s3_call call;
	int r = 0;

	if (etag != NULL)
		r = probe_check(c, PROBE_DELETE_MATCH, key, etag, w);
	if (r < 0)
		return r;
	s3_call_init(&call, S3_DELETE_OBJECT);
	call.key = key;
	call.if_match = etag;
	keylock_set_sending(&c->keylocks, key, true);
	(void)s3_run(c->s3, &call, w); /* the result is there */
	r = trouble_errno(&call);
	if (r == -ENOENT)
		r = 0;
	else if (is_lost(&call))
		r = settle_delete(c, key, etag, r);
	s3_call_fini(&call);
	return r;
}

int
name_delete_marker(struct cache *c, const char *key, struct waiter *w)
{
	struct s3_call head;
	int r = name_delete(c, key, NAME_EMPTY_ETAG, w);

	if (r != -ESTALE)
		return r;
	/* It holds data, or its ETag is no MD5. */
	r = head_run(c, key, &head);
	if (r == 0 && head.object.size > 0)
		r = -ENOTEMPTY;
	if (r == 0)
		r = name_delete(c, key, head.object.etag, w);
	s3_call_fini(&head);
	return r == -ENOENT ? 0 : r;
}

/* ---- COPY ---- */

/* Whether a person should know. */
static bool
is_trouble(int err)
{
	return err < 0 && err != -ESTALE && err != -ENOENT && err != -EINTR;
}

int
name_copy(struct cache *c, const struct copy *what, struct waiter *w,
    struct copy_result *ret)
{
	struct copy full = *what;
	struct s3_call head;
	int r = 0;

	s3_call_init(&head, S3_HEAD_OBJECT);
	*ret = (struct copy_result){ 0 };
	if (what->size > S3_COPY_MAX && !what->replace_meta) {
		head.key = what->source_key;
		(void)s3_run(c->s3, &head, w); /* the result is there */
		r = trouble_errno(&head);
		full.replace_meta = true;
		full.content_type = head.object.content_type;
		full.meta = head.object.meta;
		full.meta_count = head.object.meta_count;
	}
	if (r == 0)
		r = copy_run(c, &full, w, ret);
	if (is_trouble(r) && ret->message[0] != '\0')
		log_warn("copy of '%s' to '%s' failed: %s", what->source_key,
		    what->key, ret->message);
	s3_call_fini(&head);
	return r == -ETIMEDOUT ? -EIO : r;
}

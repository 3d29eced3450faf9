/* SPDX-License-Identifier: Apache-2.0 */
/*
 * learn.c - headers of an object that were never asked for, before they are
 * written over.
 */
#include "cache/learn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/fill.h"
#include "cache/trouble.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/text.h"
#include "s3/s3.h"

#define NS_PER_S INT64_C(1000000000) /* S3 shows whole seconds */

/* ---- what an answer says, into a row ---- */

static void
take_text(char **to, char **from)
{
	if (*to == NULL)
		*to = TAKE(*from);
}

/* What was set here since is laid over what ${said}, which is used up. */
static void
lay_over(struct row *row, struct row *said)
{
	if (row->mode == 0)
		row->mode = said->mode;
	if (row->uid == UINT32_MAX)
		row->uid = said->uid;
	if (row->gid == UINT32_MAX)
		row->gid = said->gid;
	if (row->rdev == 0)
		row->rdev = said->rdev;
	if (row->atime_ns == 0)
		row->atime_ns = said->atime_ns;
	if (row->mtime_ns == 0)
		row->mtime_ns = said->mtime_ns;
	if (row->ctime_ns == 0)
		row->ctime_ns = said->ctime_ns;
	take_text(&row->content_type, &said->content_type);
	take_text(&row->token, &said->token); /* that of a try stays */
	if (row->meta == NULL) {
		row->meta = TAKE(said->meta);
		row->meta_len = said->meta_len;
	}
	if (text_same(row->etag, said->etag))
		text_set(&row->version_id, TAKE(said->version_id));
	/* What was written as a file is one. */
	if (row->byte_state == BYTES_CLEAN) {
		row->kind = said->kind;
		take_text(&row->target, &said->target);
	}
}

/* What the answer ${object} says of an entry of ${kind}. */
static int
read_answer(const struct s3_object *object, enum row_kind kind, struct row *ret)
{
	int r;

	*ret = (struct row){ .kind = kind, .modified_ns = object->modified_ns };
	r = fill_metadata(ret, object);
	return r == 0 ? text_replace(&ret->etag, object->etag) : r;
}

static int
fill(struct row *row, const struct row *said)
{
	AUTO(row_fini) struct row copy = { 0 };
	int r = row_copy(&copy, said);

	if (r < 0)
		return r;
	if (!view_is_pending(row))
		fill_clear(row);
	lay_over(row, &copy);
	row->attrs = ROW_ATTRS_KNOWN;
	return 0;
}

/* Into the row of ${node}, if it still is to be told.  ${said} NULL: there is
 * no object, and nothing to know. */
static int
store(struct cache *c, uint64_t node, const struct row *said)
{
	struct change ch;
	int r = change_begin_node(c, node, &ch);

	if (r < 0) /* it went away: who has it open sees that */
		return r == -ENOENT ? 0 : r;
	if (ch.row.attrs == ROW_ATTRS_NONE && said != NULL)
		r = fill(&ch.row, said);
	ch.row.attrs = ROW_ATTRS_KNOWN;
	return change_end(&ch, r);
}

/* What S3 says of ${key}; ${ret} is owned. */
static int
ask(struct cache *c, const char *key, enum row_kind kind, struct waiter *w,
    struct row *ret)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_HEAD_OBJECT);
	call.key = key;
	(void)s3_run(c->s3, &call, w); /* the result is there */
	r = trouble_errno(&call);
	if (r == 0)
		r = read_answer(&call.object, kind, ret);
	s3_call_fini(&call);
	return r;
}

/* ---- before a program sets them ---- */

/* Whether S3 may have headers of ${row} that are not known.  The root of a
 * bucket has no object. */
static bool
is_untold(const struct cache *c, const struct row *row)
{
	return row->attrs == ROW_ATTRS_NONE &&
	       row->name_state != NAME_CREATING &&
	       row->name_state != NAME_GONE &&
	       (row->id != CACHE_ROOT || c->config.prefix[0] != '\0');
}

int
learn_row(struct cache *c, const struct row *row, struct waiter *w)
{
	AUTO(buf_fini) struct buf key = BUF_INIT(S3_KEY_MAX);
	AUTO(row_fini) struct row said = { 0 };
	int r;

	if (!is_untold(c, row))
		return 0;
	r = view_key(c, row, &key);
	if (r == 0)
		r = ask(c, buf_str(&key), row->kind, w, &said);
	if (r == -ENOENT && row->kind == ROW_DIR)
		return store(c, row->node, NULL);
	return r == 0 ? store(c, row->node, &said) : r;
}

/* ---- before a version is replaced ---- */

static void
heard_free(struct row *heard)
{
	if (heard != NULL)
		row_fini(heard);
	free(heard);
}

void
learn_hear_locked(
    struct entry *e, const char *key, const struct s3_object *object)
{
	struct row *heard;

	if (!e->is_untold || e->base_key != NULL || strcmp(key, e->key) != 0)
		return;
	heard = calloc(1, sizeof(*heard));
	/* Without memory it is asked for. */
	if (heard == NULL || read_answer(object, ROW_FILE, heard) < 0) {
		heard_free(heard);
		return;
	}
	heard->seen_ms = cache_now_ms(e->cache);
	heard_free(e->heard);
	e->heard = heard;
}

/* Whether that is still so: a listing may have told since that the same bytes
 * were stored again. */
static bool
is_new_enough(const struct cache *c, const struct row *heard,
    const struct row *row, int64_t since_ms)
{
	return heard->modified_ns / NS_PER_S >= row->modified_ns / NS_PER_S &&
	       (heard->seen_ms >= since_ms ||
		   cache_is_fresh(c, heard->seen_ms));
}

/* Whether a GET told of version ${etag} of ${row}: ${ret} is what, owned. */
static bool
was_heard(struct entry *e, const char *etag, const struct row *row,
    int64_t since_ms, struct row *ret)
{
	const struct row *heard;
	bool was;

	lock_take(&e->lock);
	heard = e->heard;
	was = heard != NULL && etag != NULL && text_same(heard->etag, etag) &&
	      is_new_enough(e->cache, heard, row, since_ms) &&
	      row_copy(ret, heard) == 0;
	lock_drop(&e->lock);
	return was;
}

int
learn_version(struct entry *e, const char *key, const char *etag,
    int64_t since_ms, struct row *row)
{
	AUTO(row_fini) struct row said = { 0 };
	struct cache *c = e->cache;
	bool heard;
	int r = 0;

	if (row->attrs != ROW_ATTRS_NONE)
		return 0;
	heard = was_heard(e, etag, row, since_ms, &said);
	if (!heard)
		r = ask(c, key, ROW_FILE, NULL, &said);
	if (r == 0)
		r = fill(row, &said);
	if (r == 0)
		r = store(c, e->node, &said);
	if (r == 0 && etag != NULL && !text_same(etag, said.etag))
		r = -ESTALE;
	return r < 0 ? r : heard ? 0 : 1;
}

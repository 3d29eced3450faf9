/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conflict.c - the loser of a conflict is kept beside the winner.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cache/abandon.h"
#include "cache/aside.h"
#include "cache/change.h"
#include "cache/conflict.h"
#include "cache/core.h"
#include "cache/cover.h"
#include "cache/entry.h"
#include "cache/fill.h"
#include "cache/make.h"
#include "cache/pool.h"
#include "cache/settle.h"
#include "cache/stage.h"
#include "cache/verify.h"
#include "cache/view.h"
#include "cache/write.h"
#include "cache/writeback.h"
#include "cache/xattr.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/text.h"

#define MISSING_MAX 1024 /* bytes; all metadata has 2048 */
#define NAMES_MAX   100  /* tried, where one of that second is taken */

/* What it is the loser of: of what was left unfinished, the file that was being
 * written. */
static char *
name_of(const struct row *row)
{
	struct aside_name aside;

	if (aside_parse(row->name, &aside) &&
	    strcmp(aside.what, ASIDE_UNFINISHED) == 0)
		return strndup(row->name, aside.stem_len);
	return strdup(row->name);
}

/* A new file for the loser beside ${row}, whatever name is free. */
static int
make_beside(
    struct cache *c, const struct row *row, const char *what, struct row *ret)
{
	struct cache_attr attr;
	struct cache_new like = { 0 };
	int64_t now = clock_wall_ns(c->clock);
	AUTO_FREE char *original = name_of(row);
	char host[ASIDE_HOST_MAX + 1];
	int r = original == NULL ? -ENOMEM : -EEXIST;

	aside_host(host);
	view_attr(c, row, &attr);
	like.mode = attr.mode;
	like.uid = attr.uid;
	like.gid = attr.gid;
	for (int i = 0; r == -EEXIST && i < NAMES_MAX; i++) {
		struct buf name = BUF_INIT(CACHE_NAME_MAX);

		row_fini(ret);
		r = aside_make(
		    original, what, host, now + i * INT64_C(1000000000), &name);
		if (r == 0)
			r = make_file(
			    c, row->parent, buf_str(&name), &like, NULL, ret);
		buf_fini(&name);
	}
	return r;
}

/* What else was stored with ${row} goes along. */
static int
carry_headers(struct cache *c, const struct row *row, uint64_t id)
{
	AUTO(row_fini) struct row copy = { 0 };
	struct change ch;
	int r = row_copy(&copy, row);

	if (r == 0)
		r = change_begin(c, id, &ch);
	if (r < 0)
		return r;
	ch.row.meta = TAKE(copy.meta); /* a new file has none */
	ch.row.meta_len = copy.meta_len;
	ch.row.content_type = TAKE(copy.content_type);
	if (copy.atime_ns != 0)
		ch.row.atime_ns = copy.atime_ns;
	return change_end(&ch, 0);
}

/* One run of local bytes. */
static int
copy_run_of(struct entry *from, struct entry *to, uint64_t off, uint64_t end)
{
	struct cache *c = from->cache;
	int r = 0;

	while (r == 0 && off < end) {
		size_t n = end - off < CACHE_READ_MAX ? (size_t)(end - off)
						      : CACHE_READ_MAX;
		struct range range = { off, off + n };
		void *buffer;

		off += n;
		if (chunk_is_hole(&from->chunk, &range)) {
			r = write_zero(to, range.off, range.end, true, NULL);
			continue;
		}
		buffer = pool_take(c->pool);
		if (buffer == NULL)
			return -ENOMEM;
		r = chunk_read(&from->chunk, range.off, buffer, n);
		if (r == 0)
			r = write_bytes(to, range.off, buffer, n, false, NULL);
		pool_put(c->pool, buffer);
	}
	return r;
}

/* The next run from ${off} on of what is copied: all that is local, or, where
 * the rest lies under another key (${has_base}), what was changed. */
static bool
next_run(struct entry *e, bool has_base, uint64_t off, struct range *ret)
{
	bool more;

	lock_take(&e->lock);
	more = rangeset_next_run(has_base ? &e->chunk.dirty : &e->chunk.present,
	    off, e->size, &ret->off, &ret->end);
	lock_drop(&e->lock);
	return more;
}

/* What is local of the file, which is frozen. */
static int
copy_local(struct entry *from, struct entry *to, bool has_base)
{
	struct reader keep = { .end = UINT64_MAX };
	struct range run = { 0 };
	uint64_t size;
	int r = 0;

	lock_take(&from->lock);
	list_append(&from->readers, &keep.link);
	size = from->size;
	lock_drop(&from->lock);
	while (r == 0 && next_run(from, has_base, run.end, &run))
		r = copy_run_of(from, to, run.off, run.end);
	lock_take(&from->lock);
	list_remove(&keep.link);
	lock_drop(&from->lock);
	return r == 0 ? write_truncate(to, size, NULL) : r;
}

/* ---- what lies under another key than the winner's ---- */

/* A base that is there still: of a clone, or of a file that was staged. */
struct base {
	char *key;       /* owned; NULL: none */
	char *etag;      /* owned, NULL */
	uint64_t size;   /* bytes, of the object */
	uint64_t counts; /* of them, these are the file's, where not changed */
};

static void
base_fini(struct base *b)
{
	free(b->key);
	free(b->etag);
	*b = (struct base){ 0 };
}

static int
find_base(struct entry *e, struct base *ret)
{
	struct settle now = { 0 };
	bool any;

	lock_take(&e->lock);
	any = e->base_key != NULL && e->chunk.base_size > 0;
	ret->key = any ? text_copy(e->base_key) : NULL;
	ret->etag = any ? text_copy(e->base_etag) : NULL;
	ret->counts = e->chunk.base_size;
	lock_drop(&e->lock);
	if (!any)
		return 0;
	if (ret->key == NULL)
		return -ENOMEM;
	if (settle_look(e->cache, ret->key, NULL, &now) != SETTLE_OTHER ||
	    (ret->etag != NULL && !text_same(ret->etag, now.etag)))
		base_fini(ret);
	ret->size = now.size;
	settle_fini(&now);
	return 0;
}

/* ${to}, which is empty, has the same base. */
static int
share_base(struct entry *to, const struct base *b)
{
	int r = write_clone(to, b->key, b->etag, b->size, NULL);

	if (r == 0 && b->counts < b->size)
		r = write_truncate(to, b->counts, NULL);
	return r > 0 ? -EIO : r;
}

/* ---- the loser ---- */

/* Whether all of the file is here. */
static bool
is_here(struct entry *e)
{
	bool here;

	lock_take(&e->lock);
	here = entry_is_here(e);
	lock_drop(&e->lock);
	return here;
}

/* What of a partial file is missing: "OFF-END ..." in bytes, as much of it as
 * the metadata takes. */
static int
tell_missing(struct entry *e, uint64_t id)
{
	struct buf text = BUF_INIT(MISSING_MAX);
	struct xattr_set x = { .name = "user.pailfs.missing" };
	uint64_t at = 0, off, end;
	struct change ch;
	int r = 0;

	lock_take(&e->lock);
	while (r == 0 &&
	       rangeset_next_gap(&e->chunk.present, at, e->size, &off, &end)) {
		r = buf_printf(&text, "%s%" PRIu64 "-%" PRIu64,
		    at == 0 ? "" : " ", off, end);
		at = end;
	}
	lock_drop(&e->lock);
	if (r == -EOVERFLOW)
		r = 0; /* the first ones tell enough */
	if (r == 0)
		r = change_begin(e->cache, id, &ch);
	if (r == 0) {
		x.value = buf_str(&text);
		x.len = text.len;
		r = change_end(&ch, xattr_change(&ch.row, &x));
	}
	buf_fini(&text);
	return r;
}

/* The name is the winner's: its row goes on to a version not seen yet. */
static int
give_up_name(struct entry *e)
{
	struct change ch;
	int r;

	r = change_begin_node(e->cache, e->node, &ch);
	if (r < 0)
		return r;
	/* What the flush ended with may not have been written down. */
	if (ch.row.byte_state == BYTES_UPLOADING)
		(void)change_bytes(&ch, BYTES_ON_PUT_412);
	if (ch.row.attr_state == ATTRS_SENDING)
		change_attrs(&ch, ATTRS_ON_SEND_412);
	r = change_bytes(&ch, BYTES_ON_RESOLVE);
	if (ch.row.attr_state != ATTRS_CLEAN)
		change_attrs(&ch, ATTRS_ON_DROP);
	if (ch.row.name_state == NAME_CREATING)
		change_name(&ch, NAME_ON_CREATE_OK); /* another's, but there */
	fill_clear(&ch.row);
	free(ch.row.etag);
	ch.row.etag = NULL;
	ch.row.seen_ms = 0; /* believed no longer */
	if (r == 0)
		r = db_number(e->cache->db, &ch.row.node);
	if (r == 0)
		r = db_intent_drop(e->cache->db, e->ino, DB_INTENT_BYTES);
	if (r == 0)
		r = db_intent_drop(e->cache->db, e->ino, DB_INTENT_BASE);
	r = change_end(&ch, r);
	return r;
}

/* What was made beside it is not whole: away with it. */
static void
unmake(struct cache *c, const struct row *beside)
{
	struct change ch;

	if (change_begin(c, beside->id, &ch) == 0) {
		change_name(&ch, NAME_ON_DISCARD);
		(void)change_end_remove(&ch); /* the next start does */
	}
	abandon_version(c, beside->node);
}

/* Whoever has it open sees no more of it. */
static void
retire(struct entry *e)
{
	struct cache *c = e->cache;

	lock_take(&e->lock);
	(void)entry_set_base_locked(e, NULL, NULL); /* to forget */
	(void)state_bytes_apply(&e->state, BYTES_ON_RESOLVE);
	stats_sub(&c->stats, STAT_DIRTY_BYTES, rangeset_bytes(&e->chunk.dirty));
	rangeset_clear(&e->chunk.dirty);
	e->dirty_ms = 0;
	entry_set_modified_locked(e, false);
	e->sent_generation = e->generation;
	e->is_superseded = true;
	e->lost = -ESTALE;
	lock_drop(&e->lock);
	stats_add(&c->stats, STAT_CONFLICTS, 1);
}

/* All that can be had of ${e}, in ${loser}. */
static int
fill_loser(struct entry *e, const struct base *base, struct entry *loser,
    const struct row *beside)
{
	bool has_base = base->key != NULL;
	int r = has_base ? share_base(loser, base) : 0;

	if (r == 0)
		r = copy_local(e, loser, has_base);
	if (r == 0 && !has_base && !is_here(e))
		r = tell_missing(e, beside->id);
	lock_take(&loser->lock);
	if (r == 0) /* it is kept, whatever happens, before the name goes */
		r = cover_commit_locked(loser);
	lock_drop(&loser->lock);
	return r;
}

static int
keep(struct entry *e, const struct base *base, const struct row *row)
{
	AUTO(row_fini) struct row beside = { 0 };
	struct cache *c = e->cache;
	struct entry *loser;
	int r;

	r = make_beside(c, row,
	    base->key != NULL || is_here(e) ? ASIDE_CONFLICT : ASIDE_PARTIAL,
	    &beside);
	if (r < 0)
		return r;
	r = carry_headers(c, row, beside.id);
	if (r == 0)
		r = entry_get(c, beside.node, &loser);
	if (r < 0) {
		unmake(c, &beside);
		return r;
	}
	r = fill_loser(e, base, loser, &beside);
	if (r == 0)
		r = give_up_name(e);
	if (r == 0)
		retire(e);
	lock_take(&loser->lock);
	if (r == 0)
		writeback_bytes_locked(loser);
	lock_drop(&loser->lock);
	if (r < 0)
		unmake(c, &beside);
	entry_put(loser);
	if (r < 0)
		return r;
	log_warn("'%s' was changed by another meanwhile: what was written here "
		 "is kept as '%s'",
	    e->key, beside.name);
	if (c->hooks.changed != NULL)
		c->hooks.changed(c->hooks.arg, row->parent, row->name, e->node);
	return 0;
}

static int
keep_once(struct entry *e)
{
	AUTO(row_fini) struct row row = { 0 };
	AUTO(base_fini) struct base base = { 0 };
	int r = find_base(e, &base);

	if (r == 0)
		r = db_row_by_node(e->cache->db, e->node, &row);
	return r == 0 ? keep(e, &base, &row) : r;
}

/* There is no room for a copy: it goes by way of S3, if that can be. */
static int
stage(struct entry *e)
{
	bool has_base;

	lock_take(&e->lock);
	has_base = e->base_key != NULL;
	lock_drop(&e->lock);
	if (!has_base && !is_here(e))
		return -ENOSPC;
	return stage_now(e, !has_base);
}

int
conflict_keep(struct entry *e)
{
	int r = verify_all(e);

	if (r == 0)
		r = keep_once(e);
	if (r == -ENOSPC && stage(e) == 0)
		r = keep_once(e);
	return r;
}

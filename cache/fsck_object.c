/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsck_object.c - what the database says is clean against the bucket.
 *
 * A folder at a time, by LIST: of those that have files the database knows.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/drop.h"
#include "cache/fsck.h"
#include "cache/pager.h"
#include "cache/state.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/map.h"
#include "s3/base/text.h"

#define BATCH 256

/* One folder. */
struct folder {
	struct fsck *f;
	uint64_t id;
	struct map seen; /* ids of rows that S3 has */
	int64_t sent_ms; /* cache clock: when the first page was asked for */
	uint64_t ids[BATCH]; /* rows that are to be looked at */
	size_t count;
	uint64_t last;
};

/* Whether S3 is said to have ${row} as it is. */
static bool
is_claimed(const struct row *row)
{
	return row->kind != ROW_DIR && row->name_state == NAME_PRESENT &&
	       !view_is_pending(row) && row->etag != NULL &&
	       row->base_key == NULL;
}

/* Whether what row ${id} says is older than the listing, and still claimed. */
static bool
is_older(struct folder *d, uint64_t id, struct row *ret)
{
	return db_row_by_id(d->f->cache->db, id, ret) == 0 && is_claimed(ret) &&
	       ret->changed_ms < d->sent_ms && ret->seen_ms < d->sent_ms;
}

static int
tell(struct folder *d, const struct row *row, const char *text)
{
	struct fsck_find find = { .row = row, .what = "object" };

	find.is_mended =
	    d->f->call->repair && drop_row(d->f->cache, row->id) == 0;
	return fsck_tell(d->f, &find, "%s", text);
}

/* What S3 lists, if a row claims it. */
static int
check_listed(struct folder *d, const char *name, const struct s3_listed *it)
{
	AUTO(row_fini) struct row row = { 0 };
	AUTO(row_fini) struct row now = { 0 };
	int r = db_row_by_name(d->f->cache->db, d->id, name, &row);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = map_set(&d->seen, row.id, 1);
	if (r < 0 || !is_claimed(&row) ||
	    (row.size == it->size && text_same(row.etag, it->etag)))
		return r;
	if (!is_older(d, row.id, &now) ||
	    (now.size == it->size && text_same(now.etag, it->etag)))
		return 0;
	return tell(d, &now,
	    "S3 has another version than the database says: it was changed "
	    "elsewhere");
}

static int
check_pages(struct folder *d, struct pager *pager, size_t prefix_len)
{
	const struct s3_page *page = NULL;
	int64_t sent_ms;
	int r;

	do {
		r = pager_next(pager, d->f->waiter, &page, &sent_ms);
		if (r < 0 || page == NULL)
			return r;
		if (d->sent_ms == 0)
			d->sent_ms = cache_ms(d->f->cache, sent_ms);
		for (size_t i = 0; r == 0 && i < page->count; i++) {
			const struct s3_listed *it = &page->entries[i];

			if (!it->is_prefix && it->key_len > prefix_len)
				r = check_listed(d, it->key + prefix_len, it);
		}
	} while (r == 0);
	return r;
}

static bool
take_claimed(void *arg, const struct row *row)
{
	struct folder *d = arg;

	d->last = row->id;
	if (is_claimed(row))
		d->ids[d->count++] = row->id;
	return true;
}

/* The next rows of the folder that are claimed; 0: no more rows. */
static int
next_rows(struct folder *d)
{
	uint64_t after = d->last;
	int r;

	d->count = 0;
	r = db_rows_after(
	    d->f->cache->db, d->id, after, BATCH, take_claimed, d);
	return r < 0 ? r : d->last != after;
}

/* Rows that the listing did not have. */
static int
check_unseen(struct folder *d)
{
	int r = 0, more;

	d->last = 0;
	while (r == 0 && (more = next_rows(d)) != 0) {
		r = more < 0 ? more : 0;
		for (size_t i = 0; r == 0 && i < d->count; i++) {
			AUTO(row_fini) struct row row = { 0 };

			if (map_find(&d->seen, d->ids[i]) == NULL &&
			    is_older(d, d->ids[i], &row))
				r = tell(d, &row,
				    "S3 does not have it any more: it was "
				    "removed elsewhere");
		}
	}
	return r;
}

/* Whether (1) any row in the folder is claimed. */
static int
has_claimed(struct folder *d)
{
	int more;

	do {
		more = next_rows(d);
	} while (more > 0 && d->count == 0);
	return more;
}

static int
check_folder(struct folder *d)
{
	struct buf prefix = BUF_INIT(S3_KEY_MAX);
	struct pager *pager = NULL;
	int r = has_claimed(d);

	if (r <= 0)
		return r;
	r = view_prefix(d->f->cache, d->id, &prefix);
	if (r == 0)
		r = pager_new(
		    d->f->cache->s3, buf_str(&prefix), true, NULL, &pager);
	if (r == 0)
		r = check_pages(d, pager, prefix.len);
	pager_free(pager);
	buf_fini(&prefix);
	if (r == 0)
		r = check_unseen(d);
	return r == -ESTALE ? 0 : r; /* it went meanwhile */
}

static int
check_row(struct fsck *f, const struct row *row)
{
	struct folder d = { .f = f, .id = row->id };
	int r;

	if (row->kind != ROW_DIR || !view_is_visible(row))
		return 0;
	map_init(&d.seen);
	r = check_folder(&d);
	map_fini(&d.seen);
	return r;
}

int
fsck_objects(struct fsck *f)
{
	return fsck_each_row(f, check_row);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing.c - LIST pages to rows.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/flight.h"
#include "cache/line.h"
#include "cache/listing.h"
#include "cache/observe.h"
#include "cache/pager.h"
#include "cache/path.h"
#include "cache/view.h"
#include "cache/walk.h"
#include "s3/base/cleanup.h"

#define MOVES_MAX 8 /* of a directory, while it is listed */

struct listings {
	struct flights flights;
	struct walk *walk;
};

/* One delimited listing while it runs. */
struct run {
	struct cache *cache;
	const struct row *dir;
	const char *prefix;
	int64_t sent_ms; /* of the first page, cache clock; 0: not yet */
	bool is_empty;   /* so far: neither entries nor a marker */
	struct s3_listed *hidden; /* owned: objects a directory may hide */
	size_t hidden_count;
};

int
listings_new(struct cache *c, struct listings **ret)
{
	struct listings *l = calloc(1, sizeof(*l));
	int r;

	if (l == NULL)
		return -ENOMEM;
	flights_init(&l->flights);
	r = walk_new(c, &l->walk);
	if (r < 0) {
		flights_fini(&l->flights);
		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void
listings_free(struct listings *l)
{
	if (l == NULL)
		return;
	walk_free(l->walk);
	flights_fini(&l->flights);
	free(l);
}

/* Keep what is needed of ${listed} until the end of the listing. */
static int
keep_hidden(struct run *run, const struct s3_listed *listed)
{
	struct s3_listed *p;

	p = realloc(run->hidden, (run->hidden_count + 1) * sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	run->hidden = p;
	p += run->hidden_count;
	*p = (struct s3_listed){ .key_len = listed->key_len,
		.size = listed->size,
		.modified_ns = listed->modified_ns };
	p->key = strdup(listed->key);
	p->etag = listed->etag == NULL ? NULL : strdup(listed->etag);
	if (p->key == NULL || (listed->etag != NULL && p->etag == NULL)) {
		free(p->key);
		free(p->etag);
		return -ENOMEM;
	}
	run->hidden_count++;
	return 0;
}

static int
take_line(struct run *run, struct observe *o, const struct s3_listed *listed)
{
	bool hidden = false;
	struct path path;
	int r;

	path_classify(run->prefix, run->dir->id == CACHE_ROOT, listed, &path);
	r = line_observe(o, run->dir->id, listed, &path, run->sent_ms, &hidden);
	if (r == 0 && hidden)
		r = keep_hidden(run, listed);
	return r;
}

/*
 * Objects that share their name with a directory: hidden, if the directory
 * was seen by this listing, too; else it is gone and they take its place.
 */
static int
settle_hidden(struct run *run, struct observe *o)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < run->hidden_count; i++) {
		AUTO(row_fini) struct row row = { 0 };
		const struct s3_listed *listed = &run->hidden[i];
		const char *name = listed->key + strlen(run->prefix);

		r = db_row_by_name(run->cache->db, run->dir->id, name, &row);
		if (r == 0 && row.kind == ROW_DIR &&
		    row.seen_ms >= run->sent_ms)
			r = observe_odd(o, run->dir->id, listed->key,
			    OBSERVE_HIDDEN, run->sent_ms);
		else if (r == 0 || r == -ENOENT)
			r = line_object(
			    o, run->dir->id, name, listed, run->sent_ms, NULL);
	}
	return r;
}

static int
take_page(struct run *run, const struct s3_page *page)
{
	struct observe o;
	int r;

	r = observe_begin_at(run->cache, run->dir, run->prefix, &o);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < page->count; i++)
		r = take_line(run, &o, &page->entries[i]);
	return observe_end(&o, r);
}

/* Nothing of the directory is in S3: is it gone, or is something of it owed?
 * 1: gone; 0; -errno. */
static int
take_absence(struct run *run, struct observe *o)
{
	AUTO(row_fini) struct row now = { 0 };
	const struct row *dir = run->dir;
	int r = observe_absent(o, dir->parent, dir->name, run->sent_ms);

	if (r < 0)
		return r;
	r = db_row_by_id(run->cache->db, dir->id, &now);
	if (r == 0)
		return !view_is_visible(&now);
	return r == -ENOENT ? 1 : r;
}

/* After the last page. */
static int
finish(struct run *run)
{
	const struct row *dir = run->dir;
	struct observe o;
	bool empty;
	int r, gone = 0;

	/* One made of an object (Content-Type, Hadoop) needs no keys. */
	empty = run->is_empty && dir->id != CACHE_ROOT && dir->etag == NULL &&
		dir->marker != ROW_MARKER_FOLDER;
	r = observe_begin_at(run->cache, dir, run->prefix, &o);
	if (r < 0)
		return r;
	if (empty)
		gone = take_absence(run, &o);
	r = gone < 0 ? gone : 0;
	if (gone == 0)
		r = settle_hidden(run, &o);
	if (r == 0 && gone == 0)
		r = observe_listed(&o, dir->id, run->sent_ms);
	r = observe_end(&o, r);
	return r == 0 && gone ? -ENOENT : r;
}

static int
all_pages(struct run *run, struct pager *pager, struct waiter *w)
{
	const struct s3_page *page;
	int64_t sent_ms;
	int r;

	for (;;) {
		r = pager_next(pager, w, &page, &sent_ms);
		if (r < 0)
			return r;
		if (page == NULL)
			return finish(run);
		if (run->sent_ms == 0)
			run->sent_ms = cache_ms(run->cache, sent_ms);
		if (page->count > 0)
			run->is_empty = false;
		r = take_page(run, page);
		if (r < 0)
			return r;
	}
}

static int
list_delimited(struct cache *c, const struct row *dir, const char *prefix,
    struct waiter *w)
{
	struct run run = {
		.cache = c, .dir = dir, .prefix = prefix, .is_empty = true
	};
	struct pager *pager;
	int r;

	r = pager_new(c->s3, prefix, true, NULL, &pager);
	if (r < 0)
		return r;
	r = all_pages(&run, pager, w);
	pager_free(pager);
	for (size_t i = 0; i < run.hidden_count; i++) {
		free(run.hidden[i].key);
		free(run.hidden[i].etag);
	}
	free(run.hidden);
	return r;
}

/* -EAGAIN: it, or a directory above it, was renamed meanwhile. */
static int
list_once(struct cache *c, const struct row *dir, struct waiter *w)
{
	struct buf prefix = BUF_INIT(S3_KEY_MAX);
	int r;

	r = view_prefix(c, dir->id, &prefix);
	if (r == 0)
		r = walk_list(c->listings->walk, dir, buf_str(&prefix), w);
	if (r == 0)
		r = list_delimited(c, dir, buf_str(&prefix), w);
	buf_fini(&prefix);
	return r < 0 ? r : 0;
}

static int
list(struct cache *c, uint64_t id, struct waiter *w)
{
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < MOVES_MAX; i++) {
		AUTO(row_fini) struct row now = { 0 };

		r = db_row_by_id(c->db, id, &now);
		if (r == 0)
			r = list_once(c, &now, w);
	}
	return r == -EAGAIN ? -EBUSY : r;
}

/* 1 listed lately, 0 not, -ENOENT. */
static int
is_listed(struct cache *c, uint64_t id)
{
	AUTO(row_fini) struct row row = { 0 };
	int r = db_row_by_id(c->db, id, &row);

	return r < 0 ? r : cache_is_fresh(c, row.listed_ms);
}

int
listing_want(struct cache *c, const struct row *dir, struct waiter *w)
{
	struct flights *flights = &c->listings->flights;
	int r;

	if (cache_is_fresh(c, dir->listed_ms))
		return 0;
	r = flight_join(flights, dir->id, w);
	if (r != FLIGHT_LEAD)
		return r;
	/* Somebody may have listed it since the caller looked. */
	r = is_listed(c, dir->id);
	if (r == 0)
		r = list(c, dir->id, w);
	if (r > 0)
		r = 0;
	flight_end(flights, dir->id, r);
	return r;
}

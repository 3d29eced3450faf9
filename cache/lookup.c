/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.c - a name in a directory: what is known, else what S3 says.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/heads.h"
#include "cache/learn.h"
#include "cache/lookup.h"
#include "cache/nameless.h"
#include "cache/observe.h"
#include "cache/path.h"
#include "cache/state.h"
#include "cache/trouble.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/wait.h"

/* An object that changes at each look has no type in the end. */
#define TYPE_TRIES 4

#define MOVES_MAX 8 /* of a directory above, while one is asked for */

/* Two questions asked at once: is there an object, is there a directory. */
struct probe {
	struct s3_call head;
	struct s3_call list;
	char *dir;    /* owned: prefix of the directory that it is in */
	char *key;    /* owned: of the object */
	char *prefix; /* owned: of the directory */
};

static void
probe_fini(struct probe *p)
{
	s3_call_fini(&p->head);
	s3_call_fini(&p->list);
	free(p->dir);
	free(p->key);
	free(p->prefix);
}

static int
probe_init(
    struct probe *p, struct cache *c, const struct row *dir, const char *name)
{
	struct buf prefix = BUF_INIT(S3_KEY_MAX);
	int r;

	*p = (struct probe){ 0 };
	s3_call_init(&p->head, S3_HEAD_OBJECT);
	s3_call_init(&p->list, S3_LIST_OBJECTS);
	r = view_prefix(c, dir->id, &prefix);
	if (r == 0)
		r = path_join(buf_str(&prefix), name, false, &p->key);
	if (r == 0)
		r = path_join(buf_str(&prefix), name, true, &p->prefix);
	if (r == 0)
		r = buf_take(&prefix, &p->dir);
	buf_fini(&prefix);
	p->head.key = p->key;
	p->list.prefix = p->prefix;
	p->list.max_keys = 1;
	/* A key over 1024 bytes cannot exist. */
	return r == -ENAMETOOLONG ? -ENOENT : r;
}

/* Ask both questions and wait for the answers. */
static int
probe_run(struct probe *p, struct s3 *s3, struct waiter *w)
{
	struct s3_call *calls[] = { &p->head, &p->list };
	int r = 0;

	for (int i = 0; i < 2; i++)
		s3_submit(s3, calls[i]);
	for (int i = 0; i < 2 && r == 0; i++)
		r = s3_wait(s3, calls[i], w);
	for (int i = 0; i < 2 && r < 0; i++)
		s3_cancel(s3, calls[i]);
	for (int i = 0; i < 2 && r < 0; i++)
		(void)s3_wait(s3, calls[i], NULL); /* not interrupted */
	return r;
}

/* Whether the listing showed anything under the prefix. */
static bool
is_dir(const struct probe *p)
{
	return p->list.result.err == 0 && p->list.page.count > 0;
}

/* What both answers, if both were asked for, say of ${name}. */
static int
observe_probe(
    struct cache *c, struct probe *p, const struct row *dir, const char *name)
{
	struct row as = { .parent = dir->id, .kind = ROW_UNKNOWN };
	AUTO_FREE char *copy = strdup(name);
	struct observe o;
	int64_t sent_ms;
	int r;

	if (copy == NULL)
		return -ENOMEM;
	r = trouble_errno(&p->list);
	if (r < 0)
		return r;
	sent_ms = cache_ms(c, p->list.result.sent_ms);
	if (!is_dir(p)) {
		as.name = copy;
		if (p->head.result.err == -ENOENT)
			absent_note(&c->absent, dir->id, name, sent_ms);
		/* What both say was so when the first of them was asked. */
		if (p->list.result.sent_ms < p->head.result.sent_ms)
			p->head.result.sent_ms = p->list.result.sent_ms;
		return heads_observe(c, &as, &p->head);
	}
	r = observe_begin_at(c, dir, p->dir, &o);
	if (r < 0)
		return r;
	r = observe_dir(&o, dir->id, name, sent_ms, NULL);
	return observe_end(&o, r);
}

static int
ask_both(
    struct cache *c, const struct row *dir, const char *name, struct waiter *w)
{
	struct probe p;
	int r;

	r = probe_init(&p, c, dir, name);
	if (r == 0)
		r = probe_run(&p, c->s3, w);
	if (r == 0)
		r = observe_probe(c, &p, dir, name);
	probe_fini(&p);
	return r;
}

/* A directory known by Hadoop's marker: is that there? */
static int
ask_folder(struct cache *c, const struct row *dir, const struct row *row,
    struct waiter *w)
{
	struct buf key = BUF_INIT(S3_KEY_MAX);
	AUTO_FREE char *prefix = NULL;
	struct s3_call call;
	struct observe o;
	int r;

	s3_call_init(&call, S3_HEAD_OBJECT);
	r = view_prefix(c, dir->id, &key);
	if (r == 0) {
		prefix = strdup(buf_str(&key));
		r = prefix == NULL ? -ENOMEM : 0;
	}
	if (r == 0)
		r = buf_printf(&key, "%s_$folder$", row->name);
	call.key = buf_str(&key);
	if (r == 0)
		(void)s3_run(c->s3, &call, w); /* the result is there */
	if (r == 0)
		r = trouble_errno(&call);
	if (r == 0 || r == -ENOENT) {
		int64_t sent_ms = cache_ms(c, call.result.sent_ms);
		bool there = r == 0;

		r = observe_begin_at(c, dir, prefix, &o);
		if (r == 0) {
			r = there ? observe_folder(
					&o, dir->id, row->name, sent_ms)
				  : observe_absent(
					&o, dir->id, row->name, sent_ms);
			r = observe_end(&o, r);
		}
	}
	s3_call_fini(&call);
	buf_fini(&key);
	return r;
}

/* A directory that is known: is there still anything in it? */
static int
ask_dir(struct cache *c, const struct row *dir, const struct row *row,
    struct waiter *w)
{
	struct probe p;
	struct observe o;
	int r;

	r = probe_init(&p, c, dir, row->name);
	if (r == 0) {
		(void)s3_run(c->s3, &p.list, w); /* the result is there */
		r = trouble_errno(&p.list);
	}
	if (r < 0 || !is_dir(&p)) {
		probe_fini(&p);
		if (r == 0 && row->marker == ROW_MARKER_FOLDER)
			return ask_folder(c, dir, row, w);
		return r < 0 ? r : ask_both(c, dir, row->name, w);
	}
	r = observe_begin_at(c, dir, p.dir, &o);
	if (r == 0) {
		r = observe_dir(&o, dir->id, row->name,
		    cache_ms(c, p.list.result.sent_ms), NULL);
		r = observe_end(&o, r);
	}
	probe_fini(&p);
	return r;
}

/* ${row} is too old: is it still what it was? */
static int
revalidate(struct cache *c, const struct row *dir, const struct row *row,
    struct waiter *w)
{
	AUTO(row_fini) struct row now = { 0 };
	int r;

	if (row->kind == ROW_DIR)
		return ask_dir(c, dir, row, w);
	r = heads_want(c, row, w);
	if (r < 0)
		return r;
	r = db_row_by_name(c->db, dir->id, row->name, &now);
	if (r == -ENOENT) /* the object is gone; a directory may have come */
		return ask_both(c, dir, row->name, w);
	return r;
}

/* The row of ${name}, if callers see it. */
static int
visible_row(struct cache *c, uint64_t dir, const char *name, struct row *ret)
{
	int r = db_row_by_name(c->db, dir, name, ret);

	if (r == 0 && !view_is_visible(ret)) {
		row_fini(ret);
		return -ENOENT;
	}
	return r;
}

/* Whether S3 need not be asked about ${row} now. */
static bool
is_settled(const struct cache *c, const struct row *row)
{
	return view_is_pending(row) || row->id == CACHE_ROOT ||
	       cache_is_fresh(c, row->seen_ms);
}

/* When S3 last said that there is no ${name}; 0: not known. */
static int64_t
absent_ms(struct cache *c, const struct row *dir, const char *name)
{
	int64_t ms = absent_asked_ms(&c->absent, dir->id, name);

	return ms > dir->listed_ms ? ms : dir->listed_ms;
}

/* Whether S3 need not be asked about what has no row. */
static bool
is_absent(struct cache *c, const struct row *dir, const char *name)
{
	return cache_absent_valid_ms(c, absent_ms(c, dir, name)) > 0;
}

/* -EAGAIN: a directory above was renamed meanwhile. */
static int
refresh_once(
    struct cache *c, const struct row *dir, const char *name, struct waiter *w)
{
	AUTO(row_fini) struct row row = { 0 };
	struct waiter own;
	int r;

	r = visible_row(c, dir->id, name, &row);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && is_settled(c, &row))
		return 0;
	if (r == -ENOENT && is_absent(c, dir, name))
		return 0;
	if (w == NULL)
		waiter_init(&own);
	r = r == 0 ? revalidate(c, dir, &row, w == NULL ? &own : w)
		   : ask_both(c, dir, name, w == NULL ? &own : w);
	if (w == NULL)
		waiter_fini(&own);
	return r;
}

static int
refresh_name(
    struct cache *c, const struct row *dir, const char *name, struct waiter *w)
{
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < MOVES_MAX; i++)
		r = refresh_once(c, dir, name, w);
	return r == -EAGAIN ? -EBUSY : r;
}

int
lookup_name(struct cache *c, uint64_t parent, const char *name,
    struct waiter *w, struct row *ret)
{
	AUTO(row_fini) struct row dir = { 0 };
	int r;

	r = view_dir(c, parent, &dir);
	if (r < 0)
		return r;
	r = path_check_name(name, dir.id == CACHE_ROOT);
	if (r < 0)
		return r == -ENAMETOOLONG ? r : -ENOENT;
	r = refresh_name(c, &dir, name, w);
	if (r < 0)
		return r;
	r = visible_row(c, dir.id, name, ret);
	for (int i = 0; r == 0 && ret->kind == ROW_UNKNOWN; i++) {
		r = i < TYPE_TRIES ? heads_want(c, ret, w) : -EIO;
		row_fini(ret);
		if (r == 0)
			r = visible_row(c, dir.id, name, ret);
	}
	return r;
}

unsigned
lookup_absent_ms(struct cache *c, uint64_t parent, const char *name)
{
	AUTO(row_fini) struct row dir = { 0 };
	int64_t ms;

	if (view_dir(c, parent, &dir) < 0)
		return 0;
	if (path_check_name(name, dir.id == CACHE_ROOT) < 0)
		return c->config.negative_ttl_ms; /* it never is */
	ms = absent_ms(c, &dir, name);
	if (cache_absent_valid_ms(c, ms) == 0)
		return 0;
	absent_note(&c->absent, dir.id, name, ms);
	return cache_absent_valid_ms(c, ms);
}

/* Ask about ${row}: whether it is as it was, or, where that ${is_settled}, for
 * its headers; then it may be read again. */
static int
refresh_node(
    struct cache *c, const struct row *row, bool is_settled, struct waiter *w)
{
	AUTO(row_fini) struct row dir = { 0 };
	int r;

	if (row->id == CACHE_ROOT)
		return 0;
	if (view_is_pending(row)) {
		r = learn_row(c, row, w);
		return r == -ENOENT ? 0 : r; /* what is here is all */
	}
	if (is_settled)
		return heads_want(c, row, w);
	r = db_row_by_id(c->db, row->parent, &dir);
	if (r == -ENOENT)
		return -ESTALE;
	return r < 0 ? r : refresh_name(c, &dir, row->name, w);
}

/* Also one that is being unlinked: it is there until that is over. */
static int
row_of_node(struct cache *c, uint64_t node, struct row *ret)
{
	int r = db_row_by_node(c->db, node, ret);

	if (r == -ENOENT)
		r = nameless_row(c, node, ret);
	return r == -ENOENT ? -ESTALE : r;
}

/* Whether S3 was asked for the step before this one. */
static bool
was_answered(struct cache *c, uint64_t node)
{
	return answered_is_new(&c->answered, node, clock_mono_ms(c->clock));
}

int
lookup_node(struct cache *c, uint64_t node, bool want_attrs, struct waiter *w,
    struct row *ret)
{
	bool posix = c->config.attrs == CACHE_ATTRS_POSIX;
	int r = row_of_node(c, node, ret);

	/* At most twice: once for its age, once for its headers. */
	for (int i = 0; r == 0 && i < 2; i++) {
		bool settled =
		    i > 0 || is_settled(c, ret) || was_answered(c, node);

		if (ret->name_state == NAME_GONE)
			break; /* nobody can be asked */
		if (settled &&
		    (!want_attrs || !posix || ret->id == CACHE_ROOT ||
			ret->attrs != ROW_ATTRS_NONE))
			break;
		r = refresh_node(c, ret, settled, w);
		row_fini(ret);
		if (r == 0)
			r = row_of_node(c, node, ret);
		if (r == -ENOENT)
			r = -ESTALE;
	}
	return r;
}

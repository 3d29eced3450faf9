/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heads.c - attributes that only a HEAD tells, asked once and ahead.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/flight.h"
#include "cache/heads.h"
#include "cache/heads_turn.h"
#include "cache/observe.h"
#include "cache/trouble.h"
#include "cache/view.h"
#include "cache/worker.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

#define DIRS_AHEAD 8 /* that one look ahead goes through */
#define ASK_TRIES  4 /* of one that is renamed meanwhile */

struct heads {
	struct cache *cache; /* [I] */
	struct flights flights;
	struct lock lock;
	bool stopping;        /* [lock] */
	unsigned under_way;   /* [lock] asked ahead */
	struct list waiters;  /* [lock] heads_stop() */
	struct list asked;    /* [lock] struct head: under way */
	struct list answered; /* [lock] likewise: to be observed */
	bool is_posted;       /* [lock] job */
	struct job job;
	struct heads_turns turns; /* [lock] */
};

/* One HEAD asked ahead. */
struct head {
	struct list link; /* [heads lock] */
	struct heads *heads;
	int err;        /* what became of it */
	struct row row; /* owned */
	struct buf key; /* owned */
	struct s3_call call;
};

int
heads_new(struct cache *c, struct heads **ret)
{
	struct heads *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	h->cache = c;
	lock_init(&h->lock);
	flights_init(&h->flights);
	list_init(&h->waiters);
	list_init(&h->asked);
	list_init(&h->answered);
	*ret = h;
	return 0;
}

void
heads_free(struct heads *h)
{
	if (h == NULL)
		return;
	flights_fini(&h->flights);
	lock_fini(&h->lock);
	free(h);
}

static struct head *
head_of(struct list *l)
{
	return LIST_ENTRY(l, struct head, link);
}

void
heads_stop(struct heads *h)
{
	struct waiter w;
	bool busy;

	if (h == NULL)
		return;
	waiter_init(&w);
	do {
		waiter_reset(&w);
		lock_take(&h->lock);
		h->stopping = true;
		for (struct list *l = h->asked.next; l != &h->asked;
		     l = l->next)
			s3_cancel(h->cache->s3, &head_of(l)->call);
		busy = h->under_way > 0;
		list_remove(&w.link);
		if (busy)
			list_append(&h->waiters, &w.link);
		lock_drop(&h->lock);
		if (busy)
			(void)waiter_wait(&w, WAIT_FOREVER); /* looks again */
	} while (busy);
	waiter_fini(&w);
}

static int
observe_file(struct observe *o, const struct row *row, struct s3_call *call)
{
	struct observation seen = {
		.size = call->object.size,
		.modified_ns = call->object.modified_ns,
		.etag = call->object.etag,
		.storage_class = call->object.storage_class,
		.head = &call->object,
		.sent_ms = cache_ms(o->cache, call->result.sent_ms),
		.sent_wall_ns = clock_wall_ns(o->cache->clock),
	};

	if (call->result.err == -ENOENT)
		return observe_absent(o, row->parent, row->name, seen.sent_ms);
	return observe_object(o, row->parent, row->name, &seen, NULL);
}

/* What ${call} failed with, unless that says something of the object. */
static int
answer_errno(struct s3_call *call)
{
	int r = trouble_errno(call);

	return call->result.err == -ENOENT || r == -EAGAIN ? 0 : r;
}

static int
observe_answer(struct observe *o, const struct row *row, struct s3_call *call)
{
	int64_t sent_ms = cache_ms(o->cache, call->result.sent_ms);

	if (call->result.err == -EAGAIN) /* 304 */
		return db_row_seen(o->cache->db, row->id, sent_ms);
	if (row->kind == ROW_DIR)
		return observe_marker(o, row->id,
		    call->result.err == -ENOENT ? NULL : &call->object,
		    sent_ms);
	return observe_file(o, row, call);
}

int
heads_observe(struct cache *c, const struct row *row, struct s3_call *call)
{
	struct observe o;
	int r = answer_errno(call);

	if (r < 0)
		return r;
	r = observe_begin_at(c, row, call->key, &o);
	if (r < 0)
		return r;
	return observe_end(&o, observe_answer(&o, row, call));
}

static void
head_free(struct head *head)
{
	if (head == NULL)
		return;
	s3_call_fini(&head->call);
	buf_fini(&head->key);
	row_fini(&head->row);
	free(head);
}

static void ask_on(struct heads *h);

/* All answers in one transaction: a commit costs more than a row. */
static int
observe_all(struct heads *h, struct list *heads)
{
	struct observe o;
	int r;

	for (struct list *l = heads->next; l != heads; l = l->next)
		head_of(l)->err = answer_errno(&head_of(l)->call);
	r = observe_begin(h->cache, &o);
	if (r < 0)
		return r;
	for (struct list *l = heads->next; r == 0 && l != heads; l = l->next) {
		struct head *head = head_of(l);

		if (head->err == 0)
			head->err = view_check_key(
			    h->cache, &head->row, head->call.key);
		if (head->err == 0)
			r = observe_answer(&o, &head->row, &head->call);
	}
	return observe_end(&o, r);
}

/* Free those that were observed with ${err}; returns how many. */
static unsigned
end_all(struct heads *h, struct list *heads, int err)
{
	unsigned count = 0;
	struct list *l;

	while ((l = list_pop(heads)) != NULL) {
		struct head *head = head_of(l);
		bool failed = err < 0 || head->err < 0;

		log_debug("head ahead key=%s result=%d", head->call.key,
		    err < 0 ? err : head->err);
		/* Who joined asks for itself: what went ahead failed for
		 * no one. */
		flight_end(&h->flights, head->row.id, failed ? -EINTR : 0);
		head_free(head);
		count++;
	}
	return count;
}

/* On the worker. */
static void
finish(struct job *job)
{
	struct heads *h =
	    (struct heads *)(void *)((char *)job - offsetof(struct heads, job));
	struct list heads, *l;
	unsigned count;

	list_init(&heads);
	lock_take(&h->lock);
	h->is_posted = false;
	while ((l = list_pop(&h->answered)) != NULL)
		list_append(&heads, l);
	lock_drop(&h->lock);
	count = end_all(h, &heads, observe_all(h, &heads));
	lock_take(&h->lock);
	h->under_way -= count;
	waiter_wake_all(&h->waiters);
	lock_drop(&h->lock);
	ask_on(h);
}

/* On the net thread. */
static void
on_done(struct s3_call *call)
{
	struct head *head = call->arg;
	struct heads *h = head->heads;
	bool post;

	lock_take(&h->lock);
	list_remove(&head->link);
	list_append(&h->answered, &head->link);
	post = !h->is_posted;
	h->is_posted = true;
	if (post)
		h->job.run = finish;
	lock_drop(&h->lock);
	if (post)
		worker_post(h->cache->worker, &h->job);
}

/* Take over what ${row} holds. */
static struct head *
head_new(struct heads *h, const struct row *row)
{
	struct head *head = calloc(1, sizeof(*head));

	if (head == NULL)
		return NULL;
	head->heads = h;
	list_init(&head->link);
	s3_call_init(&head->call, S3_HEAD_OBJECT);
	buf_init(&head->key, S3_KEY_MAX);
	head->row = (struct row){ .id = row->id,
		.node = row->node,
		.parent = row->parent,
		.kind = row->kind };
	head->row.name = strdup(row->name);
	if (head->row.name == NULL || view_key(h->cache, row, &head->key) < 0) {
		head_free(head);
		return NULL;
	}
	head->call.key = buf_str(&head->key);
	head->call.background = true;
	head->call.done = on_done;
	head->call.arg = head;
	return head;
}

/* The next entries of a directory whose headers are not known. */
struct scan {
	struct heads *heads;
	struct head *found[HEADS_AHEAD];
	unsigned count;
	unsigned max;
	bool types_only; /* small objects alone: their type is wanted */
	uint64_t to;
};

static bool
is_full(const struct scan *scan)
{
	return scan->count == scan->max;
}

static bool
scan_row(void *arg, const struct row *row)
{
	struct scan *scan = arg;
	struct head *head;

	scan->to = row->id;
	if (row->attrs != ROW_ATTRS_NONE || view_is_pending(row) ||
	    (scan->types_only && row->kind != ROW_UNKNOWN))
		return true;
	if (!flight_try(&scan->heads->flights, row->id))
		return true;
	head = head_new(scan->heads, row);
	if (head == NULL) {
		flight_end(&scan->heads->flights, row->id, -EINTR);
		return false;
	}
	assert(!is_full(scan));
	scan->found[scan->count++] = head;
	return !is_full(scan);
}

static void
start(struct heads *h, struct head *head)
{
	bool go;

	lock_take(&h->lock);
	go = !h->stopping;
	if (go) {
		h->under_way++;
		list_append(&h->asked, &head->link);
		s3_submit(h->cache->s3, &head->call);
	}
	lock_drop(&h->lock);
	if (!go) {
		flight_end(&h->flights, head->row.id, -EINTR);
		head_free(head);
	}
}

static bool
take_id(void *arg, const struct row *row)
{
	*(uint64_t *)arg = row->id;
	return false;
}

static void
find_place(struct cache *c, const struct row *row, struct heads_place *ret)
{
	AUTO(row_fini) struct row dir = { 0 };
	uint64_t first = 0;

	*ret = (struct heads_place){ 0 };
	if (db_row_by_id(c->db, row->parent, &dir) < 0)
		return;
	ret->above = dir.parent;
	if (row->kind != ROW_DIR && cache_is_fresh(c, dir.listed_ms) &&
	    db_rows_after(c->db, row->parent, 0, 1, take_id, &first) == 0)
		ret->is_first = first == row->id;
}

/* The directory after one, and what is asked of it. */
struct next_dir {
	struct scan *scan;
	uint64_t id;
};

static bool
find_dir(void *arg, const struct row *row)
{
	struct next_dir *next = arg;
	struct cache *c = next->scan->heads->cache;
	uint64_t to = next->scan->to;

	if (row->kind != ROW_DIR)
		return true;
	/* Who comes there looks at it first. */
	if (!next->scan->types_only && !is_full(next->scan))
		(void)scan_row(next->scan, row);
	next->scan->to = to;
	next->id = cache_is_fresh(c, row->listed_ms) ? row->id : 0;
	return false;
}

/* The directory after ${dir} in its parent, if it is listed; else 0. */
static uint64_t
dir_after(struct scan *scan, uint64_t dir)
{
	struct cache *c = scan->heads->cache;
	AUTO(row_fini) struct row row = { 0 };
	struct next_dir next = { .scan = scan };

	if (db_row_by_id(c->db, dir, &row) < 0 ||
	    db_rows_after(c->db, row.parent, dir, 64, find_dir, &next) < 0)
		return 0;
	return next.id;
}

/* Scan on from where ${turn} is; the next directories once one is done. */
static void
scan_on(struct scan *scan, struct heads_turn *turn)
{
	struct cache *c = scan->heads->cache;

	/* The marker of the next one may have been the last. */
	for (int dirs = 0; dirs < DIRS_AHEAD && !is_full(scan); dirs++) {
		uint64_t next;
		bool is_end;

		scan->to = turn->asked_to;
		/* Ahead only: whatever fails is asked again when wanted. */
		(void)db_rows_after(c->db, turn->asked_dir, turn->asked_to,
		    4 * HEADS_AHEAD, scan_row, scan);
		is_end = scan->to == turn->asked_to;
		turn->asked_to = scan->to;
		if (is_full(scan))
			return;
		if (!is_end)
			continue;
		next = dir_after(scan, turn->asked_dir);
		if (next == 0)
			return;
		turn->asked_dir = next;
		turn->asked_to = 0;
	}
}

/* Ask for ${max} ahead of ${was}. */
static void
ask_ahead(struct heads *h, const struct heads_turn *was, unsigned max)
{
	struct scan scan = {
		.heads = h, .max = max, .types_only = was->types_only
	};
	struct heads_turn turn = *was;

	scan_on(&scan, &turn);
	lock_take(&h->lock);
	/* Where there are no more, none is to be looked for. */
	heads_turn_asked(
	    &h->turns, was, &turn, is_full(&scan) ? scan.count : UINT_MAX);
	lock_drop(&h->lock);
	for (unsigned i = 0; i < scan.count; i++)
		start(h, scan.found[i]);
}

/* ${row} is wanted: ask for those that will be. */
static void
ask_round(struct heads *h, const struct row *row)
{
	struct heads_place place;
	struct heads_turn turn;
	unsigned max;

	find_place(h->cache, row, &place);
	lock_take(&h->lock);
	turn = *heads_turn_take(&h->turns, row, &place);
	max = heads_turn_room(&turn, h->under_way);
	lock_drop(&h->lock);
	if (max > 0)
		ask_ahead(h, &turn, max);
}

/* Answers came: ask for more, ahead of who came last. */
static void
ask_on(struct heads *h)
{
	const struct heads_turn *last;
	struct heads_turn turn;
	unsigned max = 0;

	lock_take(&h->lock);
	last = heads_turn_last(&h->turns);
	if (last != NULL)
		max = heads_turn_room(last, h->under_way);
	if (max > 0)
		turn = *last;
	lock_drop(&h->lock);
	if (max > 0)
		ask_ahead(h, &turn, max);
}

static int
ask(struct cache *c, const struct row *row, struct waiter *w)
{
	AUTO(buf_fini) struct buf key = BUF_INIT(S3_KEY_MAX);
	struct s3_call call;
	int r;

	r = view_key(c, row, &key);
	if (r < 0)
		return r;
	s3_call_init(&call, S3_HEAD_OBJECT);
	call.key = buf_str(&key);
	/* A 304 would hide that only the metadata changed. */
	if (row->kind != ROW_DIR && c->config.attrs == CACHE_ATTRS_LIST)
		call.if_none_match = row->etag;
	(void)s3_run(c->s3, &call, w); /* the result is in the call */
	r = heads_observe(c, row, &call);
	s3_call_fini(&call);
	return r;
}

/* 1: ${ret}, owned, is the row as it is; 0 if somebody else's answer came since
 * ${row} was read, or it is gone, or going; or -errno. */
static int
is_still_due(struct cache *c, const struct row *row, struct row *ret)
{
	int r = db_row_by_id(c->db, row->id, ret);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (ret->seen_ms == row->seen_ms && ret->attrs == row->attrs &&
	    (ret->kind == ROW_DIR || view_is_visible(ret)))
		return 1;
	row_fini(ret);
	return 0;
}

/* Ask until the answer came under the key that it still has. */
static int
ask_until(struct cache *c, const struct row *row, struct waiter *w)
{
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < ASK_TRIES; i++) {
		AUTO(row_fini) struct row now = { 0 };

		r = is_still_due(c, row, &now);
		if (r == 1)
			r = ask(c, &now, w);
	}
	return r == -EAGAIN ? -EBUSY : r;
}

int
heads_want(struct cache *c, const struct row *row, struct waiter *w)
{
	struct heads *h = c->heads;
	int r;

	/* Else the listing told all; only this one is in doubt. */
	if (c->config.attrs == CACHE_ATTRS_POSIX)
		ask_round(h, row);
	r = flight_join(&h->flights, row->id, w);
	if (r != FLIGHT_LEAD)
		return r;
	r = ask_until(c, row, w);
	flight_end(&h->flights, row->id, r);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writeback.c - what is sent when, and the threads that send it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "cache/core.h"
#include "cache/entry.h"
#include "cache/evict.h"
#include "cache/outage.h"
#include "cache/tasks.h"
#include "cache/writeback.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/base/map.h"
#include "s3/base/wait.h"

#define THREADS_MAX   32
#define RETRY_MIN_MS  5000
#define RETRY_MAX_MS  300000
#define NOTE_MS       250 /* from a change to its facts in the database */
#define NEVER         INT64_MAX
#define ATTRS_RUNNING 16 /* of them, at once */

/* Attributes that wait for their time. */
struct due {
	struct list link;
	struct cache *cache;
	struct task task;
	uint64_t id;     /* of the row */
	int64_t due_ms;  /* monotonic */
	unsigned errors; /* in a row */
};

struct writeback {
	struct cache *cache;             /* [I] */
	const struct writeback_ops *ops; /* [I] */
	struct lock lock;
	struct tasks *tasks; /* [I] */
	bool is_stopping;    /* [lock] */
	pthread_t clock;     /* of what is due */
	bool has_clock;
	struct waiter tick;    /* of the clock thread */
	struct list due;       /* [lock] struct due */
	struct map by_id;      /* [lock] of those in the list */
	unsigned running;      /* [lock] of them, taken off the list */
	struct list bytes;     /* [lock] struct entry, by due_link */
	struct list notes;     /* [lock] struct entry, by note_link */
	int64_t note_ms;       /* [lock] when they are due */
	int64_t wake_ms;       /* [lock] when the clock thread looks again */
	struct list idlers;    /* [lock] struct waiter: until nothing runs */
	struct outage *outage; /* of the clock thread */
};

static int64_t
now_ms(const struct writeback *wb)
{
	return clock_mono_ms(wb->cache->clock);
}

void
writeback_post(struct writeback *wb, struct task *task)
{
	tasks_post(wb->tasks, task);
}

/* ---- bytes ---- */

/* Whether the mount ends without what was not begun: rows and log have it. */
static bool
is_over(const struct cache *c)
{
	return c->is_closing && (c->is_hurried || outage_ms(c) > 0);
}

static void
run_flush(struct task *task)
{
	struct entry *e = LIST_ENTRY(task, struct entry, flush_task);
	struct cache *c = e->cache;

	if (is_over(c))
		c->writeback->ops->left(e);
	else
		c->writeback->ops->bytes(e);
	evict_upload_end(c->evict);
	entry_put(e);
}

void
writeback_bytes_locked(struct entry *e)
{
	if (e->is_flushing)
		return;
	e->is_flushing = true;
	entry_hold(e);
	/* From here on, who needs room may wait for it. */
	evict_upload_begin(e->cache->evict);
	e->flush_task.run = run_flush;
	writeback_post(e->cache->writeback, &e->flush_task);
}

/* The clock thread is to look again at ${ms}.  Lock is held. */
static void
wake_at(struct writeback *wb, int64_t ms)
{
	if (ms >= wb->wake_ms)
		return;
	wb->wake_ms = ms;
	waiter_wake(&wb->tick);
}

void
writeback_later_locked(struct entry *e, int64_t delay_ms)
{
	struct writeback *wb = e->cache->writeback;
	int64_t due_ms = now_ms(wb) + delay_ms;

	lock_take(&wb->lock);
	if (list_is_empty(&e->due_link) && !wb->is_stopping) {
		entry_hold(e);
		e->due_ms = due_ms;
		list_append(&wb->bytes, &e->due_link);
	} else if (due_ms < e->due_ms) {
		e->due_ms = due_ms;
	}
	wake_at(wb, due_ms);
	lock_drop(&wb->lock);
}

void
writeback_retry_locked(struct entry *e)
{
	unsigned shift = e->error_count > 7 ? 7 : e->error_count;
	int64_t delay = (int64_t)RETRY_MIN_MS << (shift == 0 ? 0 : shift - 1);

	writeback_later_locked(e, delay > RETRY_MAX_MS ? RETRY_MAX_MS : delay);
}

/* Take an entry whose time has come off the list; NULL: none. */
static struct entry *
next_bytes(struct writeback *wb, int64_t now, int64_t *ret_next)
{
	struct entry *found = NULL;

	lock_take(&wb->lock);
	for (struct list *l = wb->bytes.next; l != &wb->bytes; l = l->next) {
		struct entry *e = LIST_ENTRY(l, struct entry, due_link);

		if (e->due_ms <= now) {
			list_remove(l);
			found = e;
			break;
		}
		if (e->due_ms < *ret_next)
			*ret_next = e->due_ms;
	}
	lock_drop(&wb->lock);
	return found;
}

static void
post_bytes(struct writeback *wb, int64_t now, int64_t *ret_next)
{
	struct entry *e;

	while ((e = next_bytes(wb, now, ret_next)) != NULL) {
		wb->ops->due(e);
		entry_put(e);
	}
}

/* ---- facts ---- */

void
writeback_note_locked(struct entry *e)
{
	struct writeback *wb = e->cache->writeback;

	if (e->is_noting)
		return;
	lock_take(&wb->lock);
	if (!wb->is_stopping) {
		e->is_noting = true;
		entry_hold(e);
		if (list_is_empty(&wb->notes))
			wb->note_ms = now_ms(wb) + NOTE_MS;
		list_append(&wb->notes, &e->note_link);
		wake_at(wb, wb->note_ms);
	}
	lock_drop(&wb->lock);
}

static void
note(struct entry *e)
{
	lock_take(&e->lock);
	e->is_noting = false;
	(void)chunk_flush(&e->chunk); /* the next change tries again */
	lock_drop(&e->lock);
	entry_put(e);
}

static void
note_all(struct writeback *wb, int64_t now, int64_t *ret_next)
{
	struct list ready, *l;
	bool is_due;

	list_init(&ready);
	lock_take(&wb->lock);
	is_due = wb->note_ms <= now;
	while (is_due && (l = list_pop(&wb->notes)) != NULL)
		list_append(&ready, l);
	if (!list_is_empty(&wb->notes) && wb->note_ms < *ret_next)
		*ret_next = wb->note_ms;
	lock_drop(&wb->lock);
	while ((l = list_pop(&ready)) != NULL)
		note(LIST_ENTRY(l, struct entry, note_link));
}

/* ---- attributes ---- */

static void add_due(struct writeback *wb, struct due *due, int64_t delay_ms);

static void
run_attrs(struct task *task)
{
	struct due *due = LIST_ENTRY(task, struct due, task);
	struct writeback *wb = due->cache->writeback;
	int r =
	    is_over(due->cache) ? 0 : wb->ops->attrs(due->cache, due->id, NULL);
	int64_t delay = RETRY_MIN_MS;

	lock_take(&wb->lock);
	wb->running--;
	waiter_wake_all(&wb->idlers);
	if (r < 0 && !wb->is_stopping) {
		for (unsigned i = 0; i < due->errors && delay < RETRY_MAX_MS;
		     i++)
			delay *= 2;
		due->errors++;
		add_due(wb, due, delay);
	} else {
		free(due);
	}
	lock_drop(&wb->lock);
}

/* Put it on the list, or let go of it where there is one.  Lock is held. */
static void
add_due(struct writeback *wb, struct due *due, int64_t delay_ms)
{
	if (map_find(&wb->by_id, due->id) != NULL ||
	    map_set(&wb->by_id, due->id, 1) < 0) {
		free(due); /* the row says so still: the next drain */
		return;
	}
	due->due_ms = now_ms(wb) + delay_ms;
	list_init(&due->link);
	list_append(&wb->due, &due->link);
	wake_at(wb, due->due_ms);
}

void
writeback_attrs(struct cache *c, uint64_t id)
{
	struct writeback *wb = c->writeback;
	struct due *due = calloc(1, sizeof(*due));

	if (due == NULL)
		return; /* likewise */
	due->cache = c;
	due->id = id;
	due->task.run = run_attrs;
	lock_take(&wb->lock);
	add_due(wb, due, c->config.write_delay_ms);
	lock_drop(&wb->lock);
}

void
writeback_attrs_sent(struct cache *c, uint64_t id)
{
	struct writeback *wb = c->writeback;

	lock_take(&wb->lock);
	for (struct list *l = wb->due.next; l != &wb->due; l = l->next) {
		struct due *due = LIST_ENTRY(l, struct due, link);

		if (due->id != id)
			continue;
		list_remove(l);
		(void)map_remove(&wb->by_id, id); /* it is there */
		free(due);
		break;
	}
	lock_drop(&wb->lock);
}

/* Post what is due at ${now}; all of it, if that is NEVER. */
static void
post_due(struct writeback *wb, int64_t now, int64_t *ret_next)
{
	struct list ready;
	struct list *l, *next;

	list_init(&ready);
	lock_take(&wb->lock);
	for (l = wb->due.next; l != &wb->due; l = next) {
		struct due *due = LIST_ENTRY(l, struct due, link);

		next = l->next;
		if (due->due_ms > now || wb->running >= ATTRS_RUNNING) {
			if (due->due_ms < *ret_next)
				*ret_next = due->due_ms;
			continue;
		}
		list_remove(l);
		(void)map_remove(&wb->by_id, due->id); /* it is there */
		wb->running++;
		list_append(&ready, l);
	}
	lock_drop(&wb->lock);
	while ((l = list_pop(&ready)) != NULL)
		writeback_post(wb, &LIST_ENTRY(l, struct due, link)->task);
}

unsigned
writeback_attrs_count(struct writeback *wb)
{
	unsigned count;

	lock_take(&wb->lock);
	count = (unsigned)wb->by_id.count + wb->running;
	lock_drop(&wb->lock);
	return count;
}

/* ---- the clock ---- */

static bool
is_stopping(struct writeback *wb)
{
	bool stop;

	lock_take(&wb->lock);
	stop = wb->is_stopping;
	lock_drop(&wb->lock);
	return stop;
}

/* All attributes that wait are due. */
static void
make_due(struct writeback *wb)
{
	lock_take(&wb->lock);
	for (struct list *l = wb->due.next; l != &wb->due; l = l->next)
		LIST_ENTRY(l, struct due, link)->due_ms = 0;
	lock_drop(&wb->lock);
}

/* S3 answers again: all that failed is due. */
static void
come_back(struct writeback *wb)
{
	make_due(wb);
	lock_take(&wb->lock);
	for (struct list *l = wb->bytes.next; l != &wb->bytes; l = l->next)
		LIST_ENTRY(l, struct entry, due_link)->due_ms = 0;
	lock_drop(&wb->lock);
}

/* Whether anything waits for its time, which S3 is needed for. */
static bool
is_waiting(struct writeback *wb)
{
	bool waiting;

	lock_take(&wb->lock);
	waiting = !list_is_empty(&wb->bytes) || !list_is_empty(&wb->due);
	lock_drop(&wb->lock);
	return waiting;
}

/* Post what is due.  Returns: when to look again. */
static int64_t
look(struct writeback *wb, int64_t now)
{
	int64_t next = NEVER;
	bool back = false;

	note_all(wb, now, &next);
	if (is_waiting(wb) && outage_look(wb->outage, now, &back, &next))
		return next;
	if (back)
		come_back(wb);
	post_due(wb, now, &next);
	post_bytes(wb, now, &next);
	return next;
}

static void *
run_clock(void *arg)
{
	struct writeback *wb = arg;

	while (!is_stopping(wb)) {
		int64_t now = now_ms(wb), next;

		lock_take(&wb->lock);
		wb->wake_ms = NEVER; /* who comes now wakes it */
		lock_drop(&wb->lock);
		next = look(wb, now);
		lock_take(&wb->lock);
		if (next < wb->wake_ms)
			wb->wake_ms = next;
		lock_drop(&wb->lock);
		if (next < NEVER)
			next = next > now ? next - now : 10;
		/* Woken, or it is time. */
		(void)waiter_wait(
		    &wb->tick, next == NEVER ? WAIT_FOREVER : next);
	}
	return NULL;
}

void
writeback_wake(struct writeback *wb)
{
	waiter_wake(&wb->tick);
}

int
writeback_new(
    struct cache *c, const struct writeback_ops *ops, struct writeback **ret)
{
	struct writeback *wb = calloc(1, sizeof(*wb));
	int r;

	if (wb == NULL)
		return -ENOMEM;
	wb->cache = c;
	wb->ops = ops;
	lock_init(&wb->lock);
	waiter_init(&wb->tick);
	list_init(&wb->due);
	list_init(&wb->bytes);
	list_init(&wb->notes);
	list_init(&wb->idlers);
	map_init(&wb->by_id);
	r = outage_new(c, &wb->outage);
	if (r == 0)
		r = tasks_new(THREADS_MAX, &wb->tasks);
	if (r == 0)
		r = -pthread_create(&wb->clock, NULL, run_clock, wb);
	if (r < 0) {
		writeback_free(wb);
		return r;
	}
	wb->has_clock = true;
	*ret = wb;
	return 0;
}

/* Let go of what waits for its time: rows and log have it. */
static void
let_go(struct writeback *wb)
{
	struct list *l;

	while ((l = list_pop(&wb->notes)) != NULL)
		entry_put(LIST_ENTRY(l, struct entry, note_link));
	while ((l = list_pop(&wb->bytes)) != NULL)
		entry_put(LIST_ENTRY(l, struct entry, due_link));
	while ((l = list_pop(&wb->due)) != NULL)
		free(LIST_ENTRY(l, struct due, link));
}

void
writeback_stop(struct writeback *wb)
{
	if (wb == NULL)
		return;
	lock_take(&wb->lock);
	wb->is_stopping = true;
	lock_drop(&wb->lock);
	waiter_wake(&wb->tick);
	if (wb->has_clock)
		(void)pthread_join(wb->clock, NULL); /* it exists */
	wb->has_clock = false;
	tasks_stop(wb->tasks);
	let_go(wb);
}

void
writeback_free(struct writeback *wb)
{
	if (wb == NULL)
		return;
	map_fini(&wb->by_id);
	outage_free(wb->outage);
	waiter_fini(&wb->tick);
	tasks_free(wb->tasks);
	lock_fini(&wb->lock);
	free(wb);
}

/* ---- drain ---- */

/* Wait until no attributes are on their way. */
static int
wait_attrs(struct writeback *wb, struct waiter *w)
{
	int r = 0;

	lock_take(&wb->lock);
	while (r == 0 && wb->running > 0)
		r = waiter_wait_in(w, &wb->idlers, &wb->lock);
	lock_drop(&wb->lock);
	return r;
}

int
writeback_drain_attrs(
    struct writeback *wb, struct waiter *w, uint64_t *ret_left)
{
	int64_t start = now_ms(wb), soon, next;
	int r = 0;

	soon = start + wb->cache->config.write_delay_ms;
	make_due(wb);
	do {
		next = NEVER;
		/* Those that failed meanwhile are due after this. */
		post_due(wb, soon, &next);
		r = wait_attrs(wb, w);
	} while (r == 0 && next <= soon);
	*ret_left = writeback_attrs_count(wb);
	return r;
}

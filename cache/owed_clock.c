/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owed_clock.c - names that are owed to S3: each when it is its turn.
 *
 * Role:    a thread that posts what is due to threads of its own, DELETEs
 *          gathered; how a run ended, and when the next one is.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "cache/core.h"
#include "cache/owed.h"
#include "cache/owed_table.h"
#include "cache/tasks.h"

#define RETRY_MIN_MS 5000
#define RETRY_MAX_MS 300000
#define HELD_MS      1000 /* until one that is held is looked at again */
#define AGAIN_MS     20   /* likewise, one whose turn it was not */

/* DELETEs on their way. */
struct batch {
	struct task task;
	struct owed *owed;
	struct owed_delete list[S3_DELETE_MAX];
	size_t count;
};

/* That which a test does not set. */
static int64_t
real_ms(void)
{
	return clock_mono_ms(&clock_system);
}

/* How long ${d} is to wait at ${now}: 0 or less, it is due. */
static int64_t
wait_ms(const struct debt *d, int64_t now)
{
	int64_t again = d->laters > 1 ? d->again_ms - real_ms() : 0;

	return d->due_ms - now > again ? d->due_ms - now : again;
}

/* ---- one run ---- */

/* Carry ${d}, which is marked as running, out. */
static int
carry_out(struct owed *o, uint64_t id, enum intent_kind kind)
{
	switch (kind) {
	case INTENT_PUT:
		return o->ops->put(o->cache, id);
	case INTENT_MARK:
		return o->ops->mark(o->cache, id);
	case INTENT_MOVE:
		return o->ops->move(o->cache, id);
	case INTENT_DELETE:
		return o->ops->remove(o->cache, id);
	}
	return -EINVAL;
}

/* When it is its turn again, after ${r}. */
static void
put_off_locked(struct owed *o, struct debt *d, int r)
{
	int64_t delay = RETRY_MIN_MS;

	d->err = r < 0 ? r : 0;
	d->laters = r == OWED_LATER ? d->laters + 1 : 0;
	if (r == OWED_SINGLY) {
		d->is_single = true;
		d->due_ms = owed_now_ms(o);
	} else if (r == OWED_LATER) {
		d->due_ms = owed_now_ms(o);
		if (d->laters > 1)
			d->again_ms = real_ms() + AGAIN_MS;
	} else if (r == OWED_HELD) {
		d->held = o->runs;
		d->due_ms = owed_now_ms(o) + HELD_MS;
	} else if (r < 0) {
		for (unsigned i = 0; i < d->errors && delay < RETRY_MAX_MS; i++)
			delay *= 2;
		d->errors++;
		d->failed = o->runs;
		d->due_ms = owed_now_ms(o) + delay;
	}
}

/* Its run ended with ${r}: is another needed? */
static void
end_run(struct owed *o, uint64_t id, int r)
{
	struct intent it = { 0 };
	int err = db_owed_get(o->cache->db, id, &it);
	struct debt *d;

	lock_take(&o->lock);
	d = owed_find_locked(o, id);
	o->runs++;
	if (d != NULL && err == -ENOENT) {
		owed_remove_locked(o, d); /* whatever it ended with */
	} else if (d != NULL) {
		d->is_running = false;
		if (err == 0 && d->kind != it.kind) {
			d->kind = it.kind; /* another has taken its place */
			d->errors = 0;
			r = OWED_LATER;
		}
		put_off_locked(o, d, r);
	}
	waiter_wake_all(&o->idlers);
	lock_drop(&o->lock);
	intent_fini(&it);
	if (r == OWED_SINGLY || r == 0)
		waiter_wake(&o->tick);
}

int
owed_carry_out(struct owed *o, uint64_t id, enum intent_kind kind)
{
	int r = carry_out(o, id, kind);

	end_run(o, id, r);
	return r;
}

void
owed_run_task(struct task *task)
{
	struct debt *d = LIST_ENTRY(task, struct debt, task);
	struct owed *o = d->owed;
	uint64_t id = d->id;

	(void)owed_carry_out(o, id, d->kind); /* it is noted */
	lock_take(&o->lock);
	o->running--;
	lock_drop(&o->lock);
	waiter_wake(&o->tick);
}

static void
run_batch(struct task *task)
{
	struct batch *b = LIST_ENTRY(task, struct batch, task);
	struct owed *o = b->owed;

	o->ops->remove_all(o->cache, b->list, b->count);
	for (size_t i = 0; i < b->count; i++)
		end_run(o, b->list[i].id, b->list[i].r);
	free(b);
	lock_take(&o->lock);
	o->running--;
	lock_drop(&o->lock);
	waiter_wake(&o->tick);
}

/* ---- the clock ---- */

/* Whether ${d} goes with other DELETEs. */
static bool
is_gathered(const struct debt *d)
{
	return d->kind == INTENT_DELETE && !d->is_single && !d->is_running;
}

/* Whether it was not tried yet: it goes along with one that is due. */
static bool
is_fresh(const struct debt *d)
{
	return d->errors == 0 && d->held == 0 && d->laters == 0;
}

/* How many DELETEs wait, if one of them is due or there are many; else 0. */
static size_t
count_deletes_locked(struct owed *o, int64_t now, int64_t *ret_next)
{
	size_t count = 0;
	int64_t wait;
	bool due = false;

	for (struct list *l = o->all.next; l != &o->all; l = l->next) {
		struct debt *d = LIST_ENTRY(l, struct debt, link);

		if (!is_gathered(d))
			continue;
		wait = wait_ms(d, now);
		if (wait <= 0)
			due = true;
		else if (now + wait < *ret_next)
			*ret_next = now + wait;
		if (wait <= 0 || is_fresh(d))
			count++;
	}
	return due || count >= S3_DELETE_MAX ? count : 0;
}

/* Take those that wait into a batch: NULL if there are none, or no memory. */
static struct batch *
gather_locked(struct owed *o, int64_t now, int64_t *ret_next)
{
	struct batch *b = NULL;

	if (o->running >= OWED_THREADS ||
	    count_deletes_locked(o, now, ret_next) == 0)
		return NULL;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return NULL;
	b->owed = o;
	b->task.run = run_batch;
	for (struct list *l = o->all.next;
	     l != &o->all && b->count < S3_DELETE_MAX; l = l->next) {
		struct debt *d = LIST_ENTRY(l, struct debt, link);

		if (!is_gathered(d) || (wait_ms(d, now) > 0 && !is_fresh(d)))
			continue;
		d->is_running = true;
		b->list[b->count++].id = d->id;
	}
	o->fresh = 0;
	o->running++;
	return b;
}

/* The next that is due; NULL: none. */
static struct debt *
next_due_locked(struct owed *o, int64_t now, int64_t *ret_next)
{
	int64_t wait;

	if (o->running >= OWED_THREADS)
		return NULL;
	for (struct list *l = o->all.next; l != &o->all; l = l->next) {
		struct debt *d = LIST_ENTRY(l, struct debt, link);

		if (d->is_running || is_gathered(d))
			continue;
		wait = wait_ms(d, now);
		if (wait > 0) {
			if (now + wait < *ret_next)
				*ret_next = now + wait;
			continue;
		}
		d->is_running = true;
		d->is_single = false;
		o->running++;
		return d;
	}
	return NULL;
}

/* Post what is due.  Returns: false: the end is near. */
static bool
post_due(struct owed *o, int64_t now, int64_t *ret_next)
{
	struct batch *b;
	struct debt *d;
	bool go;

	do {
		lock_take(&o->lock);
		go = !o->is_stopping;
		d = go ? next_due_locked(o, now, ret_next) : NULL;
		b = go && d == NULL ? gather_locked(o, now, ret_next) : NULL;
		o->wake_ms = *ret_next;
		lock_drop(&o->lock);
		if (d != NULL)
			tasks_post(o->tasks, &d->task);
		if (b != NULL)
			tasks_post(o->tasks, &b->task);
	} while (d != NULL || b != NULL);
	return go;
}

static void *
run_clock(void *arg)
{
	struct owed *o = arg;

	for (;;) {
		int64_t now = owed_now_ms(o), next = INT64_MAX;

		if (!post_due(o, now, &next))
			break;
		if (next != INT64_MAX)
			next = next > now ? next - now : AGAIN_MS;
		/* Woken, or it is time. */
		(void)waiter_wait(
		    &o->tick, next == INT64_MAX ? WAIT_FOREVER : next);
	}
	return NULL;
}

int
owed_start(struct owed *o)
{
	int r = pthread_create(&o->clock, NULL, run_clock, o);

	o->has_clock = r == 0;
	return -r;
}

void
owed_stop(struct owed *o)
{
	if (o == NULL)
		return;
	lock_take(&o->lock);
	o->is_stopping = true;
	lock_drop(&o->lock);
	waiter_wake(&o->tick);
	if (o->has_clock)
		(void)pthread_join(o->clock, NULL); /* it exists */
	o->has_clock = false;
	tasks_stop(o->tasks);
}

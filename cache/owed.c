/* SPDX-License-Identifier: Apache-2.0 */
/*
 * owed.c - names that are owed to S3: when each is carried out, and who waits.
 */
#include "cache/owed.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/core.h"
#include "cache/owed_table.h"
#include "cache/state.h"
#include "cache/tasks.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"

#define OWED_MAX 50000 /* beyond it, calls wait for S3 */
#define TRIES    8     /* of one that changes while it is carried out */

int64_t
owed_now_ms(const struct owed *o)
{
	return clock_mono_ms(o->cache->clock);
}

struct debt *
owed_find_locked(struct owed *o, uint64_t id)
{
	uint64_t value;

	return map_get(&o->by_id, id, &value) ? (struct debt *)(uintptr_t)value
					      : NULL;
}

void
owed_remove_locked(struct owed *o, struct debt *d)
{
	(void)map_remove(&o->by_id, d->id); /* it is there */
	list_remove(&d->link);
	atomic_fetch_sub(&o->count, 1);
	free(d);
}

/* ---- what is to be done later ---- */

/* Whether directory ${id} is ${dir}, or above it, for one that is moving. */
static bool
is_moving(struct owed *o, uint64_t dir)
{
	bool found = false;

	for (;;) {
		AUTO(row_fini) struct row row = { 0 };

		lock_take(&o->lock);
		for (struct list *l = o->moves.next; l != &o->moves;
		     l = l->next)
			found |= LIST_ENTRY(l, struct moving, link)->id == dir;
		lock_drop(&o->lock);
		if (found || dir == CACHE_ROOT ||
		    db_row_by_id(o->cache->db, dir, &row) < 0)
			return found;
		dir = row.parent;
	}
}

bool
owed_is_later(struct cache *c, uint64_t dir)
{
	struct owed *o = c->owed;
	bool moves;

	if (c->config.sync == CACHE_SYNC_CLOSE ||
	    atomic_load(&o->count) >= OWED_MAX)
		return false;
	lock_take(&o->lock);
	moves = !list_is_empty(&o->moves);
	lock_drop(&o->lock);
	return !moves || !is_moving(o, dir);
}

int
owed_move_begin(struct cache *c, uint64_t id)
{
	struct moving *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return -ENOMEM;
	m->id = id;
	lock_take(&c->owed->lock);
	list_append(&c->owed->moves, &m->link);
	lock_drop(&c->owed->lock);
	return 0;
}

void
owed_move_end(struct cache *c, uint64_t id)
{
	struct owed *o = c->owed;

	lock_take(&o->lock);
	for (struct list *l = o->moves.next; l != &o->moves; l = l->next) {
		struct moving *m = LIST_ENTRY(l, struct moving, link);

		if (m->id != id)
			continue;
		list_remove(l);
		free(m);
		break;
	}
	lock_drop(&o->lock);
}

/* ---- start and end ---- */

int
owed_new(struct cache *c, const struct owed_ops *ops, struct owed **ret)
{
	struct owed *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return -ENOMEM;
	o->cache = c;
	o->ops = ops;
	if (tasks_new(OWED_THREADS, &o->tasks) < 0) {
		free(o);
		return -ENOMEM;
	}
	lock_init(&o->lock);
	list_init(&o->all);
	list_init(&o->idlers);
	list_init(&o->moves);
	map_init(&o->by_id);
	waiter_init(&o->tick);
	*ret = o;
	return 0;
}

void
owed_free(struct owed *o)
{
	struct list *l;

	if (o == NULL)
		return;
	while ((l = list_pop(&o->all)) != NULL)
		free(LIST_ENTRY(l, struct debt, link));
	map_fini(&o->by_id);
	waiter_fini(&o->tick);
	tasks_free(o->tasks);
	lock_fini(&o->lock);
	free(o);
}

/* ---- what is owed ---- */

static struct debt *
add_locked(struct owed *o, uint64_t id)
{
	struct debt *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->owed = o;
	d->number = ++o->added;
	d->id = id;
	d->task.run = owed_run_task;
	list_init(&d->link);
	if (map_set(&o->by_id, id, (uintptr_t)d) < 0) {
		free(d);
		return NULL;
	}
	list_append(&o->all, &d->link);
	atomic_fetch_add(&o->count, 1);
	return d;
}

/* The debt for ${row}, new or as it is. */
static struct debt *
want_locked(struct owed *o, const struct row *row, enum intent_kind kind)
{
	struct debt *d = owed_find_locked(o, row->id);

	if (d == NULL)
		d = add_locked(o, row->id);
	if (d == NULL)
		return NULL;
	d->dir = row->parent;
	if (d->is_running)
		return d; /* its end finds the new one */
	d->kind = kind;
	d->errors = 0;
	d->laters = 0;
	d->held = 0;
	d->is_single = false;
	d->due_ms = owed_now_ms(o) + o->cache->config.write_delay_ms;
	return d;
}

void
owed_add(struct cache *c, const struct row *row, int kind)
{
	struct owed *o = c->owed;
	struct debt *d;
	bool wake = false;

	lock_take(&o->lock);
	d = want_locked(o, row, (enum intent_kind)kind);
	if (d != NULL && !d->is_running) {
		o->fresh += kind == INTENT_DELETE ? 1 : 0;
		wake = d->due_ms < o->wake_ms || o->fresh >= S3_DELETE_MAX;
	}
	lock_drop(&o->lock);
	if (wake)
		waiter_wake(&o->tick);
}

void
owed_forget(struct cache *c, uint64_t id)
{
	struct owed *o = c->owed;
	struct debt *d;

	if (!owed_any(c))
		return;
	lock_take(&o->lock);
	d = owed_find_locked(o, id);
	if (d != NULL && !d->is_running) {
		owed_remove_locked(o, d);
		waiter_wake_all(&o->idlers);
	}
	lock_drop(&o->lock);
}

bool
owed_any(struct cache *c)
{
	return atomic_load(&c->owed->count) > 0;
}

void
owed_count(struct cache *c, struct owed_counts *ret)
{
	struct owed *o = c->owed;

	*ret = (struct owed_counts){ 0 };
	lock_take(&o->lock);
	for (struct list *l = o->all.next; l != &o->all; l = l->next) {
		const struct debt *d = LIST_ENTRY(l, struct debt, link);

		ret->creates +=
		    d->kind == INTENT_PUT || d->kind == INTENT_MARK ? 1 : 0;
		ret->renames += d->kind == INTENT_MOVE ? 1 : 0;
		ret->deletes += d->kind == INTENT_DELETE ? 1 : 0;
		ret->failed += d->errors > 0 ? 1 : 0;
	}
	lock_drop(&o->lock);
}

void
owed_took_back(struct cache *c, uint64_t dir, int why)
{
	struct owed *o = c->owed;

	lock_take(&o->lock);
	o->lost = o->runs + 1; /* by the run that goes on */
	o->lost_dir = dir;
	o->lost_err = why;
	/* Else it was another that came first. */
	o->refused += why != -ESTALE ? 1 : 0;
	lock_drop(&o->lock);
}

uint64_t
owed_refused(struct cache *c)
{
	uint64_t refused;

	lock_take(&c->owed->lock);
	refused = c->owed->refused;
	lock_drop(&c->owed->lock);
	return refused;
}

int
owed_is_leaving(struct cache *c, uint64_t dir, const char *name, bool is_dir)
{
	struct buf key = BUF_INIT(S3_KEY_MAX);
	struct intent it = { 0 };
	int r;

	if (!owed_any(c))
		return 0;
	r = view_prefix(c, dir, &key);
	if (r == 0)
		r = buf_add_str(&key, name);
	if (r == 0 && is_dir)
		r = buf_add_char(&key, '/');
	if (r == 0)
		r = db_owed_delete_of(c->db, buf_str(&key), 0, &it);
	intent_fini(&it);
	buf_fini(&key);
	return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

/* ---- now ---- */

/* Which debts of a row are meant. */
enum which {
	ANY_KIND,
	MARK_ALONE
};

/* Mark the debt of ${it} as running, once nobody else has.  1: what is running
 * is not what is meant. */
static int
begin_run(struct owed *o, const struct row *row, const struct intent *it,
    enum which which, struct waiter *w)
{
	struct debt *d;
	int r = 0;

	lock_take(&o->lock);
	for (;;) {
		d = want_locked(o, row, it->kind);
		if (d == NULL || !d->is_running || r != 0)
			break;
		if (which == MARK_ALONE && d->kind != INTENT_MARK)
			r = 1;
		else
			r = waiter_wait_in(w, &o->idlers, &o->lock);
	}
	if (r == 0 && d == NULL)
		r = -ENOMEM;
	if (r == 0)
		d->is_running = true;
	lock_drop(&o->lock);
	return r;
}

/* Once.  0 also if nothing is owed. */
static int
run_now(struct cache *c, uint64_t id, enum which which, struct waiter *w)
{
	AUTO(row_fini) struct row row = { 0 };
	struct intent it = { 0 };
	bool is_other = false;
	int r = db_owed_get(c->db, id, &it);

	if (r == 0 && which == MARK_ALONE)
		is_other = it.kind != INTENT_MARK;
	if (r == 0 && !is_other)
		r = db_row_by_id(c->db, id, &row);
	if (r == 0 && !is_other) {
		r = begin_run(c->owed, &row, &it, which, w);
		is_other = r > 0;
	}
	if (r == 0 && !is_other)
		r = owed_carry_out(c->owed, id, it.kind);
	intent_fini(&it);
	return is_other || r == -ENOENT ? 0 : r;
}

static int
run_which(struct cache *c, uint64_t id, enum which which, struct waiter *w)
{
	struct waiter own;
	int r = OWED_LATER;

	if (w == NULL)
		waiter_init(&own);
	else
		waiter_reset(w);
	for (int i = 0; r == OWED_LATER && i < TRIES; i++)
		r = run_now(c, id, which, w == NULL ? &own : w);
	if (w == NULL)
		waiter_fini(&own);
	return r;
}

int
owed_run(struct cache *c, uint64_t id, struct waiter *w)
{
	return run_which(c, id, ANY_KIND, w);
}

int
owed_run_mark(struct cache *c, uint64_t id)
{
	return run_which(c, id, MARK_ALONE, NULL);
}

struct below {
	uint64_t *ids; /* owned */
	size_t count;
	size_t size;
	int r;
};

static bool
note_below(void *arg, const struct row *row)
{
	struct below *b = arg;

	if (!state_name_is_pending((enum state_name)row->name_state))
		return true;
	if (b->count == b->size) {
		size_t size = b->size == 0 ? 64 : b->size * 2;
		void *p = reallocarray(b->ids, size, sizeof(*b->ids));

		if (p == NULL) {
			b->r = -ENOMEM;
			return false;
		}
		b->ids = p;
		b->size = size;
	}
	b->ids[b->count++] = row->id;
	return true;
}

int
owed_run_below(struct cache *c, uint64_t id, struct waiter *w)
{
	struct below b = { 0 };
	int r;

	if (!owed_any(c))
		return 0;
	r = db_rows_below(c->db, id, note_below, &b);
	if (r == 0)
		r = b.r;
	/* Those that are held by a file wait for that. */
	for (size_t i = 0; r >= 0 && i < b.count; i++)
		r = owed_run(c, b.ids[i], w);
	free(b.ids);
	return r < 0 ? r : 0;
}

/* All that is owed in ${dir} is due. */
static void
make_due_locked(struct owed *o, uint64_t dir)
{
	for (struct list *l = o->all.next; l != &o->all; l = l->next) {
		struct debt *d = LIST_ENTRY(l, struct debt, link);

		if (dir == 0 || d->dir == dir)
			d->due_ms = 0;
	}
}

/* How many of them are to be waited for: those up to the ${last}th that neither
 * failed nor were held after ${since}. */
static size_t
look_locked(struct owed *o, uint64_t dir, uint64_t last, uint64_t since)
{
	size_t waiting = 0;

	for (struct list *l = o->all.next; l != &o->all; l = l->next) {
		const struct debt *d = LIST_ENTRY(l, struct debt, link);

		if ((dir == 0 || d->dir == dir) && d->number <= last &&
		    d->failed <= since && d->held <= since)
			waiting++;
	}
	return waiting;
}

/* Why one of them failed after ${since}; 0: none did. */
static int
error_locked(struct owed *o, uint64_t dir, uint64_t since)
{
	if (o->lost > since && (dir == 0 || o->lost_dir == dir))
		return o->lost_err;
	for (struct list *l = o->all.next; l != &o->all; l = l->next) {
		const struct debt *d = LIST_ENTRY(l, struct debt, link);

		if ((dir == 0 || d->dir == dir) && d->failed > since)
			return d->err;
	}
	return 0;
}

static uint64_t
count_locked(struct owed *o, uint64_t dir)
{
	uint64_t count = 0;

	for (struct list *l = o->all.next; l != &o->all; l = l->next) {
		if (dir == 0 || LIST_ENTRY(l, struct debt, link)->dir == dir)
			count++;
	}
	return count;
}

int
owed_wait(struct cache *c, uint64_t dir, struct waiter *w, uint64_t *ret_left)
{
	struct owed *o = c->owed;
	uint64_t since, last;
	int r = 0;

	lock_take(&o->lock);
	since = o->runs;
	last = o->added;
	make_due_locked(o, dir);
	waiter_wake(&o->tick);
	while (
	    r == 0 && !o->is_stopping && look_locked(o, dir, last, since) > 0)
		r = waiter_wait_in(w, &o->idlers, &o->lock);
	if (r == 0)
		r = error_locked(o, dir, since);
	*ret_left = count_locked(o, dir);
	lock_drop(&o->lock);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir_recover.c - renames of directories that did not come to their end.
 */
#include "cache/dir_recover.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/dir_finish.h"
#include "cache/dir_journal.h"
#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/list.h"
#include "s3/base/log.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

#define RETRY_MIN_MS 5000
#define RETRY_MAX_MS 300000

/* One of them. */
struct dir_job {
	struct list link;        /* [lock] of jobs */
	uint64_t journal;        /* its id */
	uint64_t hidden;         /* the row that hides a name; 0: none */
	struct keylock lock;     /* of the old marker's key */
	struct keylock new_lock; /* of the new one's */
};

struct dir_recover {
	struct cache *cache; /* [I] */
	struct lock lock;
	struct list jobs;     /* [lock] who began last comes first */
	unsigned count;       /* [lock] of them */
	bool has_thread;      /* [lock] */
	bool is_stopping;     /* [lock] */
	bool is_due;          /* [lock] all are tried at once */
	uint64_t begun;       /* [lock] rounds, over all of them */
	uint64_t ended;       /* [lock] */
	int64_t next_ms;      /* [lock] monotonic: the next round */
	int64_t delay_ms;     /* [lock] to the one after that */
	struct list idlers;   /* [lock] struct waiter: until a round ends */
	pthread_t thread;     /* [lock] if has_thread */
	struct waiter waiter; /* of the thread */
};

int
dir_recover_new(struct cache *c, struct dir_recover **ret)
{
	struct dir_recover *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return -ENOMEM;
	d->cache = c;
	lock_init(&d->lock);
	list_init(&d->jobs);
	list_init(&d->idlers);
	d->delay_ms = RETRY_MIN_MS;
	waiter_init(&d->waiter);
	*ret = d;
	return 0;
}

/* ---- jobs ---- */

/* One that has no keys. */
static struct dir_job *
job_new(void)
{
	struct dir_job *job = calloc(1, sizeof(*job));

	if (job != NULL)
		list_init(&job->link);
	return job;
}

int
dir_job_new(struct cache *c, const char *key, const char *new_key,
    struct waiter *w, struct dir_job **ret)
{
	struct dir_job *job = job_new();
	int r;

	if (job == NULL)
		return -ENOMEM;
	r = keylock_take_two(
	    &c->keylocks, key, new_key, w, &job->lock, &job->new_lock);
	if (r < 0)
		free(job);
	else
		*ret = job;
	return r;
}

void
dir_job_free(struct cache *c, struct dir_job *job)
{
	if (job == NULL)
		return;
	keylock_drop(&c->keylocks, &job->lock);
	keylock_drop(&c->keylocks, &job->new_lock);
	free(job);
}

/* ---- the thread ---- */

static int64_t
mono_ms(void)
{
	return clock_mono_ms(&clock_system);
}

/* The job after the one of journal ${after} (0: the first); NULL: none. */
static struct dir_job *
next_job(struct dir_recover *d, uint64_t after)
{
	struct dir_job *found = NULL;

	lock_take(&d->lock);
	for (struct list *l = d->jobs.next; l != &d->jobs; l = l->next) {
		struct dir_job *job = LIST_ENTRY(l, struct dir_job, link);

		if (d->is_stopping || (after != 0 && job->journal >= after))
			continue;
		found = job;
		break;
	}
	lock_drop(&d->lock);
	return found;
}

static void
remove_job(struct dir_recover *d, struct dir_job *job)
{
	lock_take(&d->lock);
	list_remove(&job->link);
	d->count--;
	lock_drop(&d->lock);
	dir_job_free(d->cache, job);
}

/* Try all once. */
static void
run_round(struct dir_recover *d)
{
	struct dir_job *job;
	uint64_t after = 0;

	while ((job = next_job(d, after)) != NULL) {
		after = job->journal;
		if (dir_finish(d->cache, after, &d->waiter) == 0)
			remove_job(d, job);
	}
	lock_take(&d->lock);
	d->ended++;
	d->next_ms = mono_ms() + d->delay_ms;
	d->delay_ms *= 2;
	if (d->delay_ms > RETRY_MAX_MS)
		d->delay_ms = RETRY_MAX_MS;
	waiter_wake_all(&d->idlers);
	lock_drop(&d->lock);
}

/* Whether a round is to begin now: 1; 0: but in ${*ret_ms}; -EINTR: none. */
static int
begin_round(struct dir_recover *d, int64_t *ret_ms)
{
	int64_t now = mono_ms();
	int go;

	lock_take(&d->lock);
	go = d->is_due || (d->count > 0 && now >= d->next_ms);
	*ret_ms = d->count > 0 ? d->next_ms - now : WAIT_FOREVER;
	if (d->is_stopping)
		go = -EINTR;
	if (go > 0) {
		d->is_due = false;
		d->begun++;
	}
	lock_drop(&d->lock);
	return go;
}

static void *
run(void *arg)
{
	struct dir_recover *d = arg;
	int64_t ms;
	int go;

	while ((go = begin_round(d, &ms)) >= 0) {
		if (go > 0)
			run_round(d);
		else /* woken, or it is time */
			(void)waiter_wait(&d->waiter, ms);
	}
	return NULL;
}

/* There is work.  Without a thread the next one, or the next mount, does it.
 */
static void
start_locked(struct dir_recover *d)
{
	if (!d->has_thread && !d->is_stopping)
		d->has_thread = pthread_create(&d->thread, NULL, run, d) == 0;
	waiter_wake(&d->waiter);
}

/* ---- what is left ---- */

static void
add_job(struct dir_recover *d, struct dir_job *job, int64_t delay_ms)
{
	struct list *l;

	lock_take(&d->lock);
	/* Who began last comes first: it may be the way back of another. */
	for (l = d->jobs.next; l != &d->jobs; l = l->next)
		if (LIST_ENTRY(l, struct dir_job, link)->journal < job->journal)
			break;
	list_append(l, &job->link);
	d->count++;
	d->next_ms = mono_ms() + delay_ms;
	d->delay_ms = RETRY_MIN_MS;
	start_locked(d);
	lock_drop(&d->lock);
}

void
dir_recover_add(struct cache *c, struct dir_job *job, uint64_t id, int why)
{
	AUTO(dir_saved_fini) struct dir_saved s = { 0 };
	int r = dir_journal_get(c, id, &s);

	if (r == 0 && job == NULL)
		job = job_new();
	if (r < 0 || job == NULL) {
		dir_job_free(c, job); /* the next mount's */
		return;
	}
	log_warn("the rename of '%s' to '%s' is not %s yet (%s): it is tried "
		 "again",
	    s.key, s.new_key, s.is_committed ? "finished" : "undone",
	    strerror(-why));
	job->journal = id;
	job->hidden = s.hidden;
	add_job(c->dir_recover, job, RETRY_MIN_MS);
}

/* Whether one of the jobs has ${key}. */
static bool
has_key(struct dir_recover *d, const char *key)
{
	bool found = false;

	lock_take(&d->lock);
	for (struct list *l = d->jobs.next; l != &d->jobs; l = l->next) {
		const struct dir_job *job = LIST_ENTRY(l, struct dir_job, link);

		found = found || text_same(job->lock.key, key) ||
			text_same(job->new_lock.key, key);
	}
	lock_drop(&d->lock);
	return found;
}

/* One from before: nobody else has its keys. */
static bool
add_saved(void *arg, struct dir_saved *s)
{
	struct cache *c = arg;
	struct dir_job *job;

	/* Of one and its way back, the first has them. */
	if (has_key(c->dir_recover, s->key))
		job = job_new();
	else if (dir_job_new(c, s->key, s->new_key, NULL, &job) < 0)
		job = NULL;
	if (job == NULL)
		return true; /* the next mount's */
	job->journal = s->id;
	job->hidden = s->hidden;
	add_job(c->dir_recover, job, 0);
	return true;
}

int
dir_recover_start(struct cache *c)
{
	return dir_journal_each(c, add_saved, c);
}

bool
dir_recover_hides(struct cache *c, uint64_t id)
{
	struct dir_recover *d = c->dir_recover;
	bool hides = false;

	lock_take(&d->lock);
	for (struct list *l = d->jobs.next; l != &d->jobs; l = l->next)
		hides =
		    hides || LIST_ENTRY(l, struct dir_job, link)->hidden == id;
	lock_drop(&d->lock);
	return hides;
}

int
dir_recover_wait(struct cache *c, struct waiter *w, uint64_t *ret_left)
{
	struct dir_recover *d = c->dir_recover;
	uint64_t want;
	int r = 0;

	lock_take(&d->lock);
	want = d->begun + 1;
	if (d->count > 0) {
		d->is_due = true;
		start_locked(d);
	}
	while (r == 0 && d->count > 0 && d->has_thread && d->ended < want)
		r = waiter_wait_in(w, &d->idlers, &d->lock);
	*ret_left = d->count;
	lock_drop(&d->lock);
	return r;
}

void
dir_recover_stop(struct dir_recover *d)
{
	bool has_thread;

	if (d == NULL)
		return;
	lock_take(&d->lock);
	d->is_stopping = true;
	has_thread = d->has_thread;
	d->has_thread = false;
	lock_drop(&d->lock);
	waiter_interrupt(&d->waiter);
	if (has_thread)
		(void)pthread_join(d->thread, NULL); /* it exists */
}

void
dir_recover_free(struct dir_recover *d)
{
	struct list *l;

	if (d == NULL)
		return;
	while ((l = list_pop(&d->jobs)) != NULL)
		dir_job_free(d->cache, LIST_ENTRY(l, struct dir_job, link));
	waiter_fini(&d->waiter);
	lock_fini(&d->lock);
	free(d);
}

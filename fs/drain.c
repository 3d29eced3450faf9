/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drain.c - what is owed to S3 is sent, and how far that is can be seen.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "cache/admin.h"
#include "cache/cache.h"
#include "fs/drain.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

#define TELL_S 1

/* Ends the waiting of drain_finish(): it is blocked in all threads. */
#define WAKE_SIGNAL SIGTERM

struct drain {
	struct cache *cache; /* [I] */
	struct waiter waiter;
	struct lock lock;
	pthread_t thread;   /* [lock] if has_thread */
	bool has_thread;    /* [lock] not joined yet */
	bool is_running;    /* [lock] */
	bool is_last;       /* [lock] ${finisher} waits for the thread */
	pthread_t finisher; /* [lock] */
	int result;         /* [lock] */
	uint64_t left;      /* [lock] */
	uint64_t back;      /* [lock] names, since mount, as it began */
};

int
drain_new(struct cache *c, struct drain **ret)
{
	struct drain *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return -ENOMEM;
	d->cache = c;
	lock_init(&d->lock);
	waiter_init(&d->waiter);
	*ret = d;
	return 0;
}

static void *
run(void *arg)
{
	struct drain *d = arg;
	uint64_t left = 0;
	int r = cache_drain(d->cache, &d->waiter, &left);

	lock_take(&d->lock);
	d->result = r;
	d->left = left;
	d->is_running = false;
	if (d->is_last)
		(void)pthread_kill(d->finisher, WAKE_SIGNAL); /* it is there */
	lock_drop(&d->lock);
	return NULL;
}

int
drain_start(struct drain *d)
{
	struct cache_stats st;
	int r = 0;

	cache_get_stats(d->cache, &st);
	lock_take(&d->lock);
	if (!d->is_running)
		d->back = st.names_back;
	if (!d->is_running) {
		/* It has left the lock for the last time: at once. */
		if (d->has_thread)
			(void)pthread_join(d->thread, NULL);
		r = -pthread_create(&d->thread, NULL, run, d);
		d->has_thread = r == 0;
		d->is_running = r == 0;
	}
	lock_drop(&d->lock);
	return r;
}

void
drain_look(struct drain *d, struct drain_state *ret)
{
	struct cache_stats st;

	cache_get_stats(d->cache, &st);
	lock_take(&d->lock);
	*ret = (struct drain_state){
		.is_running = d->is_running,
		.result = d->result,
		.left = d->left,
		.back = st.names_back - d->back,
		.files = st.dirty_files,
		.bytes = st.dirty_bytes,
		.attrs = st.dirty_attrs,
		.open_files = st.open_files,
	};
	lock_drop(&d->lock);
}

static void
fill_signals(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGQUIT);
	(void)sigaddset(set, WAKE_SIGNAL);
}

/* Until the thread has ended, if there is one; say how far it is. */
static int
wait_for_end(struct drain *d, drain_fn *tell, void *arg)
{
	const struct timespec pause = { TELL_S, 0 };
	struct drain_state state;
	sigset_t set;
	int sig;

	fill_signals(&set);
	for (;;) {
		drain_look(d, &state);
		if (!state.is_running)
			return state.result;
		sig = sigtimedwait(&set, NULL, &pause);
		if (sig == SIGINT || sig == SIGQUIT) {
			log_warn("told to end by signal %d: what is not in S3 "
				 "is kept",
			    sig);
			waiter_interrupt(&d->waiter);
		} else if (sig < 0) {
			tell(arg, &state);
		}
	}
}

int
drain_finish(struct drain *d, drain_fn *tell, void *arg)
{
	int r;

	lock_take(&d->lock);
	d->is_last = true;
	d->finisher = pthread_self();
	lock_drop(&d->lock);
	/* One that began before the last change may end without it. */
	(void)wait_for_end(d, tell, arg);
	r = drain_start(d);
	return r < 0 ? r : wait_for_end(d, tell, arg);
}

void
drain_free(struct drain *d)
{
	if (d == NULL)
		return;
	waiter_interrupt(&d->waiter);
	if (d->has_thread)
		(void)pthread_join(d->thread, NULL);
	waiter_fini(&d->waiter);
	lock_fini(&d->lock);
	free(d);
}

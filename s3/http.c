/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.c - the net thread: HTTP exchanges over one curl multi handle.
 *
 * Role:    carries exchanges; knows HTTP and curl, nothing of S3.
 * Owns:    the multi handle, all easy handles, the connections they keep.
 * Threads: `locked` is shared, under the http queue lock; `net` belongs to
 *          the net thread.  Others queue into inbox and canceled and wake it.
 *
 * An exchange is always in exactly one list by own.link (inbox, delayed,
 * ready, active), or its owner's.
 */
#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/base/lock.h"
#include "s3/http.h"

#define AGAIN_MS      20    /* after prepare() said -EAGAIN */
#define IDLE_MS       60000 /* sleep when there is nothing to do */
#define SPARE_HANDLES 32
#define FOREGROUND    0
#define BACKGROUND    1

struct http {
	struct http_config config; /* [I] */
	char *ca_file;             /* [I] owned */
	pthread_t thread;          /* [I] */
	CURLM *multi;              /* [I] only woken by other threads */
	struct lock lock;          /* the http queue lock */
	struct {
		struct list inbox;
		struct list canceled;
		bool stop;
	} locked;
	struct {
		struct list delayed;
		struct list ready[2];
		struct list active;
		unsigned active_count;
		unsigned background_count; /* of these */
		int64_t check_ms;          /* no exchange is too slow before */
		struct pace pace;
		CURL *spare[SPARE_HANDLES];
		unsigned spare_count;
	} net;
};

static int64_t
now_ms(const struct http *h)
{
	return clock_mono_ms(h->config.clock);
}

static CURL *
take_handle(struct http *h)
{
	CURL *easy;

	if (h->net.spare_count == 0)
		return curl_easy_init();
	easy = h->net.spare[--h->net.spare_count];
	curl_easy_reset(easy);
	return easy;
}

static void
drop_handle(struct http *h, CURL *easy)
{
	if (h->net.spare_count == SPARE_HANDLES)
		curl_easy_cleanup(easy);
	else
		h->net.spare[h->net.spare_count++] = easy;
}

/* Hand ${x}, which is in no list of ours, back to its owner. */
static void
finish(struct http *h, struct exchange *x, int err)
{
	exchange_end(x);
	x->err = err;
	if (x->err < 0 && x->detail[0] == '\0')
		(void)snprintf(
		    x->detail, sizeof(x->detail), "%s", strerror(-x->err));
	lock_take(&h->lock);
	list_remove(&x->own.canceled);
	x->own.is_started = false;
	lock_drop(&h->lock);
	x->ops->done(x);
}

/* End an exchange that has an easy handle. */
static void
finish_active(struct http *h, struct exchange *x, int err)
{
	CURL *easy = x->own.easy;

	(void)curl_multi_remove_handle(h->multi, easy);
	drop_handle(h, easy);
	x->own.easy = NULL;
	x->own.is_active = false;
	if (pace_is_held(&x->own.hold))
		x->own.last_ms = now_ms(h); /* it was not silent */
	pace_leave(&h->net.pace, &x->own.hold);
	h->net.active_count--;
	h->net.background_count -= x->background;
	list_remove(&x->own.link);
	if (err < 0 && !x->is_local && x->detail[0] == '\0')
		(void)snprintf(x->detail, sizeof(x->detail), "%.*s",
		    (int)sizeof(x->detail) - 1, x->own.error);
	finish(h, x, err);
}

/* Let ${x} leave; it is in no list. */
static void
send_exchange(struct http *h, struct exchange *x)
{
	CURL *easy;
	int r;

	exchange_clear(x);
	x->own.pace = &h->net.pace;
	pace_hold_init(&x->own.hold, x->background);
	r = x->ops->prepare(x);
	if (r == -EAGAIN) {
		x->start_ms = now_ms(h) + AGAIN_MS;
		list_append(&h->net.delayed, &x->own.link);
		return;
	}
	if (r < 0) {
		x->is_local = true;
		finish(h, x, r);
		return;
	}
	easy = take_handle(h);
	if (easy == NULL) {
		finish(h, x, -ENOMEM);
		return;
	}
	r = exchange_set_up(x, easy, &h->config);
	if (r == 0 && curl_multi_add_handle(h->multi, easy) != CURLM_OK)
		r = -ENOMEM;
	if (r < 0) {
		curl_easy_cleanup(easy);
		finish(h, x, r);
		return;
	}
	x->own.easy = easy;
	x->own.is_active = true;
	x->own.last_ms = now_ms(h);
	pace_request(&h->net.pace, x->own.last_ms);
	h->net.active_count++;
	h->net.background_count += x->background;
	list_append(&h->net.active, &x->own.link);
}

static void
queue(struct http *h, struct exchange *x, int64_t now)
{
	struct list *l = &h->net.delayed;

	x->own.ready_ms = now;
	if (x->start_ms <= now)
		l = &h->net.ready[x->background ? BACKGROUND : FOREGROUND];
	list_append(l, &x->own.link);
}

static void
cancel_one(struct http *h, struct exchange *x)
{
	if (x->own.is_active) {
		finish_active(h, x, -ECANCELED);
		return;
	}
	list_remove(&x->own.link);
	x->sent = false;
	finish(h, x, -ECANCELED);
}

/*
 * Take what other threads queued, then end what they canceled: that is never
 * in the inbox, for both are emptied under one hold of the lock.
 * Returns: false when the thread is to end.
 */
static bool
take_inbox(struct http *h, int64_t now)
{
	struct list *l;
	bool stop;

	do {
		lock_take(&h->lock);
		stop = h->locked.stop;
		for (l = list_pop(&h->locked.inbox); l != NULL;
		     l = list_pop(&h->locked.inbox))
			queue(h, LIST_ENTRY(l, struct exchange, own.link), now);
		l = list_pop(&h->locked.canceled);
		lock_drop(&h->lock);
		if (l != NULL)
			cancel_one(
			    h, LIST_ENTRY(l, struct exchange, own.canceled));
	} while (l != NULL);
	return !stop;
}

static void
wake_delayed(struct http *h, int64_t now)
{
	struct list *l, *next;

	for (l = h->net.delayed.next; l != &h->net.delayed; l = next) {
		struct exchange *x = LIST_ENTRY(l, struct exchange, own.link);

		next = l->next;
		if (x->start_ms > now)
			continue;
		list_remove(l);
		queue(h, x, now);
	}
}

/* Our limits made ${x} wait for ${ms}, which is no fault of the server. */
static void
forgive(struct exchange *x, int64_t ms)
{
	x->held_ms += ms;
	if (x->end_ms != 0)
		x->end_ms += ms;
}

/*
 * Which exchange leaves next; NULL: none may.  With limits, the background has
 * half of the connections: there it holds them for long.
 */
static struct exchange *
next_ready(struct http *h)
{
	struct list *l = h->net.ready[FOREGROUND].next;
	unsigned count = h->config.connections;

	if (h->net.active_count >= count)
		return NULL;
	if (l == &h->net.ready[FOREGROUND]) {
		l = h->net.ready[BACKGROUND].next;
		if (l == &h->net.ready[BACKGROUND] ||
		    (pace_is_set(&h->net.pace) &&
			h->net.background_count >= (count + 1) / 2))
			return NULL;
	}
	return LIST_ENTRY(l, struct exchange, own.link);
}

static void
send_ready(struct http *h)
{
	int64_t now = now_ms(h);
	struct exchange *x = next_ready(h);

	while (x != NULL && pace_request_ms(&h->net.pace, now) == 0) {
		list_remove(&x->own.link);
		/* For a connection, too: those that are held have them. */
		if (pace_is_set(&h->net.pace) && now > x->own.ready_ms)
			forgive(x, now - x->own.ready_ms);
		send_exchange(h, x);
		x = next_ready(h);
	}
}

/* Whom our limits held, and whose turn has come, goes on. */
static void
resume_held(struct http *h, int64_t now)
{
	enum pace_way way;

	for (struct pace_hold *hold = pace_next(&h->net.pace, now, &way);
	     hold != NULL; hold = pace_next(&h->net.pace, now, &way)) {
		struct exchange *x =
		    LIST_ENTRY(hold, struct exchange, own.hold);
		enum pace_way other = way == PACE_UP ? PACE_DOWN : PACE_UP;
		int mask = CURLPAUSE_CONT;
		CURLcode code;

		forgive(x, now - hold->way[way].since_ms);
		x->own.last_ms = now;
		if (!list_is_empty(&hold->way[other].link))
			mask =
			    other == PACE_UP ? CURLPAUSE_SEND : CURLPAUSE_RECV;
		code = curl_easy_pause(x->own.easy, mask);
		if (code != CURLE_OK)
			finish_active(
			    h, x, x->err < 0 ? x->err : exchange_errno(code));
	}
}

/* Give on what this round brought; nothing waits for the next. */
static void
give_gathered(struct http *h)
{
	struct list *l, *next;

	for (l = h->net.active.next; l != &h->net.active; l = next) {
		struct exchange *x = LIST_ENTRY(l, struct exchange, own.link);
		int r = exchange_give(x);

		next = l->next;
		if (r < 0)
			finish_active(h, x, r);
	}
}

static void
take_finished(struct http *h)
{
	CURLMsg *msg;
	int left;

	for (msg = curl_multi_info_read(h->multi, &left); msg != NULL;
	     msg = curl_multi_info_read(h->multi, &left)) {
		struct exchange *x = NULL;
		CURLcode code = msg->data.result;
		int r;

		if (msg->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(
		    msg->easy_handle, CURLINFO_PRIVATE, (char **)&x);
		r = x->err < 0 ? x->err : exchange_errno(code);
		if (r == 0 && !x->own.has_head)
			r = -ECONNRESET;
		finish_active(h, x, r);
	}
}

/*
 * How long ${x} may go without a byte, in ms.  What can be sent again gets
 * half of the time: on another connection it may well be answered in the rest.
 */
static int64_t
patience_ms(const struct http *h, const struct exchange *x)
{
	return (int64_t)h->config.timeout_s * (x->resend ? 500 : 1000);
}

/* When ${x} has been silent for too long. */
static int64_t
silent_end_ms(const struct http *h, const struct exchange *x)
{
	int64_t end = x->own.last_ms + patience_ms(h, x);

	return x->end_ms != 0 && !x->own.has_head && x->end_ms < end ? x->end_ms
								     : end;
}

/* End what has not moved a byte for too long. */
static void
check_slow(struct http *h, int64_t now)
{
	struct list *l, *next;

	if (now < h->net.check_ms)
		return;
	/* What starts now cannot be too slow before. */
	h->net.check_ms = now + (int64_t)h->config.timeout_s * 125;
	for (l = h->net.active.next; l != &h->net.active; l = next) {
		struct exchange *x = LIST_ENTRY(l, struct exchange, own.link);
		int64_t end_ms = silent_end_ms(h, x);

		next = l->next;
		if (pace_is_held(&x->own.hold))
			continue; /* it may not move a byte */
		if (now >= end_ms) {
			(void)snprintf(x->own.error, sizeof(x->own.error),
			    "no byte came or went for %g s",
			    (double)(end_ms - x->own.last_ms) / 1000);
			finish_active(h, x, -ETIMEDOUT);
		} else if (end_ms < h->net.check_ms) {
			h->net.check_ms = end_ms;
		}
	}
}

/* When our limits let something go on, ${at} at the latest. */
static int64_t
paced_ms(struct http *h, int64_t now, int64_t at)
{
	int64_t ms = pace_next_ms(&h->net.pace, now);

	if (ms >= 0 && now + ms < at)
		at = now + ms;
	if (next_ready(h) == NULL)
		return at;
	ms = pace_request_ms(&h->net.pace, now);
	return now + ms < at ? now + ms : at;
}

static int
poll_ms(struct http *h, int64_t now)
{
	int64_t at = paced_ms(h, now, now + IDLE_MS);

	if (h->net.active_count > 0 && h->net.check_ms < at)
		at = h->net.check_ms;
	if (h->net.active_count < h->config.connections) {
		for (struct list *l = h->net.delayed.next; l != &h->net.delayed;
		     l = l->next) {
			struct exchange *x =
			    LIST_ENTRY(l, struct exchange, own.link);

			if (x->start_ms < at)
				at = x->start_ms;
		}
	}
	return at <= now ? 0 : (int)(at - now);
}

static void *
net_main(void *arg)
{
	struct http *h = arg;
	int64_t now = now_ms(h);
	int running;

	while (take_inbox(h, now)) {
		wake_delayed(h, now);
		resume_held(h, now);
		(void)curl_multi_perform(h->multi, &running);
		give_gathered(h);
		take_finished(h);
		send_ready(h);
		now = now_ms(h);
		check_slow(h, now);
		(void)curl_multi_poll(h->multi, NULL, 0, poll_ms(h, now), NULL);
		now = now_ms(h);
	}
	return NULL;
}

/* Start the thread with all signals blocked: they are for the others. */
static int
start_thread(struct http *h)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&h->thread, NULL, net_main, h);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		(void)pthread_setname_np(h->thread, "pailfs-net");
	return -r;
}

static void
http_free(struct http *h)
{
	for (unsigned i = 0; i < h->net.spare_count; i++)
		curl_easy_cleanup(h->net.spare[i]);
	if (h->multi != NULL)
		(void)curl_multi_cleanup(h->multi);
	lock_fini(&h->lock);
	free(h->ca_file);
	free(h);
	curl_global_cleanup();
}

int
http_open(const struct http_config *config, struct http **ret)
{
	struct http *h = calloc(1, sizeof(*h));
	int r = 0;

	if (h == NULL)
		return -ENOMEM;
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	lock_init(&h->lock);
	list_init(&h->locked.inbox);
	list_init(&h->locked.canceled);
	list_init(&h->net.delayed);
	list_init(&h->net.ready[FOREGROUND]);
	list_init(&h->net.ready[BACKGROUND]);
	list_init(&h->net.active);
	h->config = *config;
	pace_init(&h->net.pace, &config->limits, now_ms(h));
	h->config.ca_file = NULL;
	h->multi = curl_multi_init();
	if (h->multi == NULL)
		r = -ENOMEM;
	if (r == 0 && config->ca_file != NULL) {
		h->ca_file = strdup(config->ca_file);
		h->config.ca_file = h->ca_file;
		r = h->ca_file == NULL ? -ENOMEM : 0;
	}
	if (r == 0) {
		(void)curl_multi_setopt(
		    h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
		(void)curl_multi_setopt(
		    h->multi, CURLMOPT_MAXCONNECTS, (long)config->connections);
		r = start_thread(h);
	}
	if (r < 0) {
		http_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

void
http_close(struct http *h)
{
	if (h == NULL)
		return;
	lock_take(&h->lock);
	h->locked.stop = true;
	lock_drop(&h->lock);
	(void)curl_multi_wakeup(h->multi);
	(void)pthread_join(h->thread, NULL);
	assert(h->net.active_count == 0);
	http_free(h);
}

void
http_start(struct http *h, struct exchange *x)
{
	x->own.clock = h->config.clock;
	x->held_ms = 0;
	lock_take(&h->lock);
	list_append(&h->locked.inbox, &x->own.link);
	x->own.is_started = true;
	if (x->own.is_canceled)
		list_append(&h->locked.canceled, &x->own.canceled);
	lock_drop(&h->lock);
	(void)curl_multi_wakeup(h->multi);
}

void
http_cancel(struct http *h, struct exchange *x)
{
	lock_take(&h->lock);
	if (!x->own.is_canceled) {
		x->own.is_canceled = true;
		if (x->own.is_started)
			list_append(&h->locked.canceled, &x->own.canceled);
	}
	lock_drop(&h->lock);
	(void)curl_multi_wakeup(h->multi);
}

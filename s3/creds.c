/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creds.c - credentials: a chain of providers, and their refresh.
 *
 * Role:    asks the chain once, then the provider that had keys, again and
 *          again before they expire.
 * Owns:    the current keys.  Threads: one of its own, which may block; all
 *          shared fields are under `lock`.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"
#include "s3/creds.h"

#define NS_PER_MS    INT64_C(1000000)
#define NS_PER_S     INT64_C(1000000000)
#define ADVISORY_NS  (900 * NS_PER_S) /* refresh from here on */
#define MANDATORY_NS (600 * NS_PER_S) /* try harder from here on */
#define RETRY_NS     (60 * NS_PER_S)
#define RETRY_NOW_NS (5 * NS_PER_S)
#define STALE_NS     (300 * NS_PER_S) /* given out though expired */
#define SLEEP_MS     60000            /* at most: the wall clock may jump */
#define DOUBT_MS     60000            /* between two fetches on a doubt */

struct creds {
	const struct creds_provider *provider; /* [I] NULL: anonymous */
	struct creds_query query;              /* [I] owned strings */
	struct waiter waiter;
	pthread_t thread;
	bool has_thread;
	struct lock lock;           /* a leaf */
	struct creds_keys *current; /* [l] */
	int64_t refresh_ns;         /* [l] wall; 0: only when asked */
	bool is_refused;            /* [l] the server does not take them */
	int64_t doubt_ms;           /* [l] monotonic: no doubt before */
	bool stop;                  /* [l] */
};

static const struct creds_provider *const chain[] = {
	&creds_env,
	&creds_passwd,
	&creds_files,
	&creds_imds,
};

void
creds_wipe(char *s)
{
	if (s == NULL)
		return;
	OPENSSL_cleanse(s, strlen(s));
	free(s);
}

void
creds_wipep(char **s)
{
	creds_wipe(*s);
	*s = NULL;
}

void
creds_keys_fini(struct creds_keys *keys)
{
	creds_wipe(keys->access);
	creds_wipe(keys->secret);
	creds_wipe(keys->token);
	memset(keys, 0, sizeof(*keys));
}

int
creds_set(struct creds_keys *keys, const char *access, const char *secret,
    const char *token)
{
	creds_keys_fini(keys);
	keys->access = strdup(access);
	keys->secret = strdup(secret);
	if (token != NULL && token[0] != '\0')
		keys->token = strdup(token);
	if (keys->access == NULL || keys->secret == NULL ||
	    (token != NULL && token[0] != '\0' && keys->token == NULL)) {
		creds_keys_fini(keys);
		return -ENOMEM;
	}
	return 0;
}

void
creds_keys_put(struct creds_keys *keys)
{
	if (keys == NULL ||
	    __atomic_sub_fetch(&keys->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	creds_keys_fini(keys);
	free(keys);
}

static int64_t
wall_ns(const struct creds *c)
{
	return clock_wall_ns(c->query.clock);
}

/* When keys that came at ${now} are to be fetched again. */
static int64_t
refresh_time(struct creds_keys *keys, int64_t now)
{
	int64_t left = keys->expires_ns - now;

	if (keys->expires_ns == 0)
		return 0;
	if (left <= 0) {
		/* The provider itself has no newer ones: let S3 decide. */
		keys->expires_ns = 0;
		return now + STALE_NS;
	}
	if (left > ADVISORY_NS)
		return keys->expires_ns - ADVISORY_NS;
	return now + (left / 2 > NS_PER_S ? left / 2 : NS_PER_S);
}

/* When to try again after a failure at ${now}. */
static int64_t
retry_time(const struct creds *c, int64_t now)
{
	if (c->refresh_ns == 0)
		return 0;
	if (c->current->expires_ns == 0 ||
	    c->current->expires_ns - now > MANDATORY_NS)
		return now + RETRY_NS;
	return now + RETRY_NOW_NS;
}

static int
fetch(const struct creds_provider *p, const struct creds_query *q,
    struct creds_keys **ret, struct buf *note)
{
	struct creds_keys *keys = calloc(1, sizeof(*keys));
	int r;

	if (keys == NULL)
		return -ENOMEM;
	keys->refs = 1;
	r = p->get(q, keys, note);
	keys->refs = 1;
	if (r < 0) {
		creds_keys_put(keys);
		return r;
	}
	*ret = keys;
	return 0;
}

static void
refresh(struct creds *c)
{
	struct buf note = BUF_INIT(1024);
	struct creds_keys *keys = NULL, *old = NULL;
	int r = fetch(c->provider, &c->query, &keys, &note);
	int64_t now = wall_ns(c);

	if (r < 0)
		log_warn("cannot refresh credentials from %s: %s",
		    c->provider->name,
		    note.len > 0 ? buf_str(&note) : strerror(-r));
	lock_take(&c->lock);
	if (r == 0) {
		c->refresh_ns = refresh_time(keys, now);
		old = c->current;
		c->current = keys;
	} else {
		c->refresh_ns = retry_time(c, now);
	}
	c->is_refused = false;
	lock_drop(&c->lock);
	creds_keys_put(old);
	buf_fini(&note);
}

/* How long there is nothing to do; 0: refresh now; -1: end. */
static int64_t
sleep_ms(struct creds *c)
{
	int64_t now = wall_ns(c);
	int64_t ms = SLEEP_MS;

	lock_take(&c->lock);
	if (c->stop)
		ms = -1;
	else if (c->is_refused)
		ms = 0;
	else if (c->refresh_ns != 0 && c->refresh_ns <= now)
		ms = 0;
	else if (c->refresh_ns != 0 && c->refresh_ns - now < ms * NS_PER_MS)
		ms = (c->refresh_ns - now) / NS_PER_MS + 1;
	lock_drop(&c->lock);
	return ms;
}

static void *
refresh_main(void *arg)
{
	struct creds *c = arg;
	int64_t ms;

	for (ms = sleep_ms(c); ms >= 0; ms = sleep_ms(c)) {
		if (ms == 0)
			refresh(c);
		else
			(void)waiter_wait(&c->waiter, ms);
	}
	return NULL;
}

static int
start_thread(struct creds *c)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&c->thread, NULL, refresh_main, c);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	c->has_thread = r == 0;
	return -r;
}

static int
copy_query(struct creds_query *to, const struct creds_query *from)
{
	const char *const in[] = { from->bucket, from->profile,
		from->passwd_file };
	char *out[3] = { NULL, NULL, NULL };
	int r = 0;

	*to = *from;
	for (int i = 0; i < 3; i++) {
		out[i] = in[i] == NULL ? NULL : strdup(in[i]);
		if (in[i] != NULL && out[i] == NULL)
			r = -ENOMEM;
	}
	to->bucket = out[0];
	to->profile = out[1];
	to->passwd_file = out[2];
	return r;
}

/* Ask one provider; what it says is added to ${notes}. */
static int
ask(struct creds *c, const struct creds_provider *p, struct buf *notes)
{
	struct buf note = BUF_INIT(1024);
	int r = fetch(p, &c->query, &c->current, &note);

	if (note.len > 0)
		(void)buf_printf(
		    notes, "%s%s", notes->len > 0 ? "; " : "", buf_str(&note));
	buf_fini(&note);
	if (r == 0)
		c->provider = p;
	return r;
}

/* Ask the chain. */
static int
find(struct creds *c, struct buf *note)
{
	struct buf notes = BUF_INIT(4096);
	int r = -ENOENT;

	for (size_t i = 0; i < sizeof(chain) / sizeof(*chain); i++) {
		r = ask(c, chain[i], &notes);
		if (r != -ENOENT)
			break;
	}
	if (r == -ENOENT) {
		(void)buf_add_str(note,
		    "no credentials found: set AWS_ACCESS_KEY_ID and "
		    "AWS_SECRET_ACCESS_KEY, passwd_file= or profile=, or "
		    "no_sign for a public bucket");
		if (notes.len > 0)
			(void)buf_printf(note, " (%s)", buf_str(&notes));
		r = -EACCES;
	} else if (notes.len > 0) {
		(void)buf_add_str(note, buf_str(&notes));
	}
	buf_fini(&notes);
	return r;
}

int
creds_open(
    const struct creds_query *query, struct creds **ret, struct buf *note)
{
	struct creds *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return -ENOMEM;
	lock_init(&c->lock);
	waiter_init(&c->waiter);
	r = copy_query(&c->query, query);
	if (r == 0 && !query->no_sign) {
		r = find(c, note);
		if (r == 0) {
			c->refresh_ns = refresh_time(c->current, wall_ns(c));
			r = start_thread(c);
		}
	}
	if (r < 0) {
		creds_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

void
creds_close(struct creds *c)
{
	if (c == NULL)
		return;
	if (c->has_thread) {
		lock_take(&c->lock);
		c->stop = true;
		lock_drop(&c->lock);
		waiter_wake(&c->waiter);
		(void)pthread_join(c->thread, NULL);
	}
	creds_keys_put(c->current);
	waiter_fini(&c->waiter);
	lock_fini(&c->lock);
	free((void *)(uintptr_t)c->query.bucket);
	free((void *)(uintptr_t)c->query.profile);
	free((void *)(uintptr_t)c->query.passwd_file);
	free(c);
}

int
creds_get(struct creds *c, struct creds_keys **ret)
{
	struct creds_keys *keys;
	bool is_expired;

	if (!c->has_thread) {
		*ret = NULL;
		return 0;
	}
	lock_take(&c->lock);
	keys = c->current;
	is_expired = keys->expires_ns != 0 && keys->expires_ns <= wall_ns(c);
	if (!c->is_refused && !is_expired)
		(void)__atomic_add_fetch(&keys->refs, 1, __ATOMIC_RELAXED);
	else
		keys = NULL;
	lock_drop(&c->lock);
	if (keys == NULL) {
		waiter_wake(&c->waiter);
		return -EAGAIN;
	}
	*ret = keys;
	return 0;
}

void
creds_refresh(struct creds *c, const struct creds_keys *bad)
{
	if (!c->has_thread)
		return;
	lock_take(&c->lock);
	if (c->current == bad)
		c->is_refused = true;
	lock_drop(&c->lock);
	waiter_wake(&c->waiter);
}

bool
creds_doubt(struct creds *c, const struct creds_keys *keys)
{
	int64_t now = clock_mono_ms(c->query.clock);
	bool is_other;

	if (!c->has_thread)
		return false;
	lock_take(&c->lock);
	is_other = c->is_refused || c->current != keys;
	if (!is_other && now >= c->doubt_ms) {
		c->is_refused = is_other = true;
		c->doubt_ms = now + DOUBT_MS;
	}
	lock_drop(&c->lock);
	waiter_wake(&c->waiter);
	return is_other;
}

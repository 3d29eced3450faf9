/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pager.c - the pages of one listing, the next one always on its way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/pager.h"
#include "cache/trouble.h"
#include "s3/base/cleanup.h"
#include "s3/base/lock.h"
#include "s3/s3.h"

/* One request for a page. */
struct ask {
	struct pager *pager; /* [I] */
	struct s3_call call;
	char *token;  /* owned; NULL: the first page */
	char *more;   /* [lock] owned; of the page behind it, NULL: unknown */
	bool is_sent; /* and was not waited for to its end */
};

struct pager {
	struct s3 *s3;     /* [I] */
	char *prefix;      /* [I] owned */
	char *start_after; /* [I] owned, NULL */
	bool delimiter;    /* [I] */
	struct ask asks[3];
	struct ask *now; /* the page that the caller has */
	bool is_over;    /* it was the last */
	struct lock lock;
	struct ask *next; /* [lock] the one on its way, or come */
	struct ask *then; /* [lock] the one behind it */
	bool is_waiting;  /* [lock] the caller wants next */
	bool is_held;     /* [lock] nothing goes ahead */
};

static void
pager_freep(struct pager **p)
{
	pager_free(*p);
}

int
pager_new(struct s3 *s3, const char *prefix, bool delimiter,
    const char *start_after, struct pager **ret)
{
	AUTO(pager_freep) struct pager *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	lock_init(&p->lock);
	for (int i = 0; i < 3; i++) {
		p->asks[i].pager = p;
		s3_call_init(&p->asks[i].call, S3_LIST_OBJECTS);
	}
	p->now = &p->asks[0];
	p->next = &p->asks[1];
	p->then = &p->asks[2];
	p->s3 = s3;
	p->delimiter = delimiter;
	p->prefix = strdup(prefix);
	if (start_after != NULL)
		p->start_after = strdup(start_after);
	if (p->prefix == NULL ||
	    (start_after != NULL && p->start_after == NULL))
		return -ENOMEM;
	*ret = TAKE(p);
	return 0;
}

static void on_more(void *arg, const char *token);

static void
submit(struct ask *ask)
{
	struct pager *p = ask->pager;

	s3_call_init(&ask->call, S3_LIST_OBJECTS);
	ask->call.prefix = p->prefix;
	ask->call.delimiter = p->delimiter;
	ask->call.start_after = ask->token == NULL ? p->start_after : NULL;
	ask->call.token = ask->token;
	ask->call.more = on_more;
	ask->call.arg = ask;
	ask->is_sent = true;
	s3_submit(p->s3, &ask->call);
}

/* The page behind the one that the caller waits for, as soon as it is known
 * how to ask; for more than that nobody may have a use. */
static void
submit_then_locked(struct pager *p)
{
	struct ask *then = p->then;

	if (!p->is_waiting || p->is_held || p->next->more == NULL ||
	    then->is_sent)
		return;
	then->token = strdup(p->next->more);
	if (then->token != NULL) /* else later */
		submit(then);
}

/* On the net thread, while ${arg} comes. */
static void
on_more(void *arg, const char *token)
{
	struct ask *ask = arg;
	struct pager *p = ask->pager;

	lock_take(&p->lock);
	ask->more = strdup(token); /* NULL: its end tells */
	submit_then_locked(p);
	lock_drop(&p->lock);
}

/* End what is on its way, and forget what came. */
static void
drop(struct ask *ask)
{
	struct pager *p = ask->pager;

	if (ask->is_sent) {
		s3_cancel(p->s3, &ask->call);
		(void)s3_wait(p->s3, &ask->call, NULL); /* not interrupted */
	}
	ask->is_sent = false;
	s3_call_fini(&ask->call);
	free(TAKE(ask->token));
	free(TAKE(ask->more));
}

void
pager_free(struct pager *p)
{
	if (p == NULL)
		return;
	for (int i = 0; i < 3; i++)
		drop(&p->asks[i]);
	lock_fini(&p->lock);
	free(p->prefix);
	free(p->start_after);
	free(p);
}

/* Wait for next. */
static int
wait_for_next(struct pager *p, struct waiter *w)
{
	int r;

	lock_take(&p->lock);
	p->is_waiting = true;
	if (!p->next->is_sent)
		submit(p->next);
	submit_then_locked(p);
	lock_drop(&p->lock);
	r = s3_wait(p->s3, &p->next->call, w);
	lock_take(&p->lock);
	p->is_waiting = false;
	lock_drop(&p->lock);
	if (r == 0)
		p->next->is_sent = false;
	return r;
}

static void
turn(struct pager *p)
{
	struct ask *old = p->now;

	drop(old);
	lock_take(&p->lock);
	p->now = p->next;
	p->next = p->then;
	p->then = old;
	lock_drop(&p->lock);
}

/* Have next on its way by what the whole page says: if that is of a retry, it
 * may not be what was said first. */
static int
go_on(struct pager *p)
{
	const char *before = p->now->token, *early = p->next->token;
	const char *token = p->now->call.page.next_token;

	p->is_over = token == NULL;
	if (token != NULL && before != NULL && strcmp(token, before) == 0)
		return -EIO; /* it would never end */
	if (token != NULL && early != NULL && strcmp(token, early) == 0)
		return 0;
	drop(p->next);
	if (token == NULL)
		return 0;
	p->next->token = strdup(token);
	if (p->next->token == NULL)
		return -ENOMEM;
	if (!p->is_held)
		submit(p->next);
	return 0;
}

void
pager_hold(struct pager *p)
{
	p->is_held = true; /* nothing is on its way yet */
}

void
pager_let_go(struct pager *p)
{
	lock_take(&p->lock);
	p->is_held = false;
	lock_drop(&p->lock);
	if (p->next->token != NULL && !p->next->is_sent)
		submit(p->next);
}

int
pager_next(struct pager *p, struct waiter *w, const struct s3_page **ret,
    int64_t *ret_sent_ms)
{
	int r;

	if (p->is_over) {
		*ret = NULL;
		return 0;
	}
	r = wait_for_next(p, w);
	if (r < 0)
		return r;
	r = trouble_errno(&p->next->call);
	if (r < 0)
		return r == -EAGAIN ? -EIO : r;
	turn(p);
	r = go_on(p);
	if (r < 0)
		return r;
	*ret = &p->now->call.page;
	*ret_sent_ms = p->now->call.result.sent_ms;
	return 0;
}

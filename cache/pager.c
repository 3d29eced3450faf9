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
#include "s3/s3.h"

struct pager {
	struct s3 *s3;       /* [I] */
	char *prefix;        /* [I] owned */
	char *start_after;   /* [I] owned, NULL */
	bool delimiter;      /* [I] */
	struct s3_call now;  /* the page that the caller has */
	struct s3_call next; /* the one on its way, or come */
	char *token;         /* owned: of next; NULL for the first */
	bool is_over;        /* now was the last */
	bool is_sent;        /* next was submitted */
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
	s3_call_init(&p->now, S3_LIST_OBJECTS);
	s3_call_init(&p->next, S3_LIST_OBJECTS);
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

static void
submit(struct pager *p)
{
	s3_call_init(&p->next, S3_LIST_OBJECTS);
	p->next.prefix = p->prefix;
	p->next.delimiter = p->delimiter;
	p->next.start_after = p->token == NULL ? p->start_after : NULL;
	p->next.token = p->token;
	p->is_sent = true;
	s3_submit(p->s3, &p->next);
}

void
pager_free(struct pager *p)
{
	if (p == NULL)
		return;
	if (p->is_sent) {
		s3_cancel(p->s3, &p->next);
		(void)s3_wait(p->s3, &p->next, NULL); /* not interrupted */
	}
	s3_call_fini(&p->now);
	s3_call_fini(&p->next);
	free(p->token);
	free(p->prefix);
	free(p->start_after);
	free(p);
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
	if (!p->is_sent)
		submit(p);
	r = s3_wait(p->s3, &p->next, w);
	if (r < 0)
		return r;
	p->is_sent = false;
	s3_call_fini(&p->now);
	p->now = p->next;
	s3_call_init(&p->next, S3_LIST_OBJECTS);
	r = trouble_errno(&p->now);
	if (r < 0)
		return r == -EAGAIN ? -EIO : r;
	if (p->token != NULL && p->now.page.next_token != NULL &&
	    strcmp(p->token, p->now.page.next_token) == 0)
		return -EIO; /* it would never end */
	free(p->token);
	p->token = TAKE(p->now.page.next_token);
	p->is_over = p->token == NULL;
	if (!p->is_over)
		submit(p);
	*ret = &p->now.page;
	*ret_sent_ms = p->now.result.sent_ms;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pager.h - the pages of one listing, the next one always on its way while
 * the caller works on the one it has.
 *
 * For a caller who waits for a page, the one behind it is asked for as soon as
 * the server says how: at S3 before the first key of the page that comes.
 *
 * One thread at a time.  Locks: none.
 */
#ifndef CACHE_PAGER_H
#define CACHE_PAGER_H

#include <stdbool.h>
#include <stdint.h>

struct pager;
struct s3;
struct s3_page;
struct waiter;

/**
 * pager_new(s3, prefix, delimiter, start_after, ret):
 * List the keys of ${prefix}, folded at '/' if ${delimiter}, after the key
 * ${start_after} (NULL: from the first).  Nothing is sent yet.
 * Memory: copies the strings.
 */
int pager_new(struct s3 *s3, const char *prefix, bool delimiter,
    const char *start_after, struct pager **ret);

/* Of a new pager: let no page go ahead of the caller, until pager_let_go(). */
void pager_hold(struct pager *p);
void pager_let_go(struct pager *p);

/* End what is on its way, and free.  NULL is fine. */
void pager_free(struct pager *p);

/**
 * pager_next(p, w, ret, ret_sent_ms):
 * Wait for the next page; ${*ret} is valid until the next call, and NULL
 * after the last.  ${*ret_sent_ms}: monotonic, when it was asked for.
 * Returns: 0; -EINTR: may be called again; else what the server said: the
 *     pager is of no more use.
 */
int pager_next(struct pager *p, struct waiter *w, const struct s3_page **ret,
    int64_t *ret_sent_ms);

#endif

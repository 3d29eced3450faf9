/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing.h - LIST pages to rows.
 *
 * A directory is listed with a delimiter: ceil(n / 1000) requests.  Who opens
 * one directory after its sibling is walking the tree: from then on keys are
 * listed flat (walk.c), a thousand a request whatever directories they are in.
 */
#ifndef CACHE_LISTING_H
#define CACHE_LISTING_H

struct cache;
struct listings;
struct row;
struct waiter;

int listings_new(struct cache *c, struct listings **ret);
void listings_free(struct listings *l);

/**
 * listing_want(c, dir, w):
 * Make sure that directory ${dir} was listed whole, no longer ago than the
 * ttl.
 * Returns: 0; -ENOENT: it is gone; -EINTR; -EIO ...
 */
int listing_want(struct cache *c, const struct row *dir, struct waiter *w);

#endif

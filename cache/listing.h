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

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct listings;
struct observe;
struct path;
struct row;
struct s3_listed;
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

/**
 * listing_line(o, dir, listed, path, sent_ms, ret_hidden):
 * Let one line of a listing, which is ${path} in directory ${dir}, be
 * observed there.
 */
int listing_line(struct observe *o, uint64_t dir,
    const struct s3_listed *listed, const struct path *path, int64_t sent_ms,
    bool *ret_hidden);

#endif

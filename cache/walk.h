/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.h - a walk of the tree is recognised and listed flat.
 *
 * A flat listing of the keys behind the directory that is wanted fills in
 * whole directories in the order of their keys, which is the order in which
 * they were listed and in which walkers come.  Each page is one request for
 * 1000 keys; the next is asked for while the walker works through this one,
 * and no further.
 *
 * A walk is recognised by the second child of a directory that is listed in
 * turn, or by two steps down, each from the directory that was listed just
 * before; the latter is a guess, of which one page is asked for first.
 *
 * Where it does not pay (a directory that holds many below it, a server whose
 * order is not that of the keys) the caller lists with a delimiter as before.
 */
#ifndef CACHE_WALK_H
#define CACHE_WALK_H

#include <stdint.h>

struct cache;
struct row;
struct waiter;
struct walk;

int walk_new(struct cache *c, struct walk **ret);
void walk_free(struct walk *k);

/**
 * walk_list(k, dir, prefix, w):
 * List directory ${dir} (its keys begin with ${prefix}) by the walk, if it is
 * the next in turn.
 * Returns: 1 done; 0 not: list it otherwise; -EINTR; -EIO ...
 */
int walk_list(struct walk *k, const struct row *dir, const char *prefix,
    struct waiter *w);

#endif

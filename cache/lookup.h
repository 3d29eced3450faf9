/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lookup.h - a name in a directory: what is known, else what S3 says.
 */
#ifndef CACHE_LOOKUP_H
#define CACHE_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

struct cache;
struct row;
struct waiter;

/**
 * lookup_name(c, parent, name, w, ret):
 * The row of ${name} in directory node ${parent}, asked for where what is
 * known is older than the ttl.  Its type is known.
 * Memory:  ${ret} is owned by the caller: row_fini().
 * Returns: 0; -ENOENT; -ENOTDIR; -ESTALE; -EINTR; -EIO ...
 */
int lookup_name(struct cache *c, uint64_t parent, const char *name,
    struct waiter *w, struct row *ret);

/* How long the caller may believe, in ms, that lookup_name() did not find
 * ${name}.  When it is seen later, the hook is told. */
unsigned lookup_absent_ms(struct cache *c, uint64_t parent, const char *name);

/**
 * lookup_node(c, node, want_attrs, w, ret):
 * The row of ${node}, asked for anew where it is older than the ttl; with
 * ${want_attrs} its headers are known, if attrs=posix.
 * One without a name (nameless.h) is NAME_GONE.
 * Returns: 0; -ESTALE it is of an older version, or gone.
 */
int lookup_node(struct cache *c, uint64_t node, bool want_attrs,
    struct waiter *w, struct row *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone.h - a file whose bytes are those of another object, as long as it was
 * not flushed: copy_file_range(2) of a whole file moves none.
 */
#ifndef CACHE_CLONE_H
#define CACHE_CLONE_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct entry;
struct waiter;

/**
 * clone_try(from, to, len, w, ret_len):
 * Make the empty file ${to} a clone of ${from}, if all of that is in S3, and
 * is at most ${len} bytes.
 * Returns: 1 it is done, ${*ret_len} bytes; 0 bytes must be copied; -errno.
 */
int clone_try(struct entry *from, struct entry *to, uint64_t len,
    struct waiter *w, uint64_t *ret_len);

/* Whether ${to} has these bytes of ${from} by a clone already: a copy of more
 * than one call takes goes on after it.  ${*len}: at most to the end of it. */
bool clone_has(
    struct entry *from, struct entry *to, uint64_t off, uint64_t *len);

/**
 * clone_release(c, key, w):
 * The object ${key} is about to be replaced or removed by our own hand: files
 * that are clones of it get bytes of their own, here or, where there is no
 * room, in a staging object.  The caller has marked the key busy. Returns: 0;
 * -EIO ...: one could not.
 */
int clone_release(struct cache *c, const char *key, struct waiter *w);

#endif

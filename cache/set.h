/* SPDX-License-Identifier: Apache-2.0 */
/*
 * set.h - changes of attributes: METADIRTY, and how they reach S3.
 */
#ifndef CACHE_SET_H
#define CACHE_SET_H

#include <stdint.h>

/* Opaque types. */
struct cache;
struct waiter;

/**
 * set_send(c, id, w):
 * Send the attributes of row ${id} by a COPY onto itself (a PUT of its marker
 * for a directory), if they are METADIRTY and nothing else is going to carry
 * them.
 * Returns: 0 (also if nothing is owed); -errno, and they stay METADIRTY.
 */
int set_send(struct cache *c, uint64_t id, struct waiter *w);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * abandon.h - a version that has no name any more is not sent.
 */
#ifndef CACHE_ABANDON_H
#define CACHE_ABANDON_H

#include <stdint.h>

/* Opaque types. */
struct cache;

/**
 * abandon_version(c, node):
 * The version has no name any more: nothing of it is sent from now on, what
 * is under way ends (a multipart upload is aborted).  The caller has marked
 * its key busy, so that no PUT is under way.  The bytes stay while it is
 * open, and go with the last reference.  Locks: none is held.
 */
void abandon_version(struct cache *c, uint64_t node);

#endif

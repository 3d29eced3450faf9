/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - the cache folder: found or made, ours alone, of this bucket.
 *
 *	DIR/HASH/		0700; HASH of endpoint, bucket and prefix
 *		lock		flock'ed while mounted
 *		meta.db		the database
 *		chunks/xx/NODE	chunk files
 *		owing		there while S3 may not have all (salvage.h)
 *		damaged		the next mount moves the database aside
 *		damaged-TIME/	one that was, and what is owed
 */
#ifndef CACHE_STORE_H
#define CACHE_STORE_H

#include <stddef.h>

struct cache;

/**
 * store_open(c, message, len):
 * Open folder, lock and database of ${c} (config is set); a damaged database
 * is moved aside with what is owed (salvage.h), and the mount starts cold.
 * Returns: as cache_open(), with ${message}.
 */
int store_open(struct cache *c, char *message, size_t len);

/* Note the time, at least every STORE_TICK_MS / 2 milliseconds. */
#define STORE_TICK_MS 60000
void store_tick(struct cache *c);

/* Close what store_open() opened; ${is_clean}: all facts were written. */
void store_close(struct cache *c, int is_clean);

/* How many folders of chunk files there are. */
#define STORE_FOLDERS 256

/* Remove chunk files in folder ${number} that no row owns, left by a crash. */
void store_sweep(struct cache *c, unsigned number);

#endif

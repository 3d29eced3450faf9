/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recover_name.h - names that are owed to S3 from before: they were
 * acknowledged, so they are finished.
 */
#ifndef CACHE_RECOVER_NAME_H
#define CACHE_RECOVER_NAME_H

/* Opaque types. */
struct cache;
struct row;

/* Whether ${row} is owed a request that is all there is to do for it: the rest
 * of recovery leaves it alone: 1; 0; -errno. */
int recover_name_is_owed(struct cache *c, const struct row *row);

/* Put all of them on their way.  Returns: 0; -errno of the database. */
int recover_names(struct cache *c);

#endif

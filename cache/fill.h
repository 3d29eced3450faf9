/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill.h - what an answer of S3 says, into a row (in memory; observe.c decides
 * whether, and stores it).
 */
#ifndef CACHE_FILL_H
#define CACHE_FILL_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/db.h"

/* Opaque types. */
struct cache;
struct s3_object;

/* What was seen of an object.  Strings are borrowed. */
struct observation {
	uint64_t size;
	int64_t modified_ns;
	const char *etag;
	const char *storage_class;
	const struct s3_object *head; /* headers too; NULL: a listing's line */
	int64_t sent_ms;              /* cache clock */
	int64_t sent_wall_ns;         /* likewise, for a HEAD */
};

/* Forget what headers said. */
void fill_clear(struct row *row);

/* Whether ${seen} is of the same bytes as the row. */
bool fill_is_same(const struct row *row, const struct observation *seen);

/* Of the same version: whether nothing but the time goes on. */
bool fill_is_unchanged(const struct row *row, const struct observation *seen);

/* What a line of a listing tells of an object's kind. */
enum row_kind fill_kind(const struct cache *c, const struct observation *seen);

/* Headers of an object, or of a directory's marker, answered at
 * ${sent_wall_ns}.  With attrs=list only the version is taken.  0, -ENOMEM. */
int fill_headers(struct cache *c, struct row *row, const struct s3_object *head,
    int64_t sent_wall_ns);

/* What the metadata says, whatever attrs= is.  0, -ENOMEM. */
int fill_metadata(struct row *row, const struct s3_object *head);

/* All that was seen of an object.  0, -ENOMEM. */
int fill_object(
    struct cache *c, struct row *row, const struct observation *seen);

#endif

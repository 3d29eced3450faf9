/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.h - copies within S3: one CopyObject, or parts where that is too much.
 *
 * Locks: none is held; the caller has marked the destination busy.
 */
#ifndef CACHE_COPY_H
#define CACHE_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct s3_call;
struct s3_meta;
struct waiter;

/* What to copy; strings are borrowed. */
struct copy {
	const char *source_key;
	const char *source_etag;       /* condition, or NULL */
	const char *source_version_id; /* or NULL */
	uint64_t size;                 /* of the source */
	const char *key;
	const char *if_match;     /* of what is there, or NULL */
	bool if_absent;           /* nothing may be there */
	bool replace_meta;        /* the following; else the source's */
	const char *content_type; /* (a copy by parts always needs these) */
	const struct s3_meta *meta;
	size_t meta_count;
};

/* What came of it; strings are owned: copy_result_fini(). */
struct copy_result {
	char *etag;       /* NULL: the server gives none */
	char *version_id; /* NULL: none */
	unsigned attempts;
	bool unsure;     /* it failed, but may have taken effect */
	bool is_source;  /* -ESTALE: of the source's condition (or unknown) */
	int64_t sent_ms; /* cache clock */
	char message[256];
};

/**
 * copy_run(c, what, w, ret):
 * Copy an object of any size; over S3_COPY_MAX by UploadPartCopy in parallel
 * (at most 16 in flight), aborted on failure.
 * Returns: 0; -ESTALE a condition did not hold; -ENOENT no source; -EACCES;
 *     -EIO; -EINTR ...
 */
int copy_run(struct cache *c, const struct copy *what, struct waiter *w,
    struct copy_result *ret);

void copy_result_fini(struct copy_result *r);

#endif

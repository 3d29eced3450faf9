/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attrs_meta.h - lists of metadata headers.
 *
 * A list is an array of struct s3_meta and its count; NULL and 0: empty.
 * Pure; no locks.
 */
#ifndef CACHE_ATTRS_META_H
#define CACHE_ATTRS_META_H

#include <stddef.h>

/* Opaque types. */
struct s3_meta;

/* Append copies of ${name} and ${value}.  Returns: 0, or -ENOMEM and the list
 * is unchanged. */
int attrs_meta_add(
    struct s3_meta **list, size_t *count, const char *name, const char *value);

/* Free a list and all its strings. */
void attrs_meta_free(struct s3_meta *meta, size_t count);

/**
 * attrs_meta_size(meta, count):
 * The size of metadata as the strictest servers count it against S3_META_MAX:
 * each name, with its "x-amz-meta-", and each value.
 */
size_t attrs_meta_size(const struct s3_meta *meta, size_t count);

#endif

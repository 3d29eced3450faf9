/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attrs_meta.c - lists of metadata headers.
 *
 * Role:    pure; what attrs_write() gives is one.
 */
#include "cache/attrs_meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/s3.h"

#define META_PREFIX "x-amz-meta-"

int
attrs_meta_add(
    struct s3_meta **list, size_t *count, const char *name, const char *value)
{
	AUTO_FREE char *n = strdup(name);
	AUTO_FREE char *v = strdup(value);
	struct s3_meta *grown;

	if (n == NULL || v == NULL)
		return -ENOMEM;
	grown = reallocarray(*list, *count + 1, sizeof(**list));
	if (grown == NULL)
		return -ENOMEM;
	*list = grown;
	grown[*count] = (struct s3_meta){ .name = TAKE(n), .value = TAKE(v) };
	(*count)++;
	return 0;
}

void
attrs_meta_free(struct s3_meta *meta, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free(meta[i].name);
		free(meta[i].value);
	}
	free(meta);
}

size_t
attrs_meta_size(const struct s3_meta *meta, size_t count)
{
	size_t i, size = 0;

	for (i = 0; i < count; i++)
		size += strlen(META_PREFIX) + strlen(meta[i].name) +
			strlen(meta[i].value);
	return size;
}

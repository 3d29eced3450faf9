/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts_upload.c - the multipart upload of one file: what there is to it.
 */
#include "cache/parts_upload.h"

#include <errno.h>
#include <stdlib.h>

void
parts_upload_free(struct upload *u)
{
	if (u == NULL)
		return;
	for (size_t i = 0; i < u->count; i++)
		free(u->parts[i].sent.etag);
	for (size_t i = 0; i < u->found_count; i++)
		free(u->found[i].etag);
	free(u->found);
	free(u->parts);
	free(u->key);
	free(u->id);
	row_fini(&u->row);
	free(u);
}

bool
parts_is_away(int err)
{
	return err == -EIO || err == -EHOSTUNREACH || err == -EBUSY ||
	       err == -ETIMEDOUT;
}

void
parts_forgive_locked(struct upload *u)
{
	if (parts_is_away(u->err))
		u->err = 0;
}

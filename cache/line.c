/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line.c - one line of a listing becomes an observation.
 */
#include <string.h>

#include "cache/cache.h"
#include "cache/line.h"
#include "cache/observe.h"
#include "cache/path.h"

int
line_object(struct observe *o, uint64_t dir, const char *name,
    const struct s3_listed *listed, int64_t sent_ms, bool *ret_hidden)
{
	struct observation seen = {
		.size = listed->size,
		.modified_ns = listed->modified_ns,
		.etag = listed->etag,
		.storage_class = listed->storage_class,
		.sent_ms = sent_ms,
	};

	return observe_object(o, dir, name, &seen, ret_hidden);
}

int
line_observe(struct observe *o, uint64_t dir, const struct s3_listed *listed,
    const struct path *path, int64_t sent_ms, bool *ret_hidden)
{
	char name[CACHE_NAME_MAX + 1];
	int r = 0;

	memcpy(name, path->name_len > 0 ? path->name : "", path->name_len);
	name[path->name_len] = '\0';
	if (path->reason != NULL)
		r = observe_odd(o, dir, listed->key, path->reason, sent_ms);
	if (r < 0)
		return r;
	switch (path->kind) {
	case PATH_FILE:
		return line_object(o, dir, name, listed, sent_ms, ret_hidden);
	case PATH_DIRECTORY:
		return observe_dir(o, dir, name, sent_ms, NULL);
	case PATH_FOLDER_MARKER:
		return observe_folder(o, dir, name, sent_ms);
	case PATH_SELF:
		return observe_self(o, dir, listed->modified_ns, sent_ms);
	case PATH_HIDDEN:
	case PATH_ODD:
		break;
	}
	return 0;
}

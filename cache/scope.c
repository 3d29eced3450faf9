/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope.c - a file or directory that a person names, and what lies below it.
 */
#include "cache/scope.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/admin.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"

#define DEPTH_MAX (S3_KEY_MAX + 1) /* a key has no more components */

struct scope_note {
	char *path; /* owned */
	const char *what;
	const char *text;
};

/* One component further down. */
static int
step(struct scope *s, const char *name)
{
	AUTO(row_fini) struct row row = { 0 };
	int r = db_row_by_name(s->cache->db, s->id, name, &row);

	if (r == 0 && !view_is_visible(&row))
		r = -ENOENT;
	if (r < 0)
		return r;
	s->id = row.id;
	s->is_dir = row.kind == ROW_DIR;
	return 0;
}

int
scope_find(struct cache *c, struct cache_key_call *call, struct scope *ret)
{
	AUTO_FREE char *path = strdup(call->key);
	char *rest = NULL, *name;
	int r = 0;

	if (path == NULL)
		return -ENOMEM;
	*ret = (struct scope){ .cache = c, .id = CACHE_ROOT, .is_dir = true };
	name = strtok_r(path, "/", &rest);
	while (r == 0 && name != NULL) {
		r = step(ret, name);
		name = strtok_r(NULL, "/", &rest);
	}
	if (r == -ENOENT)
		(void)snprintf(call->message, sizeof(call->message),
		    "there is no such file or folder");
	return r;
}

bool
scope_has(const struct scope *s, const struct row *row)
{
	uint64_t id = row->id, parent = row->parent;
	struct row up = { 0 };

	if (s->id == CACHE_ROOT)
		return true;
	for (int i = 0; id != s->id && i < DEPTH_MAX; i++) {
		if (id == CACHE_ROOT ||
		    db_row_by_id(s->cache->db, parent, &up) < 0)
			return false;
		id = up.id;
		parent = up.parent;
		row_fini(&up);
	}
	return id == s->id;
}

int
scope_path(struct cache *c, const struct row *row, struct buf *ret)
{
	AUTO_FREE char *path = strdup(row->name);
	uint64_t parent = row->parent;

	for (int i = 0; path != NULL && parent != CACHE_ROOT && parent != 0 &&
			i < DEPTH_MAX;
	     i++) {
		AUTO(row_fini) struct row up = { 0 };
		bool is_gone = db_row_by_id(c->db, parent, &up) < 0;
		char *longer = NULL;

		if (asprintf(&longer, "%s/%s", is_gone ? "?" : up.name, path) <
		    0)
			longer = NULL;
		free(path);
		path = longer;
		parent = is_gone ? CACHE_ROOT : up.parent;
	}
	return path == NULL ? -ENOMEM : buf_add_str(ret, path);
}

int
scope_notes_add(struct scope_notes *n, struct cache *c, const struct row *row,
    const char *what, const char *text)
{
	struct buf path = BUF_INIT(64U << 10);
	struct scope_note *one;
	int r;

	if (n->count == SCOPE_NOTES_MAX) {
		n->more++;
		return 0;
	}
	if (n->count == n->size) {
		size_t size = n->size == 0 ? 16 : n->size * 2;
		void *p = reallocarray(n->all, size, sizeof(*n->all));

		if (p == NULL)
			return -ENOMEM;
		n->all = p;
		n->size = size;
	}
	one = &n->all[n->count];
	*one = (struct scope_note){ .what = what, .text = text };
	r = scope_path(c, row, &path);
	if (r == 0)
		r = buf_take(&path, &one->path);
	buf_fini(&path);
	n->count += r == 0 ? 1 : 0;
	return r;
}

/* How many have no note of their own. */
static int
tell_more(const struct scope_notes *n, struct cache_key_call *call)
{
	char text[64];
	struct cache_note note = { .what = "more", .text = text };

	(void)snprintf(text, sizeof(text), "%" PRIu64 " more", n->more);
	return call->note(call->arg, &note);
}

int
scope_notes_tell(struct scope_notes *n, struct cache_key_call *call)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n->count; i++) {
		struct cache_note note = { .path = n->all[i].path,
			.what = n->all[i].what,
			.text = n->all[i].text };

		r = call->note(call->arg, &note);
	}
	if (r == 0 && n->more > 0)
		r = tell_more(n, call);
	scope_notes_fini(n);
	return r;
}

void
scope_notes_fini(struct scope_notes *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->all[i].path);
	free(n->all);
	*n = (struct scope_notes){ 0 };
}

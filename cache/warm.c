/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warm.c - a file, or a directory with all below, is fetched into the cache
 * (façade).
 *
 * Role:    pailctl warm.  Listings and attributes of a page of names first,
 *          then the bytes of its files, in the order of the names: so small
 *          ones are fetched ahead (series.h).
 * Threads: the caller's.
 *
 * It may cost what was used before it began its place, but nothing that it
 * fetched itself: before that it ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/admin.h"
#include "cache/core.h"
#include "cache/entry.h"
#include "cache/evict.h"
#include "cache/read.h"
#include "cache/series.h"
#include "s3/base/cleanup.h"

#define PAGE    1000 /* names at once, as in a page of S3 */
#define TELL_MS 200

/* A name in a directory, and what was learnt of it. */
struct found {
	char *path;       /* owned */
	const char *name; /* in it */
	struct cache_attr attr;
	bool is_there;
};

/* A directory that is still to be looked at. */
struct spot {
	uint64_t node;
	char *path; /* owned */
};

struct warming {
	struct cache *cache;
	struct cache_key_call *call;
	struct waiter *waiter;
	int64_t since_ms; /* cache clock: when it began */
	int64_t told_ms;  /* monotonic */
	struct cache_left done;
	struct spot *dirs; /* owned */
	size_t dirs_count;
	size_t dirs_size;
	const struct spot *dir; /* that the page is of */
	struct found *page;     /* owned, PAGE of them */
	size_t page_count;
	uint64_t cookie; /* of the last in it */
	bool is_full;
	int r; /* of take_name() */
};

static int
tell(struct warming *w, bool is_end)
{
	int64_t now = clock_mono_ms(w->cache->clock);

	if (!is_end && now - w->told_ms < TELL_MS)
		return 0;
	w->told_ms = now;
	return w->call->left(w->call->arg, &w->done);
}

static int
note(struct warming *w, const char *path, const char *what, const char *text)
{
	const struct cache_note one = {
		.path = path, .what = what, .text = text
	};

	w->call->found++;
	return w->call->note(w->call->arg, &one);
}

/* Whether it is the file's own trouble: the others are worth a try. */
static bool
is_of_file(int err)
{
	return err == -EACCES || err == -ENOENT || err == -ESTALE;
}

/* ---- bytes ---- */

static int
read_all(struct warming *w, struct entry *e)
{
	struct read_state state = { .must_stay = true };
	uint64_t off = 0;
	int r = 0;

	while (r == 0) {
		struct cache_bytes bytes = { 0 };

		r = read_bytes(
		    e, &state, off, CACHE_READ_MAX, w->waiter, &bytes);
		if (r < 0 || bytes.len == 0)
			break;
		if (off == 0)
			series_read(e);
		off += bytes.len;
		w->done.bytes += bytes.len;
		cache_bytes_put(e->cache, &bytes);
		r = tell(w, false);
	}
	return r;
}

/* Bytes of ${e} that are not here; if all are, it counts as used now. */
static uint64_t
missing(struct entry *e, uint64_t *ret_size)
{
	uint64_t have, size;

	lock_take(&e->lock);
	have = rangeset_bytes(&e->chunk.present);
	size = e->size;
	if (have > 0 && entry_is_here(e)) {
		have = size;
		e->chunk.is_changed = true; /* so that the time is stored */
	}
	lock_drop(&e->lock);
	*ret_size = size;
	return size > have ? size - have : 0;
}

static int
warm_bytes(struct warming *w, struct entry *e)
{
	uint64_t size, want = missing(e, &size);
	int r = 0;

	/* What is fetched ahead of it needs room, too. */
	if (want > 0 &&
	    !evict_has_room(w->cache->evict, want + SERIES_BYTES, w->since_ms))
		return -ENOSPC;
	if (want > 0)
		r = read_all(w, e);
	else
		w->done.bytes += size;
	return r;
}

static int
warm_file(struct warming *w, const char *path, uint64_t node)
{
	struct entry *e = NULL;
	uint64_t before = w->done.bytes;
	int r = entry_get(w->cache, node, &e);

	if (r == 0)
		r = warm_bytes(w, e);
	entry_put(e);
	if (r == 0) {
		w->done.files++;
		return tell(w, false);
	}
	w->done.bytes = before;
	if (r == -ENOSPC) {
		w->is_full = true;
		return note(w, path, "full",
		    "the cache has no room for it that is not taken by what "
		    "was fetched before");
	}
	return is_of_file(r) ? note(w, path, "file", strerror(-r)) : r;
}

/* ---- names ---- */

/* ${name} of ${dir}, with all attributes. */
static int
look(struct warming *w, uint64_t dir, const char *name, struct cache_attr *ret)
{
	int r = cache_lookup(w->cache, dir, name, w->waiter, ret);

	if (r == 0 && !ret->complete)
		r = cache_getattr(w->cache, ret->node, NULL, w->waiter, ret);
	return r;
}

static int
push(struct warming *w, uint64_t node, const char *path)
{
	struct spot *dirs = w->dirs;

	if (w->dirs_count == w->dirs_size) {
		w->dirs_size = w->dirs_size * 2 + 16;
		dirs = reallocarray(dirs, w->dirs_size, sizeof(*dirs));
		if (dirs == NULL)
			return -ENOMEM;
		w->dirs = dirs;
	}
	dirs[w->dirs_count] = (struct spot){ node, strdup(path) };
	if (dirs[w->dirs_count].path == NULL)
		return -ENOMEM;
	w->dirs_count++;
	return 0;
}

/* What ${attr} is of: bytes now, a directory later. */
static int
warm_one(struct warming *w, const char *path, const struct cache_attr *attr)
{
	w->done.names++;
	if (S_ISDIR(attr->mode))
		return push(w, attr->node, path);
	return S_ISREG(attr->mode) ? warm_file(w, path, attr->node) : 0;
}

static bool
take_name(
    void *arg, const char *name, const struct cache_attr *attr, uint64_t next)
{
	struct warming *w = arg;
	const char *dir = w->dir->path;
	char *path;

	(void)attr; /* looked up: it may be known in part only */
	if (w->page_count == PAGE)
		return false;
	if (asprintf(&path, "%s%s%s", dir, dir[0] == '\0' ? "" : "/", name) <
	    0) {
		w->r = -ENOMEM;
		return false;
	}
	w->page[w->page_count++] = (struct found){ .path = path,
		.name = path + strlen(path) - strlen(name) };
	w->cookie = next;
	return true;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(
	    ((const struct found *)a)->path, ((const struct found *)b)->path);
}

/* Attributes of all in the page: they are asked for ahead (heads.h). */
static int
look_page(struct warming *w)
{
	int r = 0;

	qsort(w->page, w->page_count, sizeof(*w->page), compare);
	for (size_t i = 0; r == 0 && i < w->page_count; i++) {
		struct found *f = &w->page[i];

		r = look(w, w->dir->node, f->name, &f->attr);
		f->is_there = r == 0;
		if (r == -EACCES)
			r = note(w, f->path, "name", strerror(EACCES));
		else if (is_of_file(r))
			r = 0; /* it just went */
		if (r == 0)
			r = tell(w, false);
	}
	return r;
}

static int
warm_page(struct warming *w)
{
	int r = w->r;

	if (r == 0)
		r = look_page(w);
	for (size_t i = 0; r == 0 && !w->is_full && i < w->page_count; i++) {
		const struct found *f = &w->page[i];

		if (f->is_there)
			r = warm_one(w, f->path, &f->attr);
	}
	return r;
}

static int
warm_dir(struct warming *w, const struct spot *dir)
{
	struct cache_dir *d = NULL;
	int r = cache_opendir(w->cache, dir->node, w->waiter, &d);

	if (is_of_file(r))
		return note(w, dir->path, "name", strerror(-r));
	if (r < 0)
		return r;
	w->dir = dir;
	w->cookie = 0;
	do {
		w->page_count = 0;
		r = cache_readdir(d, w->cookie, take_name, w);
		if (r == 0)
			r = warm_page(w);
		for (size_t i = 0; i < w->page_count; i++)
			free(w->page[i].path);
	} while (r == 0 && !w->is_full && w->page_count > 0);
	cache_closedir(d);
	return r;
}

/* ---- all ---- */

/* Find ${call->key} as a program would. */
static int
find(struct warming *w, struct cache_attr *ret)
{
	AUTO_FREE char *path = strdup(w->call->key);
	char *rest = NULL, *name;
	int r = path == NULL ? -ENOMEM : 0;

	*ret = (struct cache_attr){ .node = CACHE_ROOT, .mode = S_IFDIR };
	for (name = r < 0 ? NULL : strtok_r(path, "/", &rest);
	     r == 0 && name != NULL; name = strtok_r(NULL, "/", &rest))
		r = look(w, ret->node, name, ret);
	if (r == -ENOENT || r == -ENOTDIR)
		(void)snprintf(w->call->message, sizeof(w->call->message),
		    "there is no such file or folder");
	return r;
}

int
cache_warm(struct cache *c, struct cache_key_call *call, struct waiter *waiter)
{
	struct warming w = { .cache = c,
		.call = call,
		.waiter = waiter,
		.since_ms = cache_now_ms(c),
		.told_ms = clock_mono_ms(c->clock),
		.page = calloc(PAGE, sizeof(struct found)) };
	struct cache_attr attr;
	int r = w.page == NULL ? -ENOMEM : find(&w, &attr);

	if (r == 0)
		r = warm_one(&w, call->key, &attr);
	while (r == 0 && !w.is_full && w.dirs_count > 0) {
		struct spot dir = w.dirs[--w.dirs_count];

		r = warm_dir(&w, &dir);
		free(dir.path);
	}
	if (r == 0)
		r = tell(&w, true);
	while (w.dirs_count > 0)
		free(w.dirs[--w.dirs_count].path);
	free(w.dirs);
	free(w.page);
	return r;
}

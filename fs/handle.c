/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handle.c - open files and directories in fi->fh.
 */
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdlib.h>

#include "cache/cache.h"
#include "fs/handle.h"

struct handle {
	struct list link;        /* [handles lock] */
	struct cache_file *file; /* [I] owned; NULL: a directory */
	struct cache_dir *dir;   /* [I] owned; NULL: a file */
};

void
handles_init(struct handles *t)
{
	lock_init(&t->lock);
	list_init(&t->all);
}

static void
close_handle(struct handle *h)
{
	cache_file_close(h->file);
	cache_closedir(h->dir);
	free(h);
}

void
handles_fini(struct handles *t)
{
	struct list *l;

	while ((l = list_pop(&t->all)) != NULL)
		close_handle(LIST_ENTRY(l, struct handle, link));
	lock_fini(&t->lock);
}

static int
add(struct handles *t, struct fuse_file_info *fi, struct cache_file *f,
    struct cache_dir *d)
{
	struct handle *h = malloc(sizeof(*h));

	if (h == NULL) {
		cache_file_close(f);
		cache_closedir(d);
		return -ENOMEM;
	}
	h->file = f;
	h->dir = d;
	lock_take(&t->lock);
	list_append(&t->all, &h->link);
	lock_drop(&t->lock);
	fi->fh = (uintptr_t)h;
	return 0;
}

int
handle_add_file(
    struct handles *t, struct fuse_file_info *fi, struct cache_file *f)
{
	return add(t, fi, f, NULL);
}

int
handle_add_dir(
    struct handles *t, struct fuse_file_info *fi, struct cache_dir *d)
{
	return add(t, fi, NULL, d);
}

static struct handle *
handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

void
handle_release(struct handles *t, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);

	lock_take(&t->lock);
	list_remove(&h->link);
	lock_drop(&t->lock);
	close_handle(h);
}

struct cache_file *
handle_file(const struct fuse_file_info *fi)
{
	return fi == NULL ? NULL : handle_of(fi)->file;
}

struct cache_dir *
handle_dir(const struct fuse_file_info *fi)
{
	return handle_of(fi)->dir;
}

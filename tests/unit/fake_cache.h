/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_cache.h - cache/cache.h with a fixed tree and without S3, so that fs/
 * can be mounted alone.  For one program only: it defines what it declares.
 *
 *	/small     5 bytes, "hello"
 *	/big       FAKE_BIG bytes; a byte says which page it is of
 *	/later     a file of which a listing does not know the type
 *	/link      a symlink to small
 *	/hang      a file whose reads wait until they are interrupted
 *	/wait      a name whose lookup waits so
 *	/many/     FAKE_MANY files "f0" ..., one byte each
 *
 * These cannot be changed.  What else is made can be, in fake_change.h.
 * Calls are counted in memory that a parent can see, too.
 */
#ifndef TESTS_UNIT_FAKE_CACHE_H
#define TESTS_UNIT_FAKE_CACHE_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/admin.h"
#include "cache/cache.h"
#include "s3/base/lock.h"
#include "s3/base/wait.h"

#define FAKE_BIG  (UINT64_C(8) << 20)
#define FAKE_MANY 5000

#define FAKE_NEW   64        /* files and directories that were made */
#define FAKE_BYTES (1 << 17) /* of one of them */

enum {
	FAKE_SMALL = 2,
	FAKE_BIG_NODE,
	FAKE_LATER,
	FAKE_LINK,
	FAKE_HANG,
	FAKE_DIR,
	FAKE_FIRST_NEW = 100,
	FAKE_FIRST = 1000
};

/* One that was made.  Its node is FAKE_FIRST_NEW and its place. */
struct fake_new {
	struct cache_attr attr; /* node 0: a free place */
	uint64_t parent;        /* 0: it has no name any more */
	char name[64];
	char target[64];
	char xattr_name[64]; /* "": none */
	char xattr[64];
	size_t xattr_len;
	unsigned handles;
	unsigned writes;  /* of this one */
	unsigned flushed; /* at so many writes */
	unsigned closed;  /* at so many writes */
	unsigned char bytes[FAKE_BYTES];
};

struct cache {
	_Atomic uint64_t lookups;
	_Atomic uint64_t getattrs;
	_Atomic uint64_t getxattrs;
	_Atomic uint64_t flushes;
	_Atomic uint64_t syncs;
	_Atomic uint64_t drains;
	_Atomic uint64_t waiting;
	_Atomic uint64_t open; /* files and directories */
	_Atomic int drain_result;
	_Atomic bool drain_hangs;
	_Atomic bool dir_sgid; /* of the root */
	struct lock lock;      /* what follows */
	struct fake_new made[FAKE_NEW];
	struct cache_set set;  /* the last cache_setattr() */
	int open_flags;        /* of the last open or create */
	bool append;           /* of the last write */
	unsigned rename_flags; /* of the last rename */
	int allocate_mode;     /* of the last one */
	uint64_t copied;       /* length asked for */
};

struct cache_file {
	struct cache *cache;
	uint64_t node;
};

struct cache_dir {
	struct cache *cache;
	uint64_t node;
};

static const struct {
	const char *name;
	uint64_t node;
	uint32_t mode;
	uint64_t size;
} fake_tree[] = {
	{ "small", FAKE_SMALL, S_IFREG | 0644, 5 },
	{ "big", FAKE_BIG_NODE, S_IFREG | 0644, FAKE_BIG },
	{ "later", FAKE_LATER, S_IFREG | 0600, 1 },
	{ "link", FAKE_LINK, S_IFLNK | 0777, 5 },
	{ "hang", FAKE_HANG, S_IFREG | 0644, UINT64_C(1) << 40 },
	{ "many", FAKE_DIR, S_IFDIR | 0755, 0 },
};

#define FAKE_COUNT (sizeof(fake_tree) / sizeof(fake_tree[0]))

static int
fake_wait(struct cache *c, struct waiter *w)
{
	int r;

	c->waiting++;
	r = waiter_wait(w, WAIT_FOREVER);
	c->waiting--;
	return r;
}

static struct fake_new *
fake_made(struct cache *c, uint64_t node)
{
	if (node < FAKE_FIRST_NEW || node >= FAKE_FIRST_NEW + FAKE_NEW)
		return NULL;
	return &c->made[node - FAKE_FIRST_NEW];
}

static struct fake_new *
fake_find(struct cache *c, uint64_t parent, const char *name)
{
	for (size_t i = 0; i < FAKE_NEW; i++) {
		if (c->made[i].parent == parent &&
		    strcmp(c->made[i].name, name) == 0)
			return &c->made[i];
	}
	return NULL;
}

static struct cache_attr
fake_attr(struct cache *c, uint64_t node)
{
	struct fake_new *made = fake_made(c, node);
	struct cache_attr a = { .node = node,
		.ino = node,
		.mode = S_IFREG | 0644,
		.size = 1,
		.nlink = 1,
		.complete = true,
		.mtime_ns = INT64_C(1700000000500000000),
		.valid_ms = 60000 };

	if (made != NULL) {
		lock_take(&c->lock);
		a = made->attr;
		lock_drop(&c->lock);
		return a;
	}
	if (node == CACHE_ROOT) {
		a.mode = S_IFDIR | 0777 | (c->dir_sgid ? S_ISGID : 0);
		a.gid = c->dir_sgid ? 4321 : 0;
	}
	for (size_t i = 0; i < FAKE_COUNT; i++) {
		if (fake_tree[i].node == node) {
			a.mode = fake_tree[i].mode;
			a.size = fake_tree[i].size;
		}
	}
	return a;
}

int
cache_lookup(struct cache *c, uint64_t parent, const char *name,
    struct waiter *w, struct cache_attr *ret)
{
	struct fake_new *made;
	unsigned n;

	c->lookups++;
	lock_take(&c->lock);
	made = fake_find(c, parent, name);
	if (made != NULL)
		*ret = made->attr;
	lock_drop(&c->lock);
	if (made != NULL)
		return 0;
	if (parent == CACHE_ROOT && strcmp(name, "wait") == 0)
		return fake_wait(c, w);
	if (parent == FAKE_DIR && sscanf(name, "f%u", &n) == 1 &&
	    n < FAKE_MANY) {
		*ret = fake_attr(c, FAKE_FIRST + n);
		return 0;
	}
	for (size_t i = 0; parent == CACHE_ROOT && i < FAKE_COUNT; i++) {
		if (strcmp(fake_tree[i].name, name) == 0) {
			*ret = fake_attr(c, fake_tree[i].node);
			return 0;
		}
	}
	return -ENOENT;
}

void
cache_forget(struct cache *c, uint64_t node)
{
	(void)c, (void)node;
}

int
cache_getattr(struct cache *c, uint64_t node, struct cache_file *file,
    struct waiter *w, struct cache_attr *ret)
{
	(void)file, (void)w;
	c->getattrs++;
	*ret = fake_attr(c, node);
	return 0;
}

int
cache_readlink(
    struct cache *c, uint64_t node, struct waiter *w, struct buf *ret)
{
	struct fake_new *made = fake_made(c, node);

	(void)w;
	if (made != NULL && S_ISLNK(made->attr.mode))
		return buf_add_str(ret, made->target);
	return node == FAKE_LINK ? buf_add_str(ret, "small") : -EINVAL;
}

int
cache_getxattr(struct cache *c, uint64_t node, const char *name,
    struct waiter *w, struct buf *ret)
{
	struct fake_new *made = fake_made(c, node);

	(void)w;
	c->getxattrs++;
	if (made != NULL && strcmp(name, made->xattr_name) == 0)
		return buf_add(ret, made->xattr, made->xattr_len);
	if (node != FAKE_SMALL || strcmp(name, "user.a") != 0)
		return -ENODATA;
	return buf_add_str(ret, "value");
}

int
cache_listxattr(
    struct cache *c, uint64_t node, struct waiter *w, struct buf *ret)
{
	(void)c, (void)w;
	return node == FAKE_SMALL ? buf_add(ret, "user.a", 7) : 0;
}

int
cache_statfs(struct cache *c, uint64_t *ret_entries)
{
	(void)c;
	*ret_entries = FAKE_COUNT + FAKE_MANY;
	return 0;
}

int
cache_opendir(
    struct cache *c, uint64_t node, struct waiter *w, struct cache_dir **ret)
{
	struct cache_dir *d = malloc(sizeof(*d));

	(void)w;
	if (d == NULL)
		return -ENOMEM;
	*d = (struct cache_dir){ c, node };
	c->open++;
	*ret = d;
	return 0;
}

int
cache_dir_sync(struct cache_dir *d, struct waiter *w)
{
	(void)d, (void)w;
	return 0;
}

void
cache_closedir(struct cache_dir *d)
{
	if (d == NULL)
		return;
	d->cache->open--;
	free(d);
}

/* Cookies: 10, 20, ... so that they are no indices. */
int
cache_readdir(struct cache_dir *d, uint64_t cookie, cache_dir_fn *fn, void *arg)
{
	uint64_t count = d->node == FAKE_DIR     ? FAKE_MANY
			 : d->node == CACHE_ROOT ? FAKE_COUNT
						 : 0;

	for (uint64_t i = cookie / 10; i < count; i++) {
		struct cache_attr a;
		char name[32];

		if (d->node == FAKE_DIR) {
			a = fake_attr(d->cache, FAKE_FIRST + i);
			(void)snprintf(name, sizeof(name), "f%u", (unsigned)i);
		} else {
			a = fake_attr(d->cache, fake_tree[i].node);
			(void)snprintf(
			    name, sizeof(name), "%s", fake_tree[i].name);
		}
		if (a.node == FAKE_LATER) {
			a.mode = 0;
			a.complete = false;
		}
		if (!fn(arg, name, &a, (i + 1) * 10))
			break;
	}
	return 0;
}

int
cache_file_open(struct cache *c, uint64_t node, int flags, struct waiter *w,
    struct cache_file **ret)
{
	struct fake_new *made = fake_made(c, node);
	struct cache_file *f;

	(void)w;
	if (made == NULL &&
	    ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC)))
		return -EROFS;
	f = malloc(sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	*f = (struct cache_file){ c, node };
	c->open++;
	lock_take(&c->lock);
	c->open_flags = flags;
	if (made != NULL)
		made->handles++;
	if (made != NULL && (flags & O_TRUNC)) {
		memset(made->bytes, 0, FAKE_BYTES);
		made->attr.size = 0;
	}
	lock_drop(&c->lock);
	*ret = f;
	return 0;
}

void
cache_file_close(struct cache_file *f)
{
	struct fake_new *made;

	if (f == NULL)
		return;
	made = fake_made(f->cache, f->node);
	if (made != NULL) {
		lock_take(&f->cache->lock);
		made->closed = made->writes;
		if (--made->handles == 0 && made->parent == 0)
			memset(made, 0, sizeof(*made));
		lock_drop(&f->cache->lock);
	}
	f->cache->open--;
	free(f);
}

bool
cache_file_keeps_pages(struct cache_file *f)
{
	(void)f;
	return true;
}

int
cache_file_read(struct cache_file *f, uint64_t off, size_t len,
    struct waiter *w, struct cache_bytes *ret)
{
	struct fake_new *made = fake_made(f->cache, f->node);
	uint64_t size = fake_attr(f->cache, f->node).size;
	unsigned char *data;

	if (f->node == FAKE_HANG)
		return fake_wait(f->cache, w);
	data = malloc(len);
	if (data == NULL)
		return -ENOMEM;
	if (off >= size)
		len = 0;
	else if (len > size - off)
		len = (size_t)(size - off);
	for (size_t i = 0; i < len; i++)
		data[i] = made != NULL ? made->bytes[off + i]
			  : f->node == FAKE_SMALL
			      ? (unsigned char)"hello"[off + i]
			      : (unsigned char)((off + i) >> 12);
	*ret = (struct cache_bytes){ data, len, data };
	return 0;
}

void
cache_bytes_put(struct cache *c, struct cache_bytes *b)
{
	(void)c;
	free(b->owner);
}

void
cache_renames_list(struct cache *c, cache_renaming_fn *fn, void *arg)
{
	const struct cache_renaming one = { .from = "a",
		.to = "b/\xff",
		.stage = "copying",
		.all = 5,
		.copied = 3 };

	(void)c;
	(void)fn(arg, &one);
}

int
cache_odd_list(
    struct cache *c, uint64_t from, unsigned max, cache_odd_fn *fn, void *arg)
{
	(void)c, (void)max;
	if (from > 0)
		return 0;
	(void)fn(arg, "a//b", "empty component");
	(void)fn(arg, "\xff//", "empty component");
	return 0;
}

int
cache_drain(struct cache *c, struct waiter *w, uint64_t *ret_left)
{
	int r = c->drain_result;

	c->drains++;
	c->waiting++;
	while (c->drain_hangs && r == 0 && waiter_wait(w, 10) != -EINTR)
		continue;
	c->waiting--;
	if (c->drain_hangs && r == 0)
		r = -EINTR;
	if (r == -EIO)
		*ret_left = 3;
	return r;
}

void
cache_get_stats(struct cache *c, struct cache_stats *ret)
{
	*ret = (struct cache_stats){ .open_files = c->open,
		.dirty_files = c->drain_hangs ? 2 : 0,
		.dirty_bytes = c->drain_hangs ? 4096 : 0,
		.dirty_attrs = c->drain_hangs ? 1 : 0 };
}

#endif

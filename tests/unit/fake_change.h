/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_change.h - the part of cache/cache.h that changes things, for
 * fake_cache.h: what is made lives in memory.  For one program only.
 *
 * Names of files that do something else:
 *
 *	"nospace"   a write of it is -ENOSPC
 *	"quota"     a flush of it is -EDQUOT
 *	"slow"      a flush of it waits until it is interrupted
 *	"denied"    to make or remove it is -EACCES
 */
#ifndef TESTS_UNIT_FAKE_CHANGE_H
#define TESTS_UNIT_FAKE_CHANGE_H

#include "tests/unit/fake_cache.h"

#include <linux/falloc.h>

#define FAKE_MADE_NS INT64_C(1600000000000000000)

int
cache_make(struct cache *c, uint64_t parent, const char *name,
    const struct cache_new *what, struct waiter *w, struct cache_attr *ret)
{
	struct fake_new *made = NULL;
	int r = -ENOSPC;

	(void)w;
	if (strcmp(name, "denied") == 0)
		return -EACCES;
	lock_take(&c->lock);
	if (fake_find(c, parent, name) != NULL)
		r = -EEXIST;
	for (size_t i = 0; r == -ENOSPC && made == NULL && i < FAKE_NEW; i++) {
		if (c->made[i].attr.node == 0)
			made = &c->made[i];
	}
	if (made != NULL) {
		made->attr = (struct cache_attr){
			.node = FAKE_FIRST_NEW + (uint64_t)(made - c->made),
			.ino = FAKE_FIRST_NEW + (uint64_t)(made - c->made),
			.mode = what->mode,
			.nlink = 1,
			.uid = what->uid,
			.gid = what->gid,
			.rdev = what->rdev,
			.complete = true,
			.atime_ns = FAKE_MADE_NS,
			.mtime_ns = FAKE_MADE_NS,
			.ctime_ns = FAKE_MADE_NS,
			.valid_ms = 60000,
		};
		made->parent = parent;
		(void)snprintf(made->name, sizeof(made->name), "%s", name);
		(void)snprintf(made->target, sizeof(made->target), "%s",
		    what->target == NULL ? "" : what->target);
		made->attr.size = strlen(made->target);
		*ret = made->attr;
		r = 0;
	}
	lock_drop(&c->lock);
	return r;
}

int
cache_create(struct cache *c, const struct cache_place *at,
    const struct cache_new *what, struct waiter *w,
    struct cache_file **ret_file, struct cache_attr *ret)
{
	struct cache_attr attr;
	int flags = what->flags;
	int r = cache_make(c, at->parent, at->name, what, w, &attr);

	if (r == -EEXIST && !(flags & O_EXCL))
		r = cache_lookup(c, at->parent, at->name, w, &attr);
	if (r == 0)
		r = cache_file_open(c, attr.node, flags, w, ret_file);
	if (r == 0)
		*ret = attr;
	return r;
}

static int
fake_remove(struct cache *c, uint64_t parent, const char *name, bool dir)
{
	struct fake_new *made;
	int r = 0;

	if (strcmp(name, "denied") == 0)
		return -EACCES;
	lock_take(&c->lock);
	made = fake_find(c, parent, name);
	if (made == NULL)
		r = -EACCES;
	else if (dir != (S_ISDIR(made->attr.mode) != 0))
		r = dir ? -ENOTDIR : -EISDIR;
	for (size_t i = 0; r == 0 && dir && i < FAKE_NEW; i++) {
		if (c->made[i].parent == made->attr.node)
			r = -ENOTEMPTY;
	}
	if (r == 0) {
		made->parent = 0;
		made->attr.nlink = 0;
	}
	if (r == 0 && made->handles == 0)
		memset(made, 0, sizeof(*made));
	lock_drop(&c->lock);
	return r;
}

int
cache_unlink(
    struct cache *c, uint64_t parent, const char *name, struct waiter *w)
{
	(void)w;
	return fake_remove(c, parent, name, false);
}

int
cache_rmdir(
    struct cache *c, uint64_t parent, const char *name, struct waiter *w)
{
	(void)w;
	return fake_remove(c, parent, name, true);
}

int
cache_rename(struct cache *c, const struct cache_place *old,
    const struct cache_place *new, unsigned flags, struct waiter *w)
{
	struct fake_new *from, *to;
	int r = 0;

	(void)w;
	lock_take(&c->lock);
	c->rename_flags = flags;
	from = fake_find(c, old->parent, old->name);
	to = fake_find(c, new->parent, new->name);
	if (flags > 1)
		r = -EINVAL;
	else if (from == NULL)
		r = -EACCES;
	else if (to != NULL && flags == 1)
		r = -EEXIST;
	if (r == 0 && to != NULL)
		memset(to, 0, sizeof(*to));
	if (r == 0) {
		from->parent = new->parent;
		(void)snprintf(from->name, sizeof(from->name), "%s", new->name);
	}
	lock_drop(&c->lock);
	return r;
}

int
cache_setattr(struct cache *c, uint64_t node, struct cache_file *file,
    const struct cache_set *set, struct waiter *w, struct cache_attr *ret)
{
	struct fake_new *made = fake_made(c, node);

	(void)file, (void)w;
	if (made == NULL)
		return -EACCES;
	lock_take(&c->lock);
	c->set = *set;
	if (set->what & CACHE_SET_MODE)
		made->attr.mode = (made->attr.mode & S_IFMT) | set->mode;
	if (set->what & CACHE_SET_UID)
		made->attr.uid = set->uid;
	if (set->what & CACHE_SET_GID)
		made->attr.gid = set->gid;
	if (set->what & CACHE_SET_ATIME)
		made->attr.atime_ns = set->atime_ns;
	if (set->what & CACHE_SET_MTIME)
		made->attr.mtime_ns = set->mtime_ns;
	if ((set->what & CACHE_SET_SIZE) && set->size <= FAKE_BYTES) {
		memset(made->bytes + set->size, 0, FAKE_BYTES - set->size);
		made->attr.size = set->size;
	}
	*ret = made->attr;
	lock_drop(&c->lock);
	return 0;
}

int
cache_setxattr(struct cache *c, uint64_t node, const struct cache_xattr *what,
    struct waiter *w)
{
	struct fake_new *made = fake_made(c, node);
	const char *name = what->name;
	const void *value = what->value;
	size_t len = what->len;
	int flags = what->flags;
	int r = 0;

	(void)w;
	if (made == NULL || len > sizeof(made->xattr))
		return -ENOSPC;
	if (strncmp(name, "user.", 5) != 0)
		return -EOPNOTSUPP;
	lock_take(&c->lock);
	if (flags == 1 && strcmp(made->xattr_name, name) == 0)
		r = -EEXIST; /* XATTR_CREATE */
	if (r == 0) {
		(void)snprintf(
		    made->xattr_name, sizeof(made->xattr_name), "%s", name);
		memcpy(made->xattr, value, len);
		made->xattr_len = len;
	}
	lock_drop(&c->lock);
	return r;
}

int
cache_removexattr(
    struct cache *c, uint64_t node, const char *name, struct waiter *w)
{
	struct fake_new *made = fake_made(c, node);
	int r = 0;

	(void)w;
	if (made == NULL)
		return -EACCES;
	lock_take(&c->lock);
	if (strcmp(made->xattr_name, name) == 0)
		made->xattr_name[0] = '\0';
	else
		r = -ENODATA;
	lock_drop(&c->lock);
	return r;
}

int
cache_file_write(struct cache_file *f, uint64_t off, const void *data,
    size_t len, bool append, struct waiter *w)
{
	struct fake_new *made = fake_made(f->cache, f->node);
	int r = 0;

	(void)w;
	lock_take(&f->cache->lock);
	f->cache->append = append;
	if (append)
		off = made->attr.size;
	if (off + len > FAKE_BYTES)
		r = -EFBIG;
	if (strcmp(made->name, "nospace") == 0)
		r = -ENOSPC;
	if (r == 0) {
		memcpy(made->bytes + off, data, len);
		if (made->attr.size < off + len)
			made->attr.size = off + len;
		made->writes++;
	}
	lock_drop(&f->cache->lock);
	return r;
}

int
cache_file_allocate(struct cache_file *f, int mode, uint64_t off, uint64_t len,
    struct waiter *w)
{
	struct fake_new *made = fake_made(f->cache, f->node);
	int r = 0;

	(void)w;
	lock_take(&f->cache->lock);
	f->cache->allocate_mode = mode;
	if (off + len > FAKE_BYTES)
		r = -EFBIG;
	if (r == 0 && (mode & FALLOC_FL_PUNCH_HOLE))
		memset(made->bytes + off, 0, len);
	if (r == 0 && !(mode & FALLOC_FL_KEEP_SIZE) &&
	    made->attr.size < off + len)
		made->attr.size = off + len;
	lock_drop(&f->cache->lock);
	return r;
}

/* At most 8 KiB at once. */
int
cache_file_copy(const struct cache_span *in, const struct cache_span *out,
    uint64_t len, struct waiter *w, uint64_t *ret_len)
{
	struct cache_file *from = in->file, *to = out->file;
	uint64_t from_off = in->off, off = out->off;
	struct fake_new *a = fake_made(from->cache, from->node);
	struct fake_new *b = fake_made(from->cache, to->node);

	(void)w;
	lock_take(&from->cache->lock);
	from->cache->copied = len;
	if (from_off >= a->attr.size)
		len = 0;
	else if (len > a->attr.size - from_off)
		len = a->attr.size - from_off;
	if (len > 8192)
		len = 8192;
	memcpy(b->bytes + off, a->bytes + from_off, len);
	if (len > 0 && b->attr.size < off + len)
		b->attr.size = off + len;
	b->writes++;
	lock_drop(&from->cache->lock);
	*ret_len = len;
	return 0;
}

int
cache_file_flush(struct cache_file *f, struct waiter *w)
{
	struct fake_new *made = fake_made(f->cache, f->node);

	f->cache->flushes++;
	if (made == NULL)
		return 0;
	if (strcmp(made->name, "slow") == 0)
		return fake_wait(f->cache, w);
	lock_take(&f->cache->lock);
	made->flushed = made->writes;
	lock_drop(&f->cache->lock);
	return strcmp(made->name, "quota") == 0 ? -EDQUOT : 0;
}

int
cache_file_sync(struct cache_file *f, bool data, struct waiter *w)
{
	f->cache->syncs += data ? 0 : 1;
	return cache_file_flush(f, w);
}

#endif

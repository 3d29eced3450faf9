/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsck_folder.c - a cache folder that is not mounted is opened to be checked
 * (façade).
 *
 * Nothing is made in it, and nothing that the next mount relies on changes: it
 * is neither marked as used nor recovered.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cache/admin.h"
#include "cache/fsck.h"
#include "s3/base/cleanup.h"

static int
complain(struct cache_key_call *call, int err, const char *why)
{
	(void)snprintf(call->message, sizeof(call->message), "%s", why);
	return err;
}

/* The lock that a mount takes; it is made by the first of them. */
static int
lock_folder(struct cache *c, int dir, struct cache_key_call *call)
{
	c->lock_fd = openat(dir, "lock", O_RDWR | O_CLOEXEC);
	if (c->lock_fd < 0)
		return complain(call, -errno,
		    errno == ENOENT ? "it is no cache folder"
				    : "it cannot be opened: is it yours?");
	if (flock(c->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return complain(
		    call, -EBUSY, "it is in use: give the mount point instead");
	return 0;
}

/* A folder that a mount left before it had made all of it. */
static bool
is_empty(int dir)
{
	struct stat st;

	return fstatat(dir, "meta.db", &st, 0) < 0 || st.st_size == 0;
}

static int
open_db(struct cache *c, struct cache_key_call *call)
{
	struct buf path = BUF_INIT(PATH_MAX);
	bool cold = false;
	int r = buf_printf(&path, "%s/meta.db", c->dir);

	if (r == 0)
		r = db_open(buf_str(&path), &c->db, &cold);
	buf_fini(&path);
	return r == -EPROTO ? complain(call, r,
				  "it was written by a newer pailfs: use that")
			    : r;
}

static int
open_folder(struct cache *c, struct cache_key_call *call, bool *ret_empty)
{
	AUTO_CLOSE int dir = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir < 0)
		return -errno;
	r = lock_folder(c, dir, call);
	if (r < 0)
		return r;
	c->chunks_fd =
	    openat(dir, "chunks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*ret_empty = is_empty(dir) || c->chunks_fd < 0;
	return *ret_empty ? 0 : open_db(c, call);
}

static bool
was_clean(struct cache *c)
{
	struct buf text = BUF_INIT(64);
	bool clean = db_get_setting(c->db, "clean", &text) == 0 &&
		     strcmp(buf_str(&text), "1") == 0;

	buf_fini(&text);
	return clean;
}

/* What a mount that ended in order left as the sum is another now. */
static int
store_used(struct cache *c)
{
	uint64_t used = 0;
	char text[32];
	int r = db_chunks_bytes(c->db, &used);

	(void)snprintf(text, sizeof(text), "%" PRIu64, used);
	return r == 0 ? db_set_setting(c->db, "used", text) : r;
}

static int
check(struct cache *c, struct cache_key_call *call)
{
	struct fsck f = { .cache = c, .call = call };
	int r;

	c->clock = &clock_system;
	c->epoch_ms =
	    clock_wall_ns(c->clock) / 1000000 - clock_mono_ms(c->clock);
	f.is_clean = was_clean(c);
	r = fsck_run(&f);
	if (r == 0 && call->mended > 0)
		r = store_used(c);
	return r;
}

static int
tell_damaged(struct cache *c, struct cache_key_call *call)
{
	struct fsck f = { .cache = c, .call = call };
	const struct fsck_find find = { .name = "meta.db", .what = "database" };

	return fsck_tell(&f, &find,
	    "it is damaged: the next mount moves it aside, and what S3 does "
	    "not have is kept");
}

int
cache_check_folder(const char *dir, struct cache_key_call *call)
{
	struct cache *c = calloc(1, sizeof(*c));
	bool empty = false;
	int r;

	if (c == NULL)
		return -ENOMEM;
	c->chunks_fd = -1;
	c->lock_fd = -1;
	c->config.prefix = "";
	c->dir = strdup(dir);
	r = c->dir == NULL ? -ENOMEM : open_folder(c, call, &empty);
	if (r == -EBADMSG)
		r = tell_damaged(c, call);
	else if (r == 0 && !empty)
		r = check(c, call);
	db_close(c->db);
	if (c->chunks_fd >= 0)
		(void)close(c->chunks_fd); /* nothing written to it */
	if (c->lock_fd >= 0)
		(void)close(c->lock_fd); /* gives the lock back */
	free(c->dir);
	free(c);
	return r;
}

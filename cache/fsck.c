/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsck.c - database, chunk files and bucket are compared (façade).
 */
#include "cache/fsck.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/admin.h"
#include "cache/entry.h"
#include "cache/scope.h"
#include "cache/state.h"
#include "s3/base/cleanup.h"
#include "s3/base/wait.h"

#define TEXT_MAX   256
#define PATH_LIMIT ((size_t)64 << 10) /* of a path that is shown */
#define BATCH      128
#define PAGES      256 /* of the database, at once */

int
fsck_pause(struct fsck *f)
{
	return f->waiter != NULL && waiter_wait(f->waiter, 0) == -EINTR ? -EINTR
									: 0;
}

int
fsck_tell(struct fsck *f, const struct fsck_find *find, const char *format, ...)
{
	struct buf path = BUF_INIT(PATH_LIMIT);
	struct cache_note note = { .path = find->name,
		.what = find->what,
		.is_mended = find->is_mended };
	char text[TEXT_MAX];
	va_list args;
	int r = 0;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	note.text = text;
	if (find->row != NULL) {
		r = scope_path(f->cache, find->row, &path);
		note.path = buf_str(&path);
	}
	if (find->is_mended)
		f->call->mended++;
	else
		f->call->found++;
	if (r == 0)
		r = f->call->note(f->call->arg, &note);
	buf_fini(&path);
	return r;
}

/* ---- rows ---- */

struct batch {
	struct row rows[BATCH];
	size_t count;
	uint64_t last;
	int r;
};

static bool
take_row(void *arg, const struct row *row)
{
	struct batch *b = arg;

	b->last = row->id;
	b->r = row_copy(&b->rows[b->count], row);
	b->count += b->r == 0 ? 1 : 0;
	return b->r == 0;
}

int
fsck_each_row(struct fsck *f, fsck_row_fn *fn)
{
	AUTO_FREE struct batch *b = calloc(1, sizeof(*b));
	uint64_t after;
	int r = 0;

	if (b == NULL)
		return -ENOMEM;
	while (r == 0) {
		after = b->last;
		b->count = 0;
		r = db_rows_from(f->cache->db, after, BATCH, take_row, b);
		if (r == 0)
			r = b->r;
		for (size_t i = 0; i < b->count; i++) {
			if (r == 0)
				r = fn(f, &b->rows[i]);
			row_fini(&b->rows[i]);
		}
		if (r == 0)
			r = fsck_pause(f);
		if (b->last == after)
			break;
	}
	return r;
}

int
fsck_owner(struct fsck *f, uint64_t node, struct row *ret, bool *ret_is_owed)
{
	struct db *db = f->cache->db;
	uint64_t id = 0;
	int r = db_row_by_node(db, node, ret);

	*ret_is_owed = r == 0 && ret->byte_state != BYTES_CLEAN;
	if (r != -ENOENT)
		return r;
	r = db_intent_of_chunk(db, node, &id);
	*ret_is_owed = r == 0;
	return r == 0 ? db_row_by_id(db, id, ret) : r;
}

/* ---- all of it ---- */

static int
tell_database(struct fsck *f, uint64_t page)
{
	const struct fsck_find find = { .name = "meta.db", .what = "database" };

	return fsck_tell(f, &find,
	    "damaged at page %" PRIu64 ": %s and what S3 does not have is kept",
	    page,
	    f->is_online ? "unmount and mount again: it is moved aside,"
			 : "the next mount moves it aside,");
}

/* All pages.  1: it is damaged, and that was told. */
static int
check_pages(struct fsck *f)
{
	uint64_t page = 0;
	int r = 0;

	while (r == 0) {
		r = db_look(f->cache->db, &page, PAGES);
		if (r == 0)
			r = fsck_pause(f);
	}
	if (r == -EBADMSG) {
		r = tell_database(f, page);
		return r < 0 ? r : 1;
	}
	return r == -ENOENT ? 0 : r;
}

int
fsck_run(struct fsck *f)
{
	int r = check_pages(f);

	if (r != 0) /* what a damaged one says is no ground to stand on */
		return r < 0 ? r : 0;
	r = fsck_rows(f);
	if (r == 0)
		r = fsck_chunks(f);
	if (r == 0)
		r = fsck_files(f);
	if (r == 0 && f->is_online)
		r = fsck_objects(f);
	if (r == -EBADMSG) /* a row that cannot be one */
		r = tell_database(f, 0);
	return r;
}

int
cache_check(struct cache *c, struct cache_key_call *call, struct waiter *w)
{
	struct fsck f = { .cache = c,
		.call = call,
		.waiter = w,
		.is_online = true,
		.is_clean = true };

	if (call->key[0] != '\0') {
		(void)snprintf(call->message, sizeof(call->message),
		    "all of a mount is checked: name the mount point");
		return -EINVAL;
	}
	return fsck_run(&f);
}

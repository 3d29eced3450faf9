/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mover_delete.c - many objects are deleted: the originals, or their copies.
 *
 * S3:      API_DeleteObjects with the ETag of each key.
 */
#include "cache/mover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/name.h"
#include "cache/probe.h"
#include "cache/trouble.h"
#include "s3/base/cleanup.h"
#include "s3/base/text.h"

#define DELETE_TRIES 2

/* Up to S3_DELETE_MAX keys. */
struct batch {
	struct mover *mover;
	struct waiter *waiter;
	bool is_undo; /* copies are deleted */
	struct s3_delete deletes[S3_DELETE_MAX];
	struct moved *moved[S3_DELETE_MAX]; /* whose they are */
	size_t count;
	char *keys[S3_DELETE_MAX]; /* owned: of copies */
	size_t key_count;
	bool is_changed; /* there is another version of one */
	int err;         /* the first that stays */
};

/* Note that ${moved} is gone, or is another's now: -ESTALE. */
static void
take_end(struct batch *b, struct moved *moved, int err)
{
	if (err == -ESTALE)
		b->is_changed = true;
	if (b->is_undo)
		return;
	moved->state = err == -ESTALE ? MOVED_CHANGED : MOVED_DELETED;
	mover_count_deleted(b->mover);
}

/* Whether a key is done with: gone, or another's.  That is asked once more. */
static bool
is_over(int err, bool is_last)
{
	return err == 0 || err == -ENOENT || (err == -ESTALE && is_last);
}

/* What is to be tried again stays in the batch. */
static void
take_results(struct batch *b, int r, bool is_last)
{
	size_t left = 0;

	for (size_t i = 0; i < b->count; i++) {
		struct s3_delete *d = &b->deletes[i];
		int err = r < 0 ? r : d->err;

		if (is_over(err, is_last)) {
			take_end(b, b->moved[i], err);
		} else if (!is_last && err != -EACCES && err != -EINTR) {
			b->moved[left] = b->moved[i];
			b->deletes[left++] = *d;
		} else if (b->err == 0) {
			b->err = err;
		}
	}
	b->count = left;
}

static void
flush(struct batch *b)
{
	for (int i = 0; i < DELETE_TRIES && b->count > 0; i++) {
		struct s3_call call;
		int r;

		s3_call_init(&call, S3_DELETE_OBJECTS);
		call.deletes = b->deletes;
		call.deletes_count = b->count;
		/* The result is there. */
		(void)s3_run(b->mover->cache->s3, &call, b->waiter);
		r = trouble_errno(&call);
		s3_call_fini(&call);
		take_results(b, r, i + 1 == DELETE_TRIES);
	}
	for (size_t i = 0; i < b->key_count; i++)
		free(b->keys[i]);
	b->key_count = 0;
	b->count = 0;
}

static void
add(struct batch *b, struct moved *moved, const char *key, const char *etag)
{
	b->moved[b->count] = moved;
	b->deletes[b->count++] =
	    (struct s3_delete){ .key = key, .if_match = etag };
	if (b->count == S3_DELETE_MAX)
		flush(b);
}

/* ${r}, or what came of the batches. */
static int
result(const struct batch *b, int r)
{
	if (r == 0)
		r = b->err;
	return r == 0 && b->is_changed ? -ESTALE : r;
}

/* All that is below m->from now. */
static int
list_now(struct mover *m, struct mover *now, struct waiter *w)
{
	AUTO_FREE char *prefix = malloc(strlen(m->from) + 2);

	/* Nothing is made of these: the same key will do. */
	mover_init(now, m->cache, m->from, m->from);
	if (prefix == NULL)
		return -ENOMEM;
	(void)stpcpy(stpcpy(prefix, m->from), "/");
	return mover_list(now, prefix, w);
}

/* Where the server does not look at ETags: leave what has another one now, as
 * one more list says. */
static int
spare_changed(struct batch *b)
{
	struct mover *m = b->mover;
	struct mover now;
	int r;

	if (probe_has(m->cache, PROBE_DELETES_MATCH, NULL) == 1)
		return 0;
	r = list_now(m, &now, b->waiter);
	for (size_t i = 0; r == 0 && i < m->count; i++) {
		const struct moved *k = mover_find(&now, m->keys[i].key);

		if (k != NULL && m->keys[i].state == MOVED_COPIED &&
		    !text_same(k->etag, m->keys[i].etag))
			take_end(b, &m->keys[i], -ESTALE);
	}
	mover_fini(&now);
	return r;
}

int
mover_delete(struct mover *m, struct waiter *w)
{
	AUTO_FREE struct batch *b = calloc(1, sizeof(*b));
	int r;

	if (b == NULL)
		return -ENOMEM;
	b->mover = m;
	b->waiter = w;
	r = spare_changed(b);
	for (size_t i = 0; r == 0 && i < m->count; i++) {
		struct moved *k = &m->keys[i];

		if (k->state == MOVED_COPIED && !k->stays)
			add(b, k, k->key, k->etag);
	}
	flush(b);
	return result(b, r);
}

/* What became of ${k}: it is not there; there as it was; or another. */
static int
look_at(struct mover *m, struct mover *now, struct moved *k)
{
	const struct moved *found = mover_find(now, k->key);
	int r;

	if (k->key[strlen(m->from)] != '/')
		r = name_is_there(m->cache, k->key, k->etag);
	else if (found == NULL)
		r = 0;
	else
		r = text_same(found->etag, k->etag) ? 1 : -ESTALE;
	if (r == 0)
		k->state = MOVED_DELETED;
	else if (r == -ESTALE)
		k->state = MOVED_CHANGED;
	return r == -ESTALE ? 0 : r;
}

bool
mover_has_changed(const struct mover *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->keys[i].state == MOVED_CHANGED)
			return true;
	return false;
}

int
mover_left(struct mover *m, struct waiter *w)
{
	struct mover now;
	int r = list_now(m, &now, w), left = 0;

	for (size_t i = 0; r == 0 && i < m->count; i++) {
		struct moved *k = &m->keys[i];

		if (k->state != MOVED_COPIED || k->stays)
			continue;
		r = look_at(m, &now, k);
		left = r > 0 ? 1 : left;
		r = r > 0 ? 0 : r;
	}
	mover_fini(&now);
	return r < 0 ? r : left;
}

int
mover_undo(struct mover *m, struct waiter *w)
{
	AUTO_FREE struct batch *b = calloc(1, sizeof(*b));
	int r = 0;

	if (b == NULL)
		return -ENOMEM;
	b->mover = m;
	b->waiter = w;
	b->is_undo = true;
	for (size_t i = 0; i < m->count; i++) {
		struct moved *k = &m->keys[i];
		bool copied = k->state == MOVED_COPIED;
		char *key;

		if ((!copied && k->state != MOVED_UNSURE) || k->may_replace)
			continue;
		key = mover_new_key(m, k->key);
		if (key == NULL) {
			r = -ENOMEM;
			continue;
		}
		b->keys[b->key_count++] = key;
		add(b, k, key, copied ? k->new_etag : k->etag);
	}
	flush(b);
	return result(b, r);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir_finish.c - one rename of a directory that was left is finished, or
 * undone.
 *
 * S3:      API_ListObjectsV2 of both names, API_DeleteObjects with ETags.
 */
#include "cache/dir_finish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/dir_journal.h"
#include "cache/mover.h"
#include "cache/name.h"
#include "cache/progress.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/text.h"

struct finish {
	struct cache *cache;
	struct waiter *waiter;
	struct dir_saved saved;
	struct mover mover; /* what the journal says */
	struct mover old;   /* what S3 has below the old name */
	struct mover new;   /* and below the new one */
	struct progress progress;
	bool is_left; /* something stays where it should not be */
};

static int
list(struct finish *f, struct mover *m, const char *prefix, const char *key)
{
	mover_init(m, f->cache, prefix, prefix);
	return mover_list(m, key, f->waiter);
}

static int
load(struct finish *f)
{
	const struct dir_saved *s = &f->saved;
	int r;

	mover_init(&f->mover, f->cache, s->from, s->to);
	f->mover.progress = &f->progress;
	r = dir_journal_load(f->cache, s->id, &f->mover);
	if (r == 0)
		r = list(f, &f->old, s->from, s->key);
	if (r == 0)
		r = list(f, &f->new, s->to, s->new_key);
	return r;
}

/* A key beside the marker: it is in neither list. */
static bool
is_beside(const struct finish *f, const struct moved *k)
{
	return k->key[strlen(f->saved.from)] != '/';
}

/* Whether ${key} is there: 1; 0; -errno. */
static int
is_there(
    struct finish *f, struct mover *m, const struct moved *k, const char *key)
{
	int r;

	if (!is_beside(f, k))
		return mover_find(m, key) != NULL;
	r = name_is_there(f->cache, key, NULL);
	return r;
}

/* ---- forward ---- */

/* What is to be deleted: all of the journal that is there under the new name.
 */
static int
finish(struct finish *f)
{
	int r = 0;

	progress_stage(&f->progress, PROGRESS_DELETING);
	for (size_t i = 0; r >= 0 && i < f->mover.count; i++) {
		struct moved *k = &f->mover.keys[i];
		AUTO_FREE char *new_key = mover_new_key(&f->mover, k->key);

		r = new_key == NULL ? -ENOMEM
				    : is_there(f, &f->new, k, new_key);
		if (r > 0)
			k->state = MOVED_COPIED;
		else if (r == 0 && mover_find(&f->old, k->key) != NULL)
			f->is_left = true;
	}
	return r < 0 ? r : mover_delete(&f->mover, f->waiter);
}

/* ---- back ---- */

/* Whether the objects of both keys have the same token and size. */
static int
have_one_token(struct finish *f, const char *key, const char *new_key)
{
	struct name_look a = { 0 }, b = { 0 };
	int r = name_look(f->cache, key, &a);

	if (r == 0)
		r = name_look(f->cache, new_key, &b);
	if (r == 0)
		r = a.token != NULL && text_same(a.token, b.token) &&
		    a.size == b.size;
	name_look_fini(&a);
	name_look_fini(&b);
	return r == -ENOENT ? 0 : r;
}

/* Whether ${copy} is one of ${original}, both as they are listed now. */
static int
is_copy(struct finish *f, const struct moved *k, const struct moved *original,
    const struct moved *copy)
{
	if (copy->etag == NULL)
		return 0;
	if (text_same(copy->etag, k->new_etag) ||
	    text_same(copy->etag, k->etag) ||
	    (copy->size == original->size &&
		text_same(copy->etag, original->etag)))
		return 1;
	return have_one_token(f, original->key, copy->key);
}

/* If the copy of ${k} is there, and may go, it is marked so. */
static int
look_at_copy(struct finish *f, struct moved *k, const char *new_key)
{
	struct moved *copy = mover_find(&f->new, new_key);
	const struct moved *original = mover_find(&f->old, k->key);
	int r;

	if (copy == NULL)
		return 0;
	r = original == NULL ? 0 : is_copy(f, k, original, copy);
	if (r < 0)
		return r;
	if (r == 0) {
		f->is_left = true;
		return 0;
	}
	k->state = MOVED_COPIED;
	free(k->new_etag);
	k->new_etag = TAKE(copy->etag);
	return 0;
}

/* Likewise, of one that is in no list. */
static int
look_beside(struct finish *f, struct moved *k, const char *new_key)
{
	int r = name_is_there(f->cache, k->key, NULL);

	if (r <= 0)
		return r;
	if (k->new_etag == NULL)
		k->new_etag = text_copy(k->etag);
	r = name_is_there(f->cache, new_key, k->new_etag);
	if (r == 1 && k->new_etag != NULL)
		k->state = MOVED_COPIED;
	return r == -ESTALE || r > 0 ? 0 : r;
}

/* A name that was not in the journal is somebody else's. */
static void
look_for_others(struct finish *f)
{
	for (size_t i = 0; i < f->new.count && !f->is_left; i++) {
		const char *rest = f->new.keys[i].key + strlen(f->saved.to);
		AUTO_FREE char *key = NULL;

		if (asprintf(&key, "%s%s", f->saved.from, rest) < 0)
			key = NULL;
		f->is_left = key == NULL || mover_find(&f->mover, key) == NULL;
	}
}

static int
undo(struct finish *f)
{
	int r = 0;

	progress_stage(&f->progress, PROGRESS_UNDOING);
	look_for_others(f);
	for (size_t i = 0; r == 0 && i < f->mover.count; i++) {
		struct moved *k = &f->mover.keys[i];
		AUTO_FREE char *new_key = mover_new_key(&f->mover, k->key);

		if (k->may_replace)
			continue;
		if (new_key == NULL)
			r = -ENOMEM;
		else if (is_beside(f, k))
			r = look_beside(f, k, new_key);
		else
			r = look_at_copy(f, k, new_key);
	}
	return r < 0 ? r : mover_undo(&f->mover, f->waiter);
}

/* ---- the end ---- */

bool
dir_finish_later(int err)
{
	switch (-err) {
	case EIO:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case EBUSY:
	case EINTR:
	case ENOMEM:
		return true;
	default:
		return false;
	}
}

static void
say(const struct finish *f, int r)
{
	const struct dir_saved *s = &f->saved;

	if (r < 0 || f->is_left)
		log_warn("the rename of '%s' to '%s' was interrupted and is "
			 "%s, but not all could be deleted below '%s'%s%s: "
			 "look at what is there",
		    s->key, s->new_key, s->is_committed ? "finished" : "undone",
		    s->is_committed ? s->key : s->new_key, r < 0 ? ": " : "",
		    r < 0 ? strerror(-r) : "");
	else
		log_info("the rename of '%s' to '%s' was interrupted and is %s",
		    s->key, s->new_key,
		    s->is_committed ? "finished" : "undone");
}

int
dir_finish(struct cache *c, uint64_t id, struct waiter *w)
{
	struct finish f = { .cache = c, .waiter = w };
	int r = dir_journal_get(c, id, &f.saved);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	progress_begin(&c->progresses, &f.progress, f.saved.from, f.saved.to);
	r = load(&f);
	if (r == 0)
		r = f.saved.is_committed ? finish(&f) : undo(&f);
	if (r == -ESTALE) { /* another's: it shows */
		f.is_left = true;
		r = 0;
	}
	if (r == 0 || !dir_finish_later(r)) {
		say(&f, r);
		dir_journal_end(c, id, f.saved.hidden, f.is_left ? -EEXIST : r);
		r = 0;
	}
	progress_end(&c->progresses, &f.progress);
	mover_fini(&f.mover);
	mover_fini(&f.old);
	mover_fini(&f.new);
	dir_saved_fini(&f.saved);
	return r;
}

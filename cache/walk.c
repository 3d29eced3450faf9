/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.c - a walk of the tree is recognised and listed flat.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/line.h"
#include "cache/observe.h"
#include "cache/pager.h"
#include "cache/path.h"
#include "cache/walk.h"
#include "s3/base/cleanup.h"
#include "s3/base/lock.h"

#define TURNS      8 /* parents whose children are followed */
#define DESCENTS   2 /* one after the other, of who goes down the tree */
#define LEVELS_MAX (S3_KEY_MAX + 1)

/* The last child of ${parent} that was listed. */
struct turn {
	uint64_t parent;
	uint64_t last;
	uint64_t used;
};

/* A directory that the position lies in. */
struct level {
	uint64_t id;       /* 0: not visible: what is in it is passed over */
	size_t prefix_len; /* its prefix is that much of the position */
	int64_t sent_ms;   /* of the page on which it began */
};

struct walk {
	struct cache *cache; /* [I] */
	struct lock lock;
	bool is_busy;             /* [lock] the rest is its thread's */
	struct turn turns[TURNS]; /* [lock] */
	uint64_t clock;           /* [lock] */
	uint64_t last;            /* [lock] id of the directory listed last */
	unsigned descents;        /* [lock] by which one came to it */
	struct pager *pager;      /* owned; NULL: no walk */
	char *base_prefix;        /* owned */
	bool is_base_known;       /* it was listed, and is believed */
	struct buf position;      /* the last key taken */
	struct level *levels;     /* owned; [0] is the base */
	size_t level_count;
	size_t level_size;
	bool is_nested; /* the last page had directories below dir's own */
};

int
walk_new(struct cache *c, struct walk **ret)
{
	struct walk *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return -ENOMEM;
	k->cache = c;
	lock_init(&k->lock);
	buf_init(&k->position, S3_KEY_MAX);
	*ret = k;
	return 0;
}

/* Forget the walk; the turns stay. */
static void
drop(struct walk *k)
{
	pager_free(k->pager);
	free(k->base_prefix);
	k->pager = NULL;
	k->base_prefix = NULL;
	k->level_count = 0;
	buf_clear(&k->position);
}

void
walk_free(struct walk *k)
{
	if (k == NULL)
		return;
	drop(k);
	buf_fini(&k->position);
	free(k->levels);
	lock_fini(&k->lock);
	free(k);
}

/* Note that ${dir} is listed; whether a sibling before it was. */
static bool
take_turn_locked(struct walk *k, const struct row *dir)
{
	struct turn *oldest = &k->turns[0];

	k->clock++;
	for (int i = 0; i < TURNS; i++) {
		struct turn *turn = &k->turns[i];

		if (turn->parent == dir->parent) {
			bool next = dir->id > turn->last;

			turn->last = dir->id;
			turn->used = k->clock;
			return next;
		}
		if (turn->used < oldest->used)
			oldest = turn;
	}
	*oldest = (struct turn){
		.parent = dir->parent, .last = dir->id, .used = k->clock
	};
	return false;
}

/* Note that ${dir} is listed; whether it is by one who goes down the tree. */
static bool
take_descent_locked(struct walk *k, const struct row *dir)
{
	bool down = dir->id != CACHE_ROOT && dir->parent == k->last;

	k->descents = down ? k->descents + 1 : 0;
	k->last = dir->id;
	return k->descents >= DESCENTS;
}

static bool
has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Whether the walk will come to ${prefix}. */
static bool
is_ahead(const struct walk *k, const char *prefix)
{
	return k->pager != NULL && has_prefix(prefix, k->base_prefix) &&
	       strcmp(prefix, k->base_prefix) != 0 &&
	       (strcmp(buf_str(&k->position), prefix) < 0 ||
		   has_prefix(buf_str(&k->position), prefix));
}

static int
push(struct walk *k, uint64_t id, size_t prefix_len, int64_t sent_ms)
{
	if (k->level_count == k->level_size) {
		size_t size = k->level_size == 0 ? 8 : k->level_size * 2;
		void *p;

		if (k->level_count >= LEVELS_MAX)
			return -EIO;
		p = realloc(k->levels, size * sizeof(*k->levels));
		if (p == NULL)
			return -ENOMEM;
		k->levels = p;
		k->level_size = size;
	}
	k->levels[k->level_count++] = (struct level){
		.id = id, .prefix_len = prefix_len, .sent_ms = sent_ms
	};
	return 0;
}

/* List flat from ${prefix} on, all that is below its parent. */
static int
begin(struct walk *k, const struct row *dir, const char *prefix)
{
	size_t base_len = strlen(prefix) - strlen(dir->name) - 1;
	AUTO_FREE char *start_after = strndup(prefix, strlen(prefix) - 1);
	AUTO(row_fini) struct row base = { 0 };
	int r = db_row_by_id(k->cache->db, dir->parent, &base);

	drop(k);
	if (r < 0)
		return r;
	k->is_base_known = cache_is_fresh(k->cache, base.listed_ms);
	k->base_prefix = strndup(prefix, base_len);
	if (k->base_prefix == NULL || start_after == NULL)
		return -ENOMEM;
	r = pager_new(
	    k->cache->s3, k->base_prefix, false, start_after, &k->pager);
	if (r == 0)
		r = push(k, dir->parent, base_len, 0);
	return r;
}

/* Directories that end before ${key} are whole. */
static int
pop(struct walk *k, struct observe *o, const char *key)
{
	int r = 0;

	while (r == 0 && k->level_count > 1) {
		const struct level *level = &k->levels[k->level_count - 1];

		if (key != NULL &&
		    strncmp(key, buf_str(&k->position), level->prefix_len) == 0)
			break;
		if (level->id != 0)
			r = observe_listed(o, level->id, level->sent_ms);
		k->level_count--;
	}
	return r;
}

/*
 * Go down into the directory that ${path} is, towards ${listed}, its first
 * key.  Its marker would come before all others, and need not be asked for.
 */
static int
descend(struct walk *k, struct observe *o, const struct path *path,
    const struct s3_listed *listed, int64_t sent_ms)
{
	const struct level *level = &k->levels[k->level_count - 1];
	size_t prefix_len = level->prefix_len + path->name_len + 1;
	char name[CACHE_NAME_MAX + 1];
	uint64_t id = 0;
	int r = 0;

	memcpy(name, path->name, path->name_len);
	name[path->name_len] = '\0';
	if (level->id != 0)
		r = observe_dir(o, level->id, name, sent_ms, &id);
	if (r == 0 && id != 0 && listed->key_len > prefix_len &&
	    k->cache->config.attrs == CACHE_ATTRS_POSIX)
		r = observe_marker(o, id, NULL, sent_ms);
	if (r == 0)
		r = push(k, id, prefix_len, sent_ms);
	return r;
}

/* One key: down to its directory, and in. */
static int
take_key(struct walk *k, struct observe *o, const struct s3_listed *listed,
    int64_t sent_ms)
{
	bool hidden = false;
	int r;

	if (!has_prefix(listed->key, k->base_prefix) ||
	    strcmp(listed->key, buf_str(&k->position)) <= 0)
		return -EPROTO; /* not asked for, or not in order */
	r = pop(k, o, listed->key);
	buf_clear(&k->position);
	if (r == 0)
		r = buf_add_str(&k->position, listed->key);
	while (r == 0) {
		struct level level = k->levels[k->level_count - 1];
		char prefix[S3_KEY_MAX + 1];
		struct path path;

		memcpy(prefix, listed->key, level.prefix_len);
		prefix[level.prefix_len] = '\0';
		path_classify(prefix, level.id == CACHE_ROOT, listed, &path);
		if (path.kind == PATH_DIRECTORY) {
			r = descend(k, o, &path, listed, sent_ms);
			continue;
		}
		/* Not visible; or nothing that is new. */
		if (level.id == 0 || (k->level_count == 1 && k->is_base_known))
			return 0;
		r = line_observe(o, level.id, listed, &path, sent_ms, &hidden);
		/* By a directory that is alive, or not any more? */
		return r == 0 && hidden ? -EPROTO : r;
	}
	return r;
}

/* Take the next page in; -EPROTO: the order is not the keys'; -EAGAIN: they
 * were renamed. */
static int
take_page(struct walk *k, struct waiter *w, const char *prefix)
{
	const struct row base = { .id = k->levels[0].id };
	const struct s3_page *page;
	struct observe o;
	int64_t sent_ms = 0;
	int r;

	r = pager_next(k->pager, w, &page, &sent_ms);
	if (r < 0)
		return r;
	sent_ms = cache_ms(k->cache, sent_ms);
	r = observe_begin_at(k->cache, &base, k->base_prefix, &o);
	if (r < 0)
		return r;
	k->is_nested = false;
	for (size_t i = 0; r == 0 && page != NULL && i < page->count; i++) {
		const char *key = page->entries[i].key;

		r = take_key(k, &o, &page->entries[i], sent_ms);
		if (has_prefix(key, prefix) &&
		    strchr(key + strlen(prefix), '/') != NULL)
			k->is_nested = true;
	}
	if (r == 0 && page == NULL)
		r = pop(k, &o, NULL);
	r = observe_end(&o, r);
	return r == 0 && page == NULL ? 1 : r;
}

/* Go on until ${dir} is whole.  1, 0 (give up), or -errno. */
static int
advance(
    struct walk *k, const struct row *dir, const char *prefix, struct waiter *w)
{
	int over = 0;

	for (int pages = 0;; pages++) {
		AUTO(row_fini) struct row now = { 0 };
		int r = db_row_by_id(k->cache->db, dir->id, &now);

		if (r == -ENOENT)
			return 0;
		if (r < 0)
			return r;
		if (cache_is_fresh(k->cache, now.listed_ms))
			return 1;
		/* It did not come, is too far away, or does not pay. */
		if (over != 0 || !is_ahead(k, prefix) ||
		    (pages > 0 && k->is_nested) ||
		    (pages > 0 && !has_prefix(buf_str(&k->position), prefix)))
			return 0;
		over = take_page(k, w, prefix);
		if (over < 0)
			return over;
	}
}

/* 1 done, 0 not, -errno.  What is only a guess costs one page where it is
 * wrong. */
static int
list(struct walk *k, const struct row *dir, const char *prefix, bool is_guess,
    struct waiter *w)
{
	bool begins = !is_ahead(k, prefix);
	int r = begins ? begin(k, dir, prefix) : 0;

	if (r == 0 && begins && is_guess)
		pager_hold(k->pager);
	if (r == 0)
		r = advance(k, dir, prefix, w);
	if (r == 1 && !k->is_nested)
		pager_let_go(k->pager);
	return r;
}

int
walk_list(
    struct walk *k, const struct row *dir, const char *prefix, struct waiter *w)
{
	bool is_down, is_next = false;
	int r;

	lock_take(&k->lock);
	is_down = take_descent_locked(k, dir);
	if (dir->id != CACHE_ROOT)
		is_next = take_turn_locked(k, dir);
	if (k->is_busy || (!is_down && !is_next)) {
		lock_drop(&k->lock);
		return 0;
	}
	k->is_busy = true;
	lock_drop(&k->lock);
	r = list(k, dir, prefix, !is_next, w);
	/* What a walk fails with, a plain listing may not. */
	if (r < 0)
		drop(k);
	lock_take(&k->lock);
	k->is_busy = false;
	lock_drop(&k->lock);
	return r == -EINTR || r == 1 ? r : 0;
}

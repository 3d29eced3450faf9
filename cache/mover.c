/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mover.c - many objects get other keys: the list, and one at a time.
 *
 * S3:      API_ListObjectsV2 without delimiter, API_DeleteObjects with ETags.
 */
#include "cache/mover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/copy.h"
#include "cache/core.h"
#include "cache/name.h"
#include "cache/pager.h"
#include "cache/probe.h"
#include "cache/trouble.h"
#include "s3/base/cleanup.h"
#include "s3/base/text.h"

#define DELETE_TRIES 2

void
mover_init(struct mover *m, struct cache *c, const char *from, const char *to)
{
	*m = (struct mover){ .cache = c, .from = from, .to = to };
}

static void
moved_fini(struct moved *k)
{
	free(k->key);
	free(k->etag);
	free(k->new_etag);
}

void
mover_fini(struct mover *m)
{
	for (size_t i = 0; i < m->count; i++)
		moved_fini(&m->keys[i]);
	free(m->keys);
	stats_sub(&m->cache->stats, STAT_MOVE_KEYS, m->told);
	stats_sub(&m->cache->stats, STAT_MOVED_KEYS, m->done);
}

char *
mover_new_key(const struct mover *m, const char *key)
{
	size_t from = strlen(m->from), to = strlen(m->to);
	char *new_key = malloc(to + strlen(key) - from + 1);

	if (new_key == NULL)
		return NULL;
	memcpy(new_key, m->to, to);
	memcpy(new_key + to, key + from, strlen(key) - from + 1);
	return new_key;
}

/* ---- the list ---- */

static int
by_key(const void *a, const void *b)
{
	const struct moved *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static int
grow(struct mover *m)
{
	size_t size = m->size == 0 ? 64 : m->size * 2;
	void *p;

	if (m->count < m->size)
		return 0;
	p = reallocarray(m->keys, size, sizeof(*m->keys));
	if (p == NULL)
		return -ENOMEM;
	m->keys = p;
	m->size = size;
	return 0;
}

static int
append(struct mover *m, const char *key, const char *etag, uint64_t size)
{
	struct moved k = { .size = size };
	bool has_etag = etag != NULL && etag[0] != '\0';

	if (strlen(key) - strlen(m->from) + strlen(m->to) > S3_KEY_MAX)
		return -ENAMETOOLONG;
	if (grow(m) < 0)
		return -ENOMEM;
	k.key = strdup(key);
	k.etag = has_etag ? strdup(etag) : NULL;
	if (k.key == NULL || (has_etag && k.etag == NULL)) {
		moved_fini(&k);
		return -ENOMEM;
	}
	m->keys[m->count++] = k;
	m->told++;
	stats_add(&m->cache->stats, STAT_MOVE_KEYS, 1);
	return 0;
}

static int
take_page(struct mover *m, const struct s3_page *page)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < page->count; i++) {
		const struct s3_listed *l = &page->entries[i];

		if (strlen(l->key) != l->key_len ||
		    strncmp(l->key, m->from, strlen(m->from)) != 0)
			return -EIO; /* not asked for, or no text */
		r = append(m, l->key, l->etag, l->size);
	}
	return r;
}

static void
sort(struct mover *m)
{
	if (m->count > 1)
		qsort(m->keys, m->count, sizeof(*m->keys), by_key);
}

int
mover_list(struct mover *m, const char *prefix, struct waiter *w)
{
	struct pager *pager;
	int r;

	r = pager_new(m->cache->s3, prefix, false, NULL, &pager);
	if (r < 0)
		return r;
	for (;;) {
		const struct s3_page *page;
		int64_t sent_ms;

		r = pager_next(pager, w, &page, &sent_ms);
		if (r < 0 || page == NULL)
			break;
		r = take_page(m, page);
		if (r < 0)
			break;
	}
	pager_free(pager);
	sort(m);
	return r;
}

int
mover_add(struct mover *m, const char *key, const char *etag, uint64_t size)
{
	int r = append(m, key, etag, size);

	sort(m);
	return r;
}

struct moved *
mover_find(struct mover *m, const char *key)
{
	struct moved want = { .key = (char *)(uintptr_t)key };

	if (m->count == 0)
		return NULL;
	return bsearch(&want, m->keys, m->count, sizeof(*m->keys), by_key);
}

/* ---- one object, anew ---- */

static int
head(struct mover *m, const char *key, struct waiter *w, struct s3_call *call)
{
	s3_call_init(call, S3_HEAD_OBJECT);
	call->key = key;
	(void)s3_run(m->cache->s3, call, w); /* the result is there */
	return trouble_errno(call);
}

/* The original is gone: so shall the copy be. */
static int
drop(struct mover *m, struct moved *k, struct waiter *w)
{
	AUTO_FREE char *new_key = mover_new_key(m, k->key);
	int r = 0;

	if (new_key == NULL)
		return -ENOMEM;
	if (k->state == MOVED_COPIED && !k->may_replace)
		r = name_delete(m->cache, new_key, k->new_etag, w);
	if (r == 0)
		k->state = MOVED_GONE;
	return r;
}

/* A copy was sent and not answered: is it there? */
static int
settle(struct mover *m, struct moved *k, const char *new_key, struct waiter *w)
{
	struct s3_call call;
	int r = head(m, new_key, w, &call);

	if (r == -ENOENT)
		k->state = MOVED_LISTED;
	else if (r == 0 && text_same(call.object.etag, k->etag) &&
		 call.object.size == k->size)
		mover_copied(m, k, &call.object);
	else if (r == 0)
		r = -ESTALE;
	s3_call_fini(&call);
	return r == -ENOENT ? 0 : r;
}

static int
copy_again(struct mover *m, struct moved *k, struct waiter *w)
{
	AUTO_FREE char *new_key = mover_new_key(m, k->key);
	struct copy_result made = { 0 };
	struct copy what = { .source_key = k->key,
		.source_etag = k->etag,
		.size = k->size,
		.key = new_key };
	int r = new_key == NULL ? -ENOMEM : 0;

	if (r == 0 && k->state == MOVED_UNSURE)
		r = settle(m, k, new_key, w);
	what.if_match = k->state == MOVED_COPIED ? k->new_etag : NULL;
	what.if_absent = k->state != MOVED_COPIED && !k->may_replace;
	if (r == 0)
		r = name_copy(m->cache, &what, w, &made);
	if (r == 0) {
		struct s3_object object = { .etag = made.etag };

		mover_copied(m, k, &object);
	} else if (made.unsure) {
		k->state = MOVED_UNSURE;
	}
	copy_result_fini(&made);
	return r;
}

/* A directory's marker, which is all metadata. */
static bool
is_marker(const struct moved *k)
{
	return k->size == 0 && k->key[strlen(k->key) - 1] == '/';
}

/* Some servers do not copy those (versitygw: DirectoryObjectContainsData):
 * ${object} is stored anew under the new key. */
static int
put_marker(struct mover *m, struct moved *k, const struct s3_object *object,
    struct waiter *w)
{
	AUTO_FREE char *key = mover_new_key(m, k->key);
	struct s3_call call;
	int r;

	if (key == NULL)
		return -ENOMEM;
	s3_call_init(&call, S3_PUT_OBJECT);
	call.key = key;
	call.content_type = object->content_type;
	call.meta = object->meta;
	call.meta_count = object->meta_count;
	call.has_crc32c = true;               /* of nothing: 0 */
	(void)s3_run(m->cache->s3, &call, w); /* the result is there */
	r = trouble_errno(&call);
	if (r == 0)
		mover_copied(m, k, &call.object);
	s3_call_fini(&call);
	return r;
}

int
mover_again(struct mover *m, struct moved *k, struct waiter *w)
{
	struct s3_call call;
	int r = head(m, k->key, w, &call);

	if (r == 0) {
		free(k->etag);
		k->etag = TAKE(call.object.etag);
		k->size = call.object.size;
	}
	if (r == 0 && is_marker(k))
		r = put_marker(m, k, &call.object, w);
	else if (r == 0)
		r = copy_again(m, k, w);
	s3_call_fini(&call);
	return r == -ENOENT ? drop(m, k, w) : r;
}

int
mover_refresh(struct mover *m, const char *key, struct waiter *w)
{
	struct moved *k = mover_find(m, key);
	int r;

	if (k == NULL) {
		r = mover_add(m, key, NULL, 0);
		if (r < 0)
			return r;
		k = mover_find(m, key);
	}
	return mover_again(m, k, w);
}

/* ---- deletes ---- */

/* Up to S3_DELETE_MAX keys. */
struct batch {
	struct mover *mover;
	struct s3_delete deletes[S3_DELETE_MAX];
	size_t count;
	char *keys[S3_DELETE_MAX]; /* owned: of copies */
	size_t key_count;
	int err; /* the first that stays */
};

/* What is to be tried again stays in the batch. */
static void
take_results(struct batch *b, int r, bool is_last)
{
	size_t left = 0;

	for (size_t i = 0; i < b->count; i++) {
		struct s3_delete *d = &b->deletes[i];
		int err = r < 0 ? r : d->err;

		if (err == 0 || err == -ENOENT)
			continue;
		if (!is_last && err != -ESTALE && err != -EACCES)
			b->deletes[left++] = *d;
		else if (b->err == 0)
			b->err = err;
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
		(void)s3_run(b->mover->cache->s3, &call, NULL); /* as below */
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
add(struct batch *b, const char *key, const char *etag)
{
	b->deletes[b->count++] =
	    (struct s3_delete){ .key = key, .if_match = etag };
	if (b->count == S3_DELETE_MAX)
		flush(b);
}

/* Where the server does not look at ETags: leave what has another one now, as
 * one more list says. */
static int
spare_changed(struct mover *m)
{
	AUTO_FREE char *prefix = NULL;
	struct mover now;
	int r;

	if (probe_has(m->cache, PROBE_DELETES_MATCH, NULL) == 1)
		return 0;
	prefix = malloc(strlen(m->from) + 2);
	if (prefix == NULL)
		return -ENOMEM;
	(void)stpcpy(stpcpy(prefix, m->from), "/");
	/* Nothing is made of these: the same key will do. */
	mover_init(&now, m->cache, m->from, m->from);
	r = mover_list(&now, prefix, NULL);
	for (size_t i = 0; r == 0 && i < m->count; i++) {
		const struct moved *k = mover_find(&now, m->keys[i].key);

		if (k != NULL && !text_same(k->etag, m->keys[i].etag))
			m->keys[i].state = MOVED_GONE;
	}
	mover_fini(&now);
	return r;
}

int
mover_delete(struct mover *m)
{
	AUTO_FREE struct batch *b = calloc(1, sizeof(*b));
	int r;

	if (b == NULL)
		return -ENOMEM;
	b->mover = m;
	r = spare_changed(m);
	for (size_t i = 0; r == 0 && i < m->count; i++) {
		if (m->keys[i].state == MOVED_COPIED)
			add(b, m->keys[i].key, m->keys[i].etag);
	}
	flush(b);
	return r < 0 ? r : b->err;
}

int
mover_undo(struct mover *m)
{
	AUTO_FREE struct batch *b = calloc(1, sizeof(*b));
	int r = 0;

	if (b == NULL)
		return -ENOMEM;
	b->mover = m;
	for (size_t i = 0; i < m->count; i++) {
		const struct moved *k = &m->keys[i];
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
		add(b, key, copied ? k->new_etag : k->etag);
	}
	flush(b);
	return r < 0 ? r : b->err;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mover.c - many objects get other keys: the list, and one at a time.
 *
 * S3:      API_ListObjectsV2 without delimiter.
 */
#include "cache/mover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/copy.h"
#include "cache/core.h"
#include "cache/name.h"
#include "cache/pager.h"
#include "cache/trouble.h"
#include "s3/base/cleanup.h"
#include "s3/base/text.h"

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
}

static void
count_one(_Atomic uint64_t *n)
{
	atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

void
mover_count_deleted(struct mover *m)
{
	if (m->progress != NULL)
		count_one(&m->progress->deleted);
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

int
mover_append(struct mover *m, const char *key, const char *etag, uint64_t size)
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
	if (m->progress != NULL)
		count_one(&m->progress->all);
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
		r = mover_append(m, l->key, l->etag, l->size);
		if (r == 0)
			m->keys[m->count - 1].was_ns = l->modified_ns;
	}
	return r;
}

void
mover_sort(struct mover *m)
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
	mover_sort(m);
	return r;
}

int
mover_add(struct mover *m, const char *key, const char *etag, uint64_t size)
{
	int r = mover_append(m, key, etag, size);

	mover_sort(m);
	return r;
}

/* The one of ${key} among the first ${count}, or NULL. */
static struct moved *
find_among(struct mover *m, size_t count, const char *key)
{
	struct moved want = { .key = (char *)(uintptr_t)key };

	if (count == 0)
		return NULL;
	return bsearch(&want, m->keys, count, sizeof(*m->keys), by_key);
}

struct moved *
mover_find(struct mover *m, const char *key)
{
	return find_among(m, m->count, key);
}

/* ---- the way back ---- */

/* One of the copies: how it gets the key back that it had. */
static int
reverse_one(const struct mover *m, const struct moved *k, struct mover *ret)
{
	AUTO_FREE char *key = mover_new_key(m, k->key);
	struct moved *back;
	int r;

	if (key == NULL)
		return -ENOMEM;
	r = mover_append(ret, key, k->new_etag, k->size);
	if (r < 0)
		return r;
	back = &ret->keys[ret->count - 1];
	back->was_ns = k->modified_ns;
	back->stays = k->may_replace;
	if (k->state == MOVED_DELETED)
		return 0;
	back->state = MOVED_COPIED;
	back->may_replace = true;
	back->modified_ns = k->was_ns;
	back->new_etag = text_copy(k->etag);
	return k->etag != NULL && back->new_etag == NULL ? -ENOMEM : 0;
}

int
mover_reverse(const struct mover *m, struct mover *ret)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->count; i++) {
		const struct moved *k = &m->keys[i];

		if (k->state == MOVED_COPIED || k->state == MOVED_DELETED ||
		    k->state == MOVED_CHANGED)
			r = reverse_one(m, k, ret);
	}
	mover_sort(ret);
	ret->is_free = true;
	return r;
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

/* Whether ${object} is one of the same version as the original is now: a server
 * may look at one version and copy the next. */
static int
is_as_original(struct mover *m, const struct moved *k,
    const struct s3_object *object, struct waiter *w)
{
	struct s3_call call;
	int r = head(m, k->key, w, &call);

	if (r == 0)
		r = object->etag != NULL &&
		    text_same(object->etag, call.object.etag) &&
		    object->size == call.object.size;
	s3_call_fini(&call);
	return r == -ENOENT ? 0 : r;
}

/* A copy was sent and not answered: is it there? */
static int
settle(struct mover *m, struct moved *k, struct waiter *w)
{
	AUTO_FREE char *new_key = mover_new_key(m, k->key);
	struct s3_call call;
	int r;

	if (new_key == NULL)
		return -ENOMEM;
	r = head(m, new_key, w, &call);
	if (r == 0) {
		r = text_same(call.object.etag, k->etag) &&
		    call.object.size == k->size;
		if (r == 0)
			r = is_as_original(m, k, &call.object, w);
		if (r > 0)
			mover_copied(m, k, &call.object);
		r = r == 0 ? -ESTALE : r;
	} else if (r == -ENOENT) {
		k->state = MOVED_LISTED;
	}
	s3_call_fini(&call);
	return r < 0 && r != -ENOENT ? r : 0;
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

/* The original is as ${object} says: it is what is copied next. */
static int
take_head(struct mover *m, struct moved *k, struct s3_object *object)
{
	bool is_same = k->noted != 0 && text_same(k->etag, object->etag);

	free(k->etag);
	k->etag = TAKE(object->etag);
	k->size = object->size;
	if (is_same || m->on_change == NULL)
		return 0;
	k->is_noted = false;
	return m->on_change(m->on_change_arg, k);
}

int
mover_again(struct mover *m, struct moved *k, struct waiter *w)
{
	struct s3_call call;
	int r = 0;

	/* Of the version that was sent, which need not be there any more. */
	if (k->state == MOVED_UNSURE)
		r = settle(m, k, w);
	if (r < 0)
		return r;
	r = head(m, k->key, w, &call);
	if (r == 0)
		r = take_head(m, k, &call.object);
	if (r == 0 && is_marker(k))
		r = put_marker(m, k, &call.object, w);
	else if (r == 0)
		r = copy_again(m, k, w);
	s3_call_fini(&call);
	return r == -ENOENT ? drop(m, k, w) : r;
}

/* Those of ${keys} that are not among the objects yet are. */
static int
add_new(struct mover *m, char *const *keys, size_t count)
{
	size_t listed = m->count;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (find_among(m, listed, keys[i]) == NULL)
			r = mover_append(m, keys[i], NULL, 0);
	}
	if (m->count > listed)
		mover_sort(m);
	return r;
}

int
mover_refresh(
    struct mover *m, char *const *keys, size_t count, struct waiter *w)
{
	int r = add_new(m, keys, count);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = mover_again(m, mover_find(m, keys[i]), w);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * direct.c - bytes of an entry in memory, past the chunk file.
 */
#include "cache/direct.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/entry.h"
#include "cache/name.h"
#include "cache/trouble.h"
#include "cache/verify.h"
#include "s3/base/log.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

#define SAY_MS 60000 /* the log is told that often */

/* One that is to be sent, if it must be: a part of a file of a TiB. */
#define SEND_MAX ((size_t)128 << 20)

struct direct {
	struct cache *cache; /* [I] */
	uint64_t total;      /* [I] bytes for windows */
	struct lock lock;    /* a leaf */
	uint64_t used;       /* [lock] of them */
	int64_t said_ms;     /* [lock] monotonic; 0: never */
	struct list waiters; /* [lock] */
};

int
direct_new(struct cache *c, struct direct **ret)
{
	struct direct *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return -ENOMEM;
	d->cache = c;
	d->total = c->config.memory / 4;
	lock_init(&d->lock);
	list_init(&d->waiters);
	*ret = d;
	return 0;
}

void
direct_free(struct direct *d)
{
	if (d == NULL)
		return;
	lock_fini(&d->lock);
	free(d);
}

/* Whether the log is to be told now.  The lock is held. */
static bool
is_news(struct direct *d)
{
	int64_t now = clock_mono_ms(d->cache->clock);

	if (d->said_ms != 0 && now - d->said_ms < SAY_MS)
		return false;
	d->said_ms = now == 0 ? 1 : now;
	return true;
}

/* Wait until there is room for ${len} more bytes.  The lock is held. */
static int
wait_locked(struct direct *d, size_t len, struct waiter *w)
{
	int r = 0;

	/* One that is larger than all of it goes alone. */
	while (r == 0 && d->used > 0 && d->used + len > d->total)
		r = waiter_wait_in(w, &d->waiters, &d->lock);
	return r;
}

int
direct_take(struct direct *d, size_t len, struct waiter *w, uint8_t **ret)
{
	struct waiter own;
	bool news;
	int r;

	if (len > 2 * d->total && (w != NULL || len > SEND_MAX))
		return -ENOSPC;
	waiter_init(&own);
	lock_take(&d->lock);
	news = is_news(d);
	r = wait_locked(d, len, w == NULL ? &own : w);
	if (r == 0)
		d->used += len;
	lock_drop(&d->lock);
	waiter_fini(&own);
	if (news)
		log_warn("no room in the cache folder: bytes go past it; raise "
			 "cache_size=, lower free_space=, or free some disk");
	if (r < 0)
		return r;
	*ret = malloc(len);
	if (*ret != NULL)
		return 0;
	direct_put(d, NULL, len);
	return -ENOMEM;
}

void
direct_put(struct direct *d, uint8_t *data, size_t len)
{
	free(data);
	lock_take(&d->lock);
	d->used -= len;
	waiter_wake_all(&d->waiters);
	lock_drop(&d->lock);
}

/* ---- from S3 ---- */

/* A GET on its way into memory. */
struct ask {
	struct entry *entry;
	uint64_t off;
	uint64_t end;
	uint8_t *to;
	char *key;        /* owned; as in struct fetch */
	char *etag;       /* owned */
	char *version_id; /* owned */
	bool by_version;
	struct s3_call call;
};

/* What the entry's bytes are to be asked for by. */
static int
name_version(struct ask *a)
{
	struct entry *e = a->entry;
	int r;

	lock_take(&e->lock);
	r = e->lost < 0 ? e->lost : text_replace(&a->key, entry_base_key(e));
	if (r == 0)
		r = text_replace(&a->etag, entry_base_etag(e));
	if (r == 0)
		r = text_replace(
		    &a->version_id, e->base_key == NULL ? e->version_id : NULL);
	lock_drop(&e->lock);
	return r;
}

/* Where there is no ETag to ask with, size and time must do. */
static bool
is_ours(const struct ask *a)
{
	const struct s3_object *o = &a->call.object;
	const struct entry *e = a->entry;
	bool is_named = a->etag != NULL || a->by_version;

	if (e->object_size == ENTRY_SIZE_UNKNOWN)
		return is_named;
	return o->size == e->object_size &&
	       (is_named || o->modified_ns == e->modified_ns);
}

/* On the net thread. */
static int
on_bytes(void *arg, uint64_t off, const void *data, size_t len)
{
	struct ask *a = arg;

	if (!is_ours(a))
		return -ESTALE;
	if (off < a->off || off + len > a->end)
		return -EIO;
	memcpy(a->to + (off - a->off), data, len);
	return 0;
}

static int
ask_once(struct ask *a, struct waiter *w)
{
	struct cache *c = a->entry->cache;
	int r;

	s3_call_init(&a->call, S3_GET_OBJECT);
	a->call.key = a->key;
	a->call.if_match = a->etag;
	if (a->by_version)
		a->call.version_id = a->version_id;
	a->call.off = a->off;
	a->call.len = a->end - a->off;
	a->call.sink = on_bytes;
	a->call.arg = a;
	(void)s3_run(c->s3, &a->call, w); /* the result is there */
	r = trouble_errno(&a->call);
	if (r == 0 && a->call.received < a->end - a->off)
		r = -EIO;
	s3_call_fini(&a->call);
	return r == -ENOENT || r == -ERANGE ? -ESTALE : r;
}

/* The version was not there.  Returns: -EAGAIN ask again; -ESTALE. */
static int
look_again(struct ask *a)
{
	struct entry *e = a->entry;
	const char *key, *etag;
	bool same;

	lock_take(&e->lock);
	key = entry_base_key(e);
	etag = entry_base_etag(e);
	same = strcmp(a->key, key) == 0 && text_same(a->etag, etag);
	lock_drop(&e->lock);
	/* Our own hand gave it another name or ETag, or is about to. */
	if (!same || keylock_is_sending(&e->cache->keylocks, a->key))
		return -EAGAIN;
	if (a->version_id != NULL && !a->by_version) {
		a->by_version = true;
		return -EAGAIN;
	}
	lock_take(&e->lock);
	e->lost = -ESTALE;
	lock_drop(&e->lock);
	/* Who opens it now looks again, and gets the new version. */
	if (name_doubt_node(e->cache, e->node) < 0)
		log_debug("node=%" PRIu64 " is believed still", e->node);
	return -ESTALE;
}

static int
get(struct entry *e, const struct range *want, struct waiter *w, uint8_t *to)
{
	struct ask a = {
		.entry = e, .off = want->off, .end = want->end, .to = to
	};
	int r = -EAGAIN;

	while (r == -EAGAIN) {
		r = name_version(&a);
		if (r == 0)
			r = ask_once(&a, w);
		if (r == -ESTALE)
			r = look_again(&a);
	}
	free(a.key);
	free(a.etag);
	free(a.version_id);
	return r;
}

/* ---- both ---- */

/* What begins at ${off}: a share of a block that is here, kept from eviction
 * by ${keep}; or a gap. */
static int
next_piece(
    struct entry *e, struct range *piece, struct reader *keep, bool *ret_here)
{
	uint64_t off = piece->off, gap_off, gap_end;
	int r;

	if (piece->end > e->size)
		return -EAGAIN;
	r = verify_block_locked(e, off / CHUNK_BLOCK);
	if (r < 0 && r != -EAGAIN)
		return r;
	*ret_here = !rangeset_next_gap(
	    &e->chunk.present, off, piece->end, &gap_off, &gap_end);
	if (*ret_here || gap_off > off) {
		uint64_t end = chunk_block_start(off) + CHUNK_BLOCK;

		*ret_here = true;
		if (gap_off > off && gap_off < end)
			end = gap_off;
		piece->end = end < piece->end ? end : piece->end;
		*keep = (struct reader){ .off = off, .end = piece->end };
		list_append(&e->readers, &keep->link);
		return 0;
	}
	/* All beyond the base is here. */
	piece->end =
	    gap_end < e->chunk.base_size ? gap_end : e->chunk.base_size;
	return piece->end > off ? 0 : -EIO;
}

/* Read what is here; -EAGAIN: it is not, any more. */
static int
read_here(struct entry *e, const struct range *piece, struct reader *keep,
    uint8_t *to)
{
	int r;

	r = chunk_read(
	    &e->chunk, piece->off, to, (size_t)(piece->end - piece->off));
	lock_take(&e->lock);
	list_remove(&keep->link);
	if (r == -EIO && e->size < piece->end)
		r = -EAGAIN; /* it was truncated meanwhile */
	else if (r < 0)
		r = verify_bad_locked(e, piece->off, piece->end, r);
	lock_drop(&e->lock);
	return r;
}

int
direct_read(struct entry *e, uint64_t off, uint64_t end, struct waiter *w,
    uint8_t *data)
{
	uint64_t at = off;
	int r = 0;

	while (r == 0 && at < end) {
		struct range piece = { at, end };
		struct reader keep;
		bool here = false;

		lock_take(&e->lock);
		r = next_piece(e, &piece, &keep, &here);
		lock_drop(&e->lock);
		if (r < 0)
			break;
		r = here ? read_here(e, &piece, &keep, data + (at - off))
			 : get(e, &piece, w, data + (at - off));
		if (r == 0)
			at = piece.end;
		else if (r == -EAGAIN && here)
			r = 0; /* look again: a gap now, or shorter */
	}
	return r;
}

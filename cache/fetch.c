/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.c - one GET on its way into a chunk file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/evict.h"
#include "cache/fetch.h"
#include "cache/trouble.h"
#include "cache/worker.h"
#include "s3/base/crc.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

struct fetch {
	struct list link;    /* [e] in entry.fetches */
	struct entry *entry; /* [I] a reference */
	uint64_t off;        /* [I] */
	uint64_t end;        /* [I] */
	uint64_t at;         /* [e] bytes below it are present */
	uint64_t pos;        /* [net] bytes below it are written */
	uint64_t reserved;   /* [net] bytes set aside and not filled */
	uint32_t crc;        /* [net] of the block at `pos', so far */
	uint32_t crcs[FETCH_HELD_MAX / CHUNK_BLOCK]; /* [net] if is_held */
	bool is_whole;       /* [I] the object is one piece, none of it local */
	bool is_held;        /* [I] present only when all is checked */
	unsigned damaged;    /* [e] answers that were, one after the other */
	bool is_sent;        /* [e] the call is in flight */
	bool was_sent;       /* [e] it has been */
	bool is_cancelled;   /* [e] */
	bool by_version;     /* [net] asked for by versionId */
	char *etag;          /* owned: the entry's when it began */
	char *version_id;    /* owned, NULL */
	struct reader range; /* [e] keeps its range from eviction */
	struct s3_call call;
	struct job job;
};

static void
fetch_free(struct fetch *f)
{
	s3_call_fini(&f->call);
	free(f->etag);
	free(f->version_id);
	free(f);
}

/* Whether nothing of the entry is local or under way. */
static bool
is_untouched(struct entry *e)
{
	for (struct list *l = e->fetches.next; l != &e->fetches; l = l->next) {
		if (!LIST_ENTRY(l, struct fetch, link)->is_cancelled)
			return false;
	}
	return rangeset_bytes(&e->chunk.present) == 0;
}

/* What to ask for, of [off, end). */
static void
choose(struct fetch *f, uint64_t off, uint64_t end)
{
	struct entry *e = f->entry;

	if (is_untouched(e)) {
		f->is_held = e->size <= FETCH_HELD_MAX;
		f->is_whole = f->is_held || (off == 0 && end == e->size);
	}
	f->off = f->is_whole ? 0 : off;
	f->end = f->is_whole ? e->size : end;
	f->at = f->off;
}

int
fetch_new(struct entry *e, uint64_t off, uint64_t end, struct fetch **ret)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	s3_call_init(&f->call, S3_GET_OBJECT);
	f->etag = e->etag == NULL ? NULL : strdup(e->etag);
	f->version_id = e->version_id == NULL ? NULL : strdup(e->version_id);
	if ((e->etag != NULL && f->etag == NULL) ||
	    (e->version_id != NULL && f->version_id == NULL)) {
		fetch_free(f);
		return -ENOMEM;
	}
	entry_hold(e);
	f->entry = e;
	choose(f, off, end);
	f->range = (struct reader){ .off = f->off, .end = f->end };
	list_append(&e->fetches, &f->link);
	list_append(&e->readers, &f->range.link);
	*ret = f;
	return 0;
}

/* Wake those who wait for bytes of [off, end); with ${err}, if not 0. */
static void
wake_locked(struct entry *e, uint64_t off, uint64_t end, int err)
{
	for (struct list *l = e->readers.next; l != &e->readers; l = l->next) {
		struct reader *r = LIST_ENTRY(l, struct reader, link);

		if (r->waiter == NULL || r->off >= end || r->end <= off)
			continue;
		if (err == 0 &&
		    !rangeset_has(&e->chunk.present, r->off, r->end))
			continue;
		if (err != 0)
			r->err = err;
		waiter_wake(r->waiter);
	}
}

/* Whether byte ${at} is where a block, or the file, ends. */
static bool
ends_block(const struct entry *e, uint64_t at)
{
	return at % CHUNK_BLOCK == 0 || at == e->size;
}

/* Count ${len} bytes at ${off} in, which are in the file. */
static int
note_locked(struct fetch *f, uint64_t off, size_t len)
{
	struct entry *e = f->entry;
	uint64_t before = rangeset_bytes(&e->chunk.present), added;
	int r;

	r = chunk_add(&e->chunk, off, len);
	if (r < 0)
		return r;
	added = rangeset_bytes(&e->chunk.present) - before;
	f->reserved -= added < f->reserved ? added : f->reserved;
	space_filled(&e->cache->space, added);
	stats_add(&e->cache->stats, STAT_FETCHED_BYTES, len);
	f->at = off + len;
	return 0;
}

/* The part of the bytes that lies in one block. */
static int
take_in_block(struct fetch *f, uint64_t off, const void *data, size_t len)
{
	struct entry *e = f->entry;
	uint64_t block = off / CHUNK_BLOCK;
	int r;

	/* A range present before is overwritten with the same bytes: the
	 * block's CRC stays right all the time. */
	r = chunk_write(&e->chunk, off, data, len);
	if (r < 0)
		return r;
	f->crc = crc32c(off % CHUNK_BLOCK == 0 ? 0 : f->crc, data, len);
	f->pos = off + len;
	if (f->is_held) {
		f->crcs[block] = f->crc;
		return 0;
	}
	lock_take(&e->lock);
	r = note_locked(f, off, len);
	if (r == 0 && ends_block(e, off + len))
		chunk_set_crc(&e->chunk, block, f->crc);
	wake_locked(e, off, off + len, 0);
	lock_drop(&e->lock);
	return r;
}

/* What was held back was found to be right, as far as it can be: show it. */
static int
show_locked(struct fetch *f)
{
	struct entry *e = f->entry;
	int r;

	if (f->pos < f->end)
		return 0; /* reader_errno() tells */
	r = note_locked(f, f->off, (size_t)(f->end - f->off));
	if (r < 0)
		return r;
	for (uint64_t b = 0; b * CHUNK_BLOCK < f->end; b++)
		chunk_set_crc(&e->chunk, b, f->crcs[b]);
	wake_locked(e, f->off, f->end, 0);
	return 0;
}

/* Where there is no ETag to ask with, size and time must do. */
static bool
is_ours(const struct fetch *f)
{
	const struct s3_object *o = &f->call.object;

	return o->size == f->entry->size &&
	       (f->etag != NULL || f->by_version ||
		   o->modified_ns == f->entry->modified_ns);
}

static bool
is_cancelled(struct fetch *f)
{
	bool cancelled;

	lock_take(&f->entry->lock);
	cancelled = f->is_cancelled;
	lock_drop(&f->entry->lock);
	return cancelled;
}

/* On the net thread. */
static int
on_bytes(void *arg, uint64_t off, const void *data, size_t len)
{
	struct fetch *f = arg;
	const uint8_t *p = data;

	/* Another may be asking for the same range already. */
	if (is_cancelled(f))
		return -ECANCELED;
	if (!is_ours(f))
		return -ESTALE;
	if (off < f->off || off + len > f->end)
		return -EIO;
	while (len > 0) {
		uint64_t room = CHUNK_BLOCK - off % CHUNK_BLOCK;
		size_t n = len < room ? len : (size_t)room;
		int r = take_in_block(f, off, p, n);

		if (r < 0)
			return r;
		p += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* What readers are told. */
static int
reader_errno(const struct fetch *f)
{
	int err = f->call.result.err;

	if (err == -ENOENT || err == -ERANGE)
		return -ESTALE; /* this version is gone */
	if (err == -ETIMEDOUT || err == -EAGAIN)
		return -EIO;
	if (err == 0 && f->at < f->end) /* the client promised all of it */
		return is_ours(f) ? -EIO : -ESTALE;
	return err;
}

static struct fetch *
fetch_of(struct job *job)
{
	return (
	    struct fetch *)(void *)((char *)job - offsetof(struct fetch, job));
}

/* Whether others read local bytes of [off, end), or fetch it. */
static bool
is_in_use(struct entry *e, uint64_t off, uint64_t end)
{
	for (struct list *l = e->readers.next; l != &e->readers; l = l->next) {
		struct reader *r = LIST_ENTRY(l, struct reader, link);

		if (r->waiter == NULL && r->off < end && r->end > off)
			return true;
	}
	return false;
}

/* On the worker: the last of a fetch. */
static void
finish(struct job *job)
{
	struct fetch *f = fetch_of(job);
	struct entry *e = f->entry;
	int err = reader_errno(f);

	(void)trouble_errno(&f->call); /* reader_errno() has seen it */
	space_release(&e->cache->space, f->reserved);
	lock_take(&e->lock);
	list_remove(&f->link);
	list_remove(&f->range.link);
	if ((f->is_cancelled && err == -ECANCELED) || err == -EINTR ||
	    (err == -ENOSPC && f->call.background && !f->was_sent))
		err = -EAGAIN; /* who still waits asks again */
	if (err == -ESTALE)
		e->lost = -ESTALE;
	if (err < 0 && f->is_whole && !is_in_use(e, f->off, f->end))
		chunk_trim(&e->chunk, f->off, f->end);
	if (err < 0)
		wake_locked(e, f->at, f->end, err);
	else
		wake_locked(e, f->off, f->end, 0);
	lock_drop(&e->lock);
	/* Who opens it now looks again, and gets the new version. */
	if (err == -ESTALE && db_row_doubt(e->cache->db, e->node) < 0)
		log_debug("node=%" PRIu64 " is believed still", e->node);
	fetch_free(f);
	evict_leave(e->cache->evict);
	entry_put(e);
}

static void submit_locked(struct fetch *f);

/* Take back what is wrong in a way that readers noticed.  Those who read it
 * just now may end: the bytes stay where they are until others come. */
static int
withdraw_locked(struct fetch *f)
{
	struct entry *e = f->entry;
	struct space *space = &e->cache->space;
	uint64_t had = rangeset_bytes(&e->chunk.present), gone;
	int r;

	/* Set aside first: nobody else may take the room meanwhile. */
	space_reserve(space, had);
	r = chunk_withdraw(&e->chunk, f->off, f->end);
	gone = had - rangeset_bytes(&e->chunk.present);
	space_release(space, had - gone);
	f->reserved += gone;
	f->at = f->off;
	return r;
}

/*
 * Whether an answer for a whole object was damaged on its way: its checksum
 * says so; or it has another size than the very version that it names.
 */
static bool
is_damaged(const struct fetch *f)
{
	const struct s3_call *call = &f->call;

	if (call->result.is_corrupt)
		return true;
	return f->is_whole && call->off == 0 && f->etag != NULL &&
	       call->object.etag != NULL &&
	       call->object.size != f->entry->size &&
	       (call->result.err == 0 || call->result.err == -ESTALE);
}

static void
say_damaged(const struct fetch *f)
{
	const char *key = f->entry->key;

	if (!f->call.result.is_corrupt)
		log_warn("what came of '%s' is not of its size: check the "
			 "network and the server",
		    key);
	else if (f->is_held)
		log_warn("what came of '%s' does not match its checksum: "
			 "check the network and the server",
		    key);
	else
		log_error("what came of '%s' does not match its checksum, and "
			  "some of it may have been read: check the network "
			  "and the server",
		    key);
}

/* On the worker: the object came, but not as S3 has it.  Ask anew, or end. */
static void
start_over(struct job *job)
{
	struct fetch *f = fetch_of(job);
	struct entry *e = f->entry;
	const struct cache_hooks *hooks = &e->cache->hooks;
	bool was_seen, goes_on;

	say_damaged(f);
	lock_take(&e->lock);
	was_seen = f->at > f->off;
	goes_on = withdraw_locked(f) == 0 && !f->is_cancelled &&
		  ++f->damaged < FETCH_TRIES;
	if (f->is_cancelled)
		f->call.result.err = -ECANCELED;
	if (goes_on) {
		f->is_sent = true;
		submit_locked(f);
	}
	lock_drop(&e->lock);
	/* Its end is the worker's, too: it is there still.  The kernel has
	 * pages of it, and perhaps wrong ones. */
	if (was_seen && hooks->changed != NULL)
		hooks->changed(hooks->arg, e->node, NULL, 0);
	if (!goes_on)
		finish(job);
}

/* On the net thread.  A version that was replaced may still have a name. */
static void
on_done(struct s3_call *call)
{
	struct fetch *f = call->arg;
	struct entry *e = f->entry;

	lock_take(&e->lock);
	if ((call->result.err == -ESTALE || call->result.err == -ENOENT) &&
	    f->version_id != NULL && !f->by_version && !f->is_cancelled) {
		f->by_version = true;
		submit_locked(f);
		lock_drop(&e->lock);
		return;
	}
	f->is_sent = false;
	/* Whoever cancelled it may have asked for the same bytes again. */
	if (f->is_held && call->result.err == 0)
		call->result.err =
		    f->is_cancelled ? -ECANCELED : show_locked(f);
	lock_drop(&e->lock);
	f->job.run = is_damaged(f) ? start_over : finish;
	worker_post(e->cache->worker, &f->job);
}

/* Send what has not arrived yet. */
static void
submit_locked(struct fetch *f)
{
	struct entry *e = f->entry;
	bool background = f->call.background;

	s3_call_fini(&f->call);
	s3_call_init(&f->call, S3_GET_OBJECT);
	f->call.key = e->key;
	f->call.background = background;
	f->call.if_match = f->etag;
	if (f->by_version)
		f->call.version_id = f->version_id;
	f->call.off = chunk_block_start(f->at);
	f->call.len = f->end - f->call.off;
	if (f->is_whole && f->call.off == 0)
		f->call.len = 0; /* the rest of one that began is a range */
	f->pos = f->call.off;
	f->call.sink = on_bytes;
	f->call.done = on_done;
	f->call.arg = f;
	s3_submit(e->cache->s3, &f->call);
}

static void
say_full(const struct entry *e)
{
	log_warn("no room in the cache folder to read '%s': raise cache_size= "
		 "or lower free_space=",
	    e->key);
}

void
fetch_start(struct fetch *f, struct waiter *w)
{
	struct entry *e = f->entry;
	uint64_t len = f->end - f->off;
	bool background = w == NULL, cancelled;
	int r;

	evict_enter(e->cache->evict);
	r = background ? evict_reserve(e->cache->evict, len)
		       : evict_demand(e->cache->evict, len, w);
	if (r == 0)
		f->reserved = f->end - f->off;
	lock_take(&e->lock);
	cancelled = f->is_cancelled;
	f->call.background = background;
	if (r == 0 && !cancelled) {
		f->is_sent = true;
		f->was_sent = true;
		submit_locked(f);
	}
	lock_drop(&e->lock);
	if (r < 0 || cancelled) {
		f->call.result.err = r < 0 ? r : -ECANCELED;
		if (r == -ENOSPC && !background)
			say_full(e);
		finish(&f->job);
	}
}

bool
fetch_covers(struct entry *e, uint64_t off, uint64_t *ret_end)
{
	for (struct list *l = e->fetches.next; l != &e->fetches; l = l->next) {
		struct fetch *f = LIST_ENTRY(l, struct fetch, link);

		if (!f->is_cancelled && f->at <= off && off < f->end) {
			*ret_end = f->end;
			return true;
		}
	}
	return false;
}

uint64_t
fetch_next(struct entry *e, uint64_t off)
{
	uint64_t next = UINT64_MAX;

	for (struct list *l = e->fetches.next; l != &e->fetches; l = l->next) {
		struct fetch *f = LIST_ENTRY(l, struct fetch, link);

		if (!f->is_cancelled && f->at > off && f->at < next)
			next = f->at;
	}
	return next;
}

void
fetch_cancel_all(struct entry *e)
{
	for (struct list *l = e->fetches.next; l != &e->fetches; l = l->next) {
		struct fetch *f = LIST_ENTRY(l, struct fetch, link);

		if (f->is_sent && !f->is_cancelled)
			s3_cancel(e->cache->s3, &f->call);
		f->is_cancelled = true;
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.c - one GET on its way into a chunk file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/entry.h"
#include "cache/evict.h"
#include "cache/fetch.h"
#include "cache/fetch_body.h"
#include "cache/name.h"
#include "cache/trouble.h"
#include "cache/worker.h"
#include "s3/base/crc.h"
#include "s3/base/log.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

static void
fetch_free(struct fetch *f)
{
	s3_call_fini(&f->call);
	free(f->key);
	free(f->etag);
	free(f->version_id);
	free(f);
}

/* What the entry's bytes are to be asked for by. */
static int
name_version_locked(struct fetch *f, const struct entry *e)
{
	int r = text_replace(&f->key, entry_base_key(e));

	if (r == 0)
		r = text_replace(&f->etag, entry_base_etag(e));
	if (r == 0)
		r = text_replace(
		    &f->version_id, e->base_key == NULL ? e->version_id : NULL);
	return r;
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

	if (e->state == BYTES_CLEAN && is_untouched(e)) {
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
	if (name_version_locked(f, e) < 0) {
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
		return fetch_is_ours(f) ? -EIO : -ESTALE;
	return err;
}

/* A request of our own may have replaced the object, and its answer is on its
 * way: until that has ended, that the version is gone proves nothing, and who
 * still waits asks again. */
static int
own_or(const struct fetch *f, int err)
{
	return err == -ESTALE &&
		       keylock_is_sending(&f->entry->cache->keylocks, f->key)
		   ? -EAGAIN
		   : err;
}

/* Whether our own hand gave the object another name or ETag since. */
static bool
has_moved_locked(const struct fetch *f)
{
	const char *etag = entry_base_etag(f->entry);

	return strcmp(f->key, entry_base_key(f->entry)) != 0 ||
	       (f->etag != NULL && etag != NULL && strcmp(f->etag, etag) != 0);
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

/* What is told to who still waits; -EAGAIN: to ask again. */
static int
verdict_locked(const struct fetch *f, int err)
{
	/* Since on_done(): that request of ours has ended. */
	if (err == -ESTALE && has_moved_locked(f))
		return -EAGAIN;
	if ((f->is_cancelled && err == -ECANCELED) || err == -EINTR ||
	    (err == -ENOSPC && f->call.background && !f->was_sent))
		return -EAGAIN;
	return err;
}

/* On the worker: the last of a fetch. */
static void
finish(struct job *job)
{
	struct fetch *f = fetch_of(job);
	struct entry *e = f->entry;
	int err = own_or(f, reader_errno(f));

	if (err != -ENOSPC) /* the disk's, and of no interest to S3's users */
		(void)trouble_errno(&f->call); /* reader_errno() has seen it */
	space_release(&e->cache->space, f->reserved);
	lock_take(&e->lock);
	list_remove(&f->link);
	list_remove(&f->range.link);
	err = verdict_locked(f, err);
	if (err == -ESTALE)
		e->lost = -ESTALE;
	if (err < 0 && f->is_whole && !is_in_use(e, f->off, f->end))
		chunk_trim(&e->chunk, f->off, f->end);
	if (err < 0)
		fetch_wake_locked(e, f->at, f->end, err);
	else
		fetch_wake_all_locked(e, f->off, f->end);
	lock_drop(&e->lock);
	/* Who opens it now looks again, and gets the new version. */
	if (err == -ESTALE && name_doubt_node(e->cache, e->node) < 0)
		log_debug("node=%" PRIu64 " is believed still", e->node);
	fetch_free(f);
	evict_leave(e->cache->evict);
	entry_put(e);
}

static void submit_locked(struct fetch *f);

/* Whether the object was not found because our own hand gave it another name
 * or ETag meanwhile: then it is asked for by those. */
static bool
is_outdated_locked(struct fetch *f)
{
	int err = f->call.result.err;

	if ((err != -ESTALE && err != -ENOENT) || f->is_cancelled ||
	    !has_moved_locked(f))
		return false;
	return name_version_locked(f, f->entry) == 0;
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
	       call->object.size != f->entry->object_size &&
	       (call->result.err == 0 || call->result.err == -ESTALE);
}

static void
say_damaged(const struct fetch *f)
{
	const char *key = f->key;

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
	goes_on = fetch_withdraw_locked(f) == 0 && !f->is_cancelled &&
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
	if (is_outdated_locked(f)) {
		submit_locked(f);
		lock_drop(&e->lock);
		return;
	}
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
		    f->is_cancelled ? -ECANCELED : fetch_show_locked(f);
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
	f->call.key = f->key;
	f->call.background = background;
	f->call.if_match = f->etag;
	if (f->by_version)
		f->call.version_id = f->version_id;
	f->call.off = chunk_block_start(f->at);
	f->call.len = f->end - f->call.off;
	if (f->is_whole && f->call.off == 0)
		f->call.len = 0; /* the rest of one that began is a range */
	f->pos = f->call.off;
	f->call.sink = fetch_on_bytes;
	f->call.done = on_done;
	f->call.arg = f;
	s3_submit(e->cache->s3, &f->call);
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

static void
cancel_locked(struct fetch *f)
{
	if (f->is_sent && !f->is_cancelled)
		s3_cancel(f->entry->cache->s3, &f->call);
	f->is_cancelled = true;
}

void
fetch_cancel_all(struct entry *e)
{
	for (struct list *l = e->fetches.next; l != &e->fetches; l = l->next)
		cancel_locked(LIST_ENTRY(l, struct fetch, link));
}

void
fetch_cancel_whole(struct entry *e)
{
	for (struct list *l = e->fetches.next; l != &e->fetches; l = l->next) {
		struct fetch *f = LIST_ENTRY(l, struct fetch, link);

		if (f->is_whole)
			cancel_locked(f);
	}
}

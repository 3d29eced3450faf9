/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload.c - send one file's changes to S3.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/claim.h"
#include "cache/clone.h"
#include "cache/conflict.h"
#include "cache/core.h"
#include "cache/cover.h"
#include "cache/entry.h"
#include "cache/fetch.h"
#include "cache/flush.h"
#include "cache/headers.h"
#include "cache/parts.h"
#include "cache/snapshot.h"
#include "cache/upload.h"
#include "cache/verify.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

/* How often the condition of one flush may turn out to be another. */
#define LOOKS_MAX 3

/* The file is the loser of a conflict, and not kept aside yet. */
#define CONFLICT_LEFT 2

/* Another program has begun to write it since its flush was asked for. */
#define NOT_COVERED 3

/* Mark the key busy that the file has then. */
static int
take_key(struct flush *f)
{
	struct entry *e = f->entry;
	bool same = false;
	int r = 0;

	while (r == 0 && !same) {
		free(f->key);
		lock_take(&e->lock);
		f->key = strdup(e->key);
		lock_drop(&e->lock);
		if (f->key == NULL)
			return -ENOMEM;
		r = keylock_take(
		    &f->cache->keylocks, f->key, NULL, &f->keylock);
		if (r < 0)
			return r;
		lock_take(&e->lock);
		same = strcmp(f->key, e->key) == 0;
		lock_drop(&e->lock);
		if (!same)
			keylock_drop(&f->cache->keylocks, &f->keylock);
	}
	return r;
}

/*
 * The token of this try, for the row.  One of the family of what an earlier
 * try left open, or of a multipart upload that began while the file was being
 * written: whichever of them took effect is known again, after a crash, too.
 */
static int
choose_token(struct flush *f, struct row *row)
{
	const char *like = parts_token_locked(f->entry);
	char token[HEADERS_TOKEN_LEN + 1];

	f->was_unsure = state_bytes_is_open((enum state_bytes)row->byte_state);
	headers_token_like(f->was_unsure ? row->token : like, token);
	text_set(&row->token, strdup(token));
	return row->token == NULL ? -ENOMEM : 0;
}

/* The key is ours: what is said to be sent is not any more. */
static int
begin_states(struct change *ch)
{
	int r = 0;

	if (ch->row.attr_state == ATTRS_SENDING)
		change_attrs(ch, ATTRS_ON_SEND_LOST);
	if (ch->row.attr_state == ATTRS_UNSURE)
		change_attrs(ch, ATTRS_ON_SETTLED_OLD);
	if (ch->row.byte_state == BYTES_UNSURE)
		r = change_bytes(ch, BYTES_ON_SETTLED_OLD);
	if (r == 0)
		r = change_bytes(ch, BYTES_ON_FLUSH);
	if (r == 0)
		change_attrs(ch, ATTRS_ON_FOLD);
	return r;
}

/*
 * The row, and with it the version, is on its way from here on.  What an
 * earlier try left open counts as not sent: the look at the object that this
 * one takes, if its condition fails, tells.  -EAGAIN: the key that is marked
 * busy is not its any more.
 */
static int
begin_row(struct flush *f)
{
	struct entry *e = f->entry;
	struct change ch;
	int r;

	r = change_begin_node(f->cache, e->node, &ch);
	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	if (!change_has_key(&ch, f->key))
		return change_end(&ch, -EAGAIN);
	r = choose_token(f, &ch.row);
	if (r == 0)
		r = begin_states(&ch);
	ch.row.size = e->size;
	f->has_times = e->mtime_ns == 0;
	if (e->mtime_ns != 0) {
		ch.row.mtime_ns = e->mtime_ns;
		ch.row.ctime_ns = entry_ctime_locked(e, ch.row.ctime_ns);
	}
	f->mtime_ns = ch.row.mtime_ns;
	/* After a crash, all that the upload was of is known. */
	if (r == 0)
		r = chunk_flush(&e->chunk);
	if (r == 0)
		r = row_copy(&f->row, &ch.row);
	if (r == 0) /* this generation is owed now, whole */
		r = snapshot_drop_locked(e);
	r = change_end(&ch, r);
	if (r < 0) {
		chunk_unstored(&e->chunk);
		return r;
	}
	snapshot_over_locked(e);
	e->mtime_ns = 0;
	if (e->state == BYTES_UNSURE)
		(void)state_bytes_apply(&e->state, BYTES_ON_SETTLED_OLD);
	(void)state_bytes_apply(&e->state, BYTES_ON_FLUSH);
	return 0;
}

/* Freeze the file.  Returns: 0; 1 nothing is owed; the two above; -errno. */
static int
begin(struct flush *f)
{
	struct entry *e = f->entry;
	int r = 1;

	lock_take(&e->lock);
	list_append(&e->frozen, &f->frozen.link);
	f->size = e->size;
	f->base_size = e->chunk.base_size;
	f->generation = e->generation;
	f->is_new = e->is_new;
	f->has_name = true;
	/* What was empty was not truncated: what it is now must stay. */
	f->is_all_new = entry_is_emptied(e);
	f->is_clone = e->base_key != NULL &&
		      rangeset_is_empty(&e->chunk.dirty) &&
		      e->size == e->object_size && e->size > 0;
	if (e->state == BYTES_CONFLICT && !e->is_superseded)
		r = CONFLICT_LEFT;
	else if (!e->is_unlinked && e->sent_generation < e->generation &&
		 !cover_may_send(e))
		r = NOT_COVERED;
	else if (!e->is_unlinked && e->sent_generation < e->generation) {
		f->etag = e->etag == NULL ? NULL : strdup(e->etag);
		r = e->etag != NULL && f->etag == NULL ? -ENOMEM : begin_row(f);
	}
	lock_drop(&e->lock);
	return r;
}

/* S3 has it: the row says so. */
static int
finish_row(struct flush *f)
{
	struct change ch;
	int r;

	r = change_begin_node(f->cache, f->entry->node, &ch);
	if (r < 0)
		return r;
	r = change_bytes(&ch, BYTES_ON_PUT_OK);
	/* A write's time is when the upload that carries it began. */
	if (ch.row.mtime_ns == f->mtime_ns)
		ch.row.mtime_ns = f->row.mtime_ns;
	f->stale_attrs = f->stale_attrs ||
			 !flush_same_attrs(&ch.row, &f->row) ||
			 ch.row.mtime_ns != f->row.mtime_ns;
	change_attrs(
	    &ch, f->stale_attrs ? ATTRS_ON_SEND_STALE : ATTRS_ON_SEND_OK);
	if (ch.row.name_state == NAME_CREATING)
		change_name(&ch, NAME_ON_CREATE_OK);
	if (r == 0)
		r = text_replace(&ch.row.etag, f->out.etag);
	if (r == 0)
		r = text_replace(&ch.row.version_id, f->out.version_id);
	if (r == 0)
		r = text_replace(&ch.row.token, f->row.token);
	ch.row.size = f->size;
	ch.row.modified_ns = 0; /* ours: not seen yet */
	ch.row.attrs = ROW_ATTRS_KNOWN;
	ch.row.seen_ms = f->out.sent_ms;
	if (r == 0)
		r = entry_drop_intents_locked(f->entry);
	if (r == 0)
		r = chunk_flush_sent(&f->entry->chunk, f->size);
	r = change_end(&ch, r);
	if (r < 0)
		chunk_unstored(&f->entry->chunk);
	else if (f->stale_attrs)
		writeback_attrs(f->cache, f->row.id);
	return r;
}

/* Nothing of the file, of ${size} bytes, is dirty any more. */
static void
clean_locked(struct entry *e, uint64_t size)
{
	stats_sub(&e->cache->stats, STAT_DIRTY_BYTES,
	    rangeset_bytes(&e->chunk.dirty));
	chunk_set_sent(&e->chunk, size);
	e->dirty_ms = 0;
	e->is_late = false;
	entry_set_modified_locked(e, false);
}

static int
finish(struct flush *f)
{
	struct entry *e = f->entry;
	int r;

	lock_take(&e->lock);
	r = finish_row(f);
	if (r == 0) {
		/* Their bytes may be older than what is clean now. */
		fetch_cancel_all(e);
		(void)state_bytes_apply(&e->state, BYTES_ON_PUT_OK);
		text_set(&e->etag, TAKE(f->out.etag));
		text_set(&e->version_id, TAKE(f->out.version_id));
		(void)entry_set_base_locked(e, NULL, NULL); /* to forget */
		e->has_intent = false;
		e->object_size = f->size;
		e->modified_ns = 0;
		e->is_new = false;
		e->takes_over = false;
		e->is_damaged = false;
		e->lost = 0;
		e->sent_generation = f->generation;
		clean_locked(e, f->size);
		e->error_count = 0;
	}
	lock_drop(&e->lock);
	/* The kernel may have been told the time of the last write. */
	if (r == 0 && f->row.mtime_ns != f->mtime_ns &&
	    f->cache->hooks.changed != NULL)
		f->cache->hooks.changed(f->cache->hooks.arg, e->node, NULL, 0);
	return r;
}

/* It is not in S3: what state that leaves it in. */
static void
leave(
    struct flush *f, enum state_bytes_event bytes, enum state_attrs_event attrs)
{
	struct entry *e = f->entry;
	struct change ch;

	(void)verify_seal(e); /* none is legal */
	lock_take(&e->lock);
	(void)state_bytes_apply(&e->state, bytes);
	(void)chunk_flush(&e->chunk); /* what is kept, however this ends */
	if (change_begin_node(f->cache, e->node, &ch) == 0) {
		if (bytes == BYTES_ON_PUT_LOST)
			(void)text_replace(&ch.row.token, f->row.token);
		(void)change_bytes(&ch, bytes); /* it cannot refuse */
		change_attrs(&ch, attrs);
		if (attrs == ATTRS_ON_SEND_LOST)
			change_attrs(&ch, ATTRS_ON_SETTLED_OLD);
		(void)change_end(&ch, 0); /* told again by the next one */
	}
	lock_drop(&e->lock);
}

/* The object is another one than thought, of ${size} bytes: that is the base
 * from now on, unless the bytes lie elsewhere. */
static int
adopt(struct flush *f, uint64_t size)
{
	struct entry *e = f->entry;
	int r;

	text_set(&f->etag, TAKE(f->out.etag));
	f->is_new = f->etag == NULL;
	lock_take(&e->lock);
	r = text_replace(&e->etag, f->etag);
	if (r < 0) {
		lock_drop(&e->lock);
		return r;
	}
	e->is_new = f->is_new;
	if (e->base_key == NULL) {
		e->object_size = size;
		e->lost = 0; /* this one can be reached */
		if (e->chunk.base_size > size)
			e->chunk.base_size = size;
	}
	f->base_size = e->chunk.base_size;
	lock_drop(&e->lock);
	return -EAGAIN;
}

/* Whether no byte of the object is needed that is not here. */
static bool
is_whole(struct flush *f)
{
	bool whole;

	lock_take(&f->entry->lock);
	whole = f->entry->base_key != NULL ||
		rangeset_has(&f->entry->chunk.present, 0, f->size);
	lock_drop(&f->entry->lock);
	return whole;
}

/*
 * What is to be made of a failure.  Returns: 0 it is ours after all; -EAGAIN
 * once more with what was learnt; -ESTALE a conflict; else why it failed.
 */
static int
judge(struct flush *f, int r)
{
	if (!settle_is_needed(&f->out, r))
		return r;
	switch (settle_look(f->cache, f->key, f->row.token, &f->out)) {
	case SETTLE_OURS:
		return f->out.size == f->size ? 0 : -ESTALE;
	case SETTLE_OLDER: /* an earlier one of ours: no other's is lost */
		return adopt(f, f->out.size);
	case SETTLE_ABSENT:
		f->out.unsure = f->was_unsure = false;
		if (f->is_new && r != -ESTALE)
			return r;
		text_set(&f->out.etag, NULL);
		return is_whole(f) ? adopt(f, 0) : -ESTALE;
	case SETTLE_OTHER:
		f->out.unsure = f->was_unsure = false;
		if (f->etag != NULL && f->out.etag != NULL &&
		    strcmp(f->etag, f->out.etag) == 0)
			return r == -ESTALE ? -EIO : r; /* it is as before */
		/* O_TRUNC: what is there was to go, whatever it is. */
		return f->is_all_new && !f->is_new ? adopt(f, f->out.size)
						   : -ESTALE;
	case SETTLE_UNKNOWN:
		break;
	}
	f->out.unsure = true;
	return r == -ESTALE ? -EIO : r;
}

static int
flush_frozen(struct flush *f)
{
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < LOOKS_MAX; i++) {
		settle_fini(&f->out);
		r = flush_send(f);
		if (r < 0)
			r = judge(f, r);
		if (r == -ENOENT && i + 1 < LOOKS_MAX) {
			parts_abort(f->entry); /* another did so already */
			r = -EAGAIN;
		}
	}
	if (r == 0) {
		parts_forget(f->entry); /* it was completed, or not begun */
		r = finish(f);
		if (r < 0) /* S3 has it, but the database does not know */
			leave(f, BYTES_ON_PUT_LOST, ATTRS_ON_SEND_LOST);
		return r;
	}
	/* An upload that may have been completed is not gone on with. */
	parts_failed(f->entry, f->out.unsure ? -ECANCELED : r);
	if (r == -ESTALE || r == -EAGAIN) {
		leave(f, BYTES_ON_PUT_412, ATTRS_ON_SEND_412);
		r = conflict_keep(f->entry);
		return r == 0 ? -ESTALE : r;
	}
	if (f->out.unsure || f->was_unsure)
		leave(f, BYTES_ON_PUT_LOST, ATTRS_ON_SEND_LOST);
	else
		leave(f, BYTES_ON_PUT_FATAL, ATTRS_ON_SEND_FATAL);
	return r;
}

/* The loser of an earlier flush could not be kept aside then. */
static int
resolve(struct flush *f)
{
	int r = conflict_keep(f->entry);

	return r == 0 ? -ESTALE : r;
}

static int
flush_once(struct entry *e, bool *ret_moved)
{
	struct flush f = {
		.entry = e, .cache = e->cache, .frozen = { .end = UINT64_MAX }
	};
	int r;

	list_init(&f.frozen.link);
	r = claim_clear_file(e);
	if (r == 0)
		r = take_key(&f);
	if (r < 0) {
		free(f.key);
		return r;
	}
	r = clone_release(e->cache, f.key, NULL);
	if (r == 0)
		r = claim_take_file(e, f.key);
	stats_add(&e->cache->stats, STAT_UPLOADS, 1);
	parts_enter(e);
	if (r == 0)
		r = begin(&f);
	*ret_moved = r == -EAGAIN;
	if (r == 0)
		r = flush_frozen(&f);
	else if (r == CONFLICT_LEFT)
		r = resolve(&f);
	else if (r != -EAGAIN && r != NOT_COVERED)
		parts_abort(e); /* it has no name any more */
	stats_sub(&e->cache->stats, STAT_UPLOADS, 1);
	lock_take(&e->lock);
	list_remove(&f.frozen.link);
	lock_drop(&e->lock);
	/* Before it is told: who waited for it finds the key free. */
	keylock_drop(&e->cache->keylocks, &f.keylock);
	parts_leave(e);
	settle_fini(&f.out);
	row_fini(&f.row);
	free(f.key);
	free(f.etag);
	return r < 0 ? r : 0;
}

static void
say(const struct entry *e, int err)
{
	if (err == -ESTALE)
		log_debug("'%s' lost", e->key); /* conflict.c says it */
	else
		log_error("'%s' is not in S3 (%s): kept in the cache and tried "
			  "again",
		    e->key, strerror(-err));
}

/* It may have lost its name since its flush has left: what is kept of its
 * upload is then ours to end (abandon.c).  The entry's lock is held, and given
 * up meanwhile. */
static void
end_upload_locked(struct entry *e)
{
	while (e->is_unlinked && e->upload != NULL) {
		lock_drop(&e->lock);
		parts_enter(e);
		parts_abort(e);
		parts_leave(e);
		lock_take(&e->lock);
	}
}

void
upload_run(struct entry *e)
{
	bool moved = true;
	int r = 0;

	while (moved) {
		moved = false;
		r = flush_once(e, &moved);
	}
	lock_take(&e->lock);
	end_upload_locked(e);
	e->is_flushing = false;
	if (r < 0) {
		e->error = r;
		e->error_count++;
		e->error_total++;
		say(e, r);
		if (e->sent_generation < e->generation)
			writeback_retry_locked(e);
	} else { /* what was not covered, once it is */
		cover_due_locked(e);
	}
	waiter_wake_all(&e->waiters);
	lock_drop(&e->lock);
}

/* Whether generation ${want} is not in S3 yet, or its flush, which lost a
 * conflict, has not told that yet. */
static bool
is_awaited(const struct entry *e, uint64_t want)
{
	return e->sent_generation < want ||
	       (e->is_superseded && e->is_flushing);
}

/* Wait until it is in S3, or has failed more often than ${errors} times. */
static int
await_locked(struct entry *e, unsigned errors, struct waiter *w)
{
	uint64_t want = e->generation;
	int r = 0;

	e->covered_generation = want;
	e->asked_generation = want;
	while (r == 0 && !e->is_unlinked && is_awaited(e, want)) {
		if ((int)(e->error_total - errors) > 0)
			return e->error;
		writeback_bytes_locked(e);
		r = waiter_wait_in(w, &e->waiters, &e->lock);
	}
	/* What lost a conflict is not awaited any more. */
	if (r == 0 && e->is_superseded && (int)(e->error_total - errors) > 0)
		r = e->error;
	return r;
}

int
upload_flush(struct entry *e, struct waiter *w)
{
	struct waiter own;
	int r;

	if (w == NULL)
		waiter_init(&own);
	else
		waiter_reset(w);
	lock_take(&e->lock);
	r = await_locked(e, e->error_total, w == NULL ? &own : w);
	lock_drop(&e->lock);
	if (w == NULL)
		waiter_fini(&own);
	return r;
}

unsigned
upload_post(struct entry *e)
{
	unsigned errors;

	lock_take(&e->lock);
	/* One that is under way may be of less than what is there now. */
	errors = e->error_total + (e->is_flushing ? 1 : 0);
	e->asked_generation = e->generation;
	writeback_bytes_locked(e);
	lock_drop(&e->lock);
	return errors;
}

int
upload_await(struct entry *e, unsigned errors, struct waiter *w)
{
	int r;

	waiter_reset(w);
	lock_take(&e->lock);
	r = await_locked(e, errors, w);
	lock_drop(&e->lock);
	return r;
}

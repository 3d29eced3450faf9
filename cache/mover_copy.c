/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mover_copy.c - many copies at once.
 *
 * Role:    MOVER_FLIGHT slots, each with a CopyObject under way.  What does
 *          not end well there is looked at again one by one, in the end: an
 *          object that changed since it was listed, an answer that was lost.
 * S3:      API_CopyObject, x-amz-copy-source-if-match and If-None-Match: *.
 */
#include "cache/mover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/probe.h"
#include "cache/trouble.h"
#include "s3/base/cleanup.h"
#include "s3/base/lock.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

enum slot_state {
	SLOT_FREE,
	SLOT_BUSY,
	SLOT_DONE
};

struct slot {
	struct flight *flight;
	enum slot_state state; /* [lock] */
	struct s3_call call;   /* the net thread's while it is busy */
	struct moved *moved;
	char *new_key; /* owned while it is not free */
};

struct flight {
	struct mover *mover;
	struct lock lock;      /* above the http queue */
	struct waiter *waiter; /* [lock] who waits for slots */
	struct slot slots[MOVER_FLIGHT];
	size_t next; /* index of the next to send */
	int err;     /* the first */
};

void
mover_copied(struct mover *m, struct moved *k, const struct s3_object *object)
{
	const char *etag = object->etag;

	free(k->new_etag);
	k->new_etag = NULL;
	if (etag != NULL && etag[0] != '\0')
		k->new_etag = strdup(etag); /* NULL: no condition later */
	k->modified_ns = object->modified_ns;
	if (k->state != MOVED_COPIED && m->progress != NULL)
		atomic_fetch_add_explicit(
		    &m->progress->copied, 1, memory_order_relaxed);
	k->state = MOVED_COPIED;
	if (m->on_change == NULL || text_same(k->etag, k->new_etag))
		return;
	k->is_noted = false; /* and is tried again, if it fails */
	(void)m->on_change(m->on_change_arg, k);
}

/* On the net thread. */
static void
on_done(struct s3_call *call)
{
	struct slot *slot = call->arg;
	struct flight *f = slot->flight;

	lock_take(&f->lock);
	slot->state = SLOT_DONE;
	waiter_wake(f->waiter);
	lock_drop(&f->lock);
}

/* No copy is sent any more; those on their way end soon. */
static void
fail(struct flight *f, int err)
{
	if (f->err != 0)
		return;
	f->err = err;
	lock_take(&f->lock);
	for (size_t i = 0; i < MOVER_FLIGHT; i++) {
		if (f->slots[i].state == SLOT_BUSY)
			s3_cancel(f->mover->cache->s3, &f->slots[i].call);
	}
	lock_drop(&f->lock);
}

/* Returns: whether it is on its way. */
static bool
send(struct flight *f, struct slot *slot, struct moved *k)
{
	struct s3_call *call = &slot->call;

	slot->new_key = mover_new_key(f->mover, k->key);
	if (slot->new_key == NULL) {
		fail(f, -ENOMEM);
		return false;
	}
	s3_call_init(call, S3_COPY_OBJECT);
	call->key = slot->new_key;
	call->source_key = k->key;
	call->source_if_match = k->etag;
	call->if_none_match = k->may_replace ? NULL : "*";
	call->done = on_done;
	call->arg = slot;
	slot->flight = f;
	slot->moved = k;
	lock_take(&f->lock);
	slot->state = SLOT_BUSY;
	lock_drop(&f->lock);
	s3_submit(f->mover->cache->s3, call);
	return true;
}

/* A marker that the server does not copy: it is stored anew, as others are
 * copied again. */
static bool
is_refused_marker(const struct moved *k, int err)
{
	return err == -EINVAL && k->size == 0 &&
	       k->key[strlen(k->key) - 1] == '/';
}

/* Take over what came of a copy.  What is left for a second look stays as it
 * is: LISTED, or UNSURE. */
static void
take(struct flight *f, struct slot *slot)
{
	struct s3_call *call = &slot->call;
	struct moved *k = slot->moved;
	int err = call->result.err;

	if (err == 0) {
		mover_copied(f->mover, k, &call->object);
	} else {
		if (call->result.unsure || call->result.attempts > 1)
			k->state = MOVED_UNSURE;
		if (err != -ENOENT && err != -ESTALE && !call->result.unsure &&
		    !is_refused_marker(k, err))
			fail(f, f->err != 0 ? f->err : trouble_errno(call));
	}
	s3_call_fini(call);
	free(slot->new_key);
	slot->new_key = NULL;
}

/* The next that one request copies; NULL: none. */
static struct moved *
next_key(struct flight *f)
{
	struct mover *m = f->mover;

	while (f->err == 0 && f->next < m->count) {
		struct moved *k = &m->keys[f->next++];

		if (k->state == MOVED_LISTED && k->size <= S3_COPY_MAX)
			return k;
	}
	return NULL;
}

/* Take what is done, send what there is room for; whether any is under way. */
static bool
step(struct flight *f)
{
	bool is_busy = false;

	for (size_t i = 0; i < MOVER_FLIGHT; i++) {
		struct slot *slot = &f->slots[i];
		enum slot_state state;
		struct moved *k;

		lock_take(&f->lock);
		state = slot->state;
		if (state == SLOT_DONE)
			slot->state = SLOT_FREE;
		lock_drop(&f->lock);
		if (state == SLOT_DONE)
			take(f, slot);
		k = state != SLOT_BUSY ? next_key(f) : NULL;
		is_busy = is_busy || state == SLOT_BUSY;
		if (k != NULL && send(f, slot, k))
			is_busy = true;
	}
	return is_busy;
}

static int
fly(struct mover *m, struct waiter *w)
{
	AUTO_FREE struct flight *f = calloc(1, sizeof(*f));
	struct waiter own;

	if (f == NULL)
		return -ENOMEM;
	waiter_init(&own);
	lock_init(&f->lock);
	f->mover = m;
	f->waiter = w != NULL ? w : &own;
	while (step(f)) {
		if (waiter_wait(f->waiter, WAIT_FOREVER) != -EINTR)
			continue;
		fail(f, -EINTR);
		lock_take(&f->lock);
		f->waiter = &own;
		lock_drop(&f->lock);
	}
	lock_fini(&f->lock);
	waiter_fini(&own);
	return f->err;
}

/* Whether the target has an object that is not its marker: 1, 0, -errno. */
static int
is_taken(struct mover *m, const char *prefix, struct waiter *w)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_LIST_OBJECTS);
	call.prefix = prefix;
	call.max_keys = 2;
	(void)s3_run(m->cache->s3, &call, w); /* the result is there */
	r = trouble_errno(&call);
	for (size_t i = 0; r == 0 && i < call.page.count; i++) {
		if (strcmp(call.page.entries[i].key, prefix) != 0)
			r = 1;
	}
	s3_call_fini(&call);
	return r;
}

/*
 * Where the server does not look whether a copy's target is free, one list
 * does.  That it copies what was listed needs no HEAD where it does not look:
 * the original of another version is not deleted.
 */
static int
check_target(struct mover *m, struct waiter *w)
{
	AUTO_FREE char *prefix = NULL;
	int r;

	if (m->is_free)
		return 0;
	r = probe_has(m->cache, PROBE_COPY_ABSENT, w);
	if (r != 0)
		return r < 0 ? r : 0;
	prefix = malloc(strlen(m->to) + 2);
	if (prefix == NULL)
		return -ENOMEM;
	(void)stpcpy(stpcpy(prefix, m->to), "/");
	r = is_taken(m, prefix, w);
	return r > 0 ? -ESTALE : r;
}

/* None of ours changes it meanwhile. */
static int
look_again(struct mover *m, struct moved *k, struct waiter *w)
{
	struct keylocks *locks = &m->cache->keylocks;
	struct keylock lock = { 0 };
	int r = 0;

	if (strcmp(k->key + strlen(m->from), "/") != 0)
		r = keylock_look(locks, k->key, w, &lock);
	if (r == 0)
		r = mover_again(m, k, w);
	keylock_drop(locks, &lock);
	return r;
}

int
mover_copy(struct mover *m, struct waiter *w)
{
	int r = check_target(m, w);

	if (r == 0)
		r = fly(m, w);
	for (size_t i = 0; r == 0 && i < m->count; i++) {
		struct moved *k = &m->keys[i];

		if (k->state == MOVED_LISTED || k->state == MOVED_UNSURE)
			r = look_again(m, k, w);
	}
	return r;
}

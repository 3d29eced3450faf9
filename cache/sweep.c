/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep.c - multipart uploads that nobody completes any more.
 *
 * S3:      API_ListMultipartUploads of one key, API_AbortMultipartUpload.
 */
#include "cache/sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/admin.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/db_upload.h"
#include "cache/trouble.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

/* Instead of an upload id. */
#define NOT_ANSWERED "" /* yet; after a crash: never */
#define LOST         "?"

/* S3's clock may be so far from ours before it refuses what we sign. */
#define SKEW_MS 900000

struct sweep {
	struct cache *cache; /* [I] */
	struct lock lock;
	struct task task;
	bool is_posted;       /* [lock] */
	bool is_again;        /* [lock] */
	bool is_started;      /* [lock] those of earlier mounts, too */
	bool is_waiting;      /* [lock] look again when a create is answered */
	uint64_t *claimed;    /* [lock] owned; notes */
	size_t claimed_count; /* [lock] */
	struct waiter waiter; /* of the task */
};

/* One note, owned. */
struct note {
	uint64_t id;
	char *key;
	char *upload_id;
	int64_t made_ms;
	struct row row;
};

/* All of them. */
struct notes {
	struct note *list; /* owned */
	size_t count;
	int r;
};

static int64_t
wall_ms(const struct cache *c)
{
	return clock_wall_ns(c->clock) / 1000000;
}

/* ---- notes ---- */

/* A database that fails is told of by all that asks it; what it does not know
 * is left to a lifecycle rule. */
static void
say_failed(int r, const char *what)
{
	if (r < 0)
		log_debug("sweep: %s: %s", what, strerror(-r));
}

int
sweep_begin(
    struct cache *c, const char *key, const struct row *row, uint64_t *ret_note)
{
	struct db_upload upload = {
		.key = key, .upload_id = NOT_ANSWERED, .made_ms = wall_ms(c)
	};
	int r = db_number(c->db, &upload.id);

	*ret_note = 0;
	if (row != NULL) {
		upload.token = row->token;
		upload.mode = row->mode;
		upload.uid = row->uid;
		upload.gid = row->gid;
		upload.atime_ns = row->atime_ns;
		upload.mtime_ns = row->mtime_ns;
		upload.meta = row->meta;
		upload.meta_len = row->meta_len;
	}
	if (r == 0)
		r = db_upload_put(c->db, &upload);
	if (r == 0) {
		say_failed(db_sync(c->db), "sync"); /* the power may fail */
		*ret_note = upload.id;
	}
	return r;
}

void
sweep_end(struct cache *c, uint64_t note)
{
	if (note != 0)
		say_failed(db_upload_delete(c->db, note), "end");
}

static int
take_row(const struct db_upload *upload, struct row *ret)
{
	*ret = (struct row){ .kind = ROW_FILE,
		.mode = upload->mode,
		.uid = upload->uid,
		.gid = upload->gid,
		.atime_ns = upload->atime_ns,
		.mtime_ns = upload->mtime_ns };
	if (upload->token == NULL)
		return 0;
	ret->token = strdup(upload->token);
	if (upload->meta_len > 0)
		ret->meta = malloc(upload->meta_len);
	if (ret->token == NULL || (ret->meta == NULL && upload->meta_len > 0))
		return -ENOMEM;
	if (ret->meta != NULL)
		memcpy(ret->meta, upload->meta, upload->meta_len);
	ret->meta_len = upload->meta_len;
	return 0;
}

static bool
take_note(void *arg, const struct db_upload *upload)
{
	struct notes *all = arg;
	struct note one = { .id = upload->id, .made_ms = upload->made_ms };
	void *p = reallocarray(all->list, all->count + 1, sizeof(*all->list));

	if (p != NULL) {
		all->list = p;
		one.key = strdup(upload->key);
		one.upload_id = strdup(upload->upload_id);
		all->r = take_row(upload, &one.row);
		all->list[all->count++] = one;
	}
	if (p == NULL || one.key == NULL || one.upload_id == NULL)
		all->r = -ENOMEM;
	return all->r == 0;
}

static void
notes_fini(struct notes *all)
{
	for (size_t i = 0; i < all->count; i++) {
		free(all->list[i].key);
		free(all->list[i].upload_id);
		row_fini(&all->list[i].row);
	}
	free(all->list);
	*all = (struct notes){ 0 };
}

static int
read_notes(struct cache *c, struct notes *ret)
{
	int r = db_uploads_each(c->db, take_note, ret);

	return r < 0 ? r : ret->r;
}

/* ---- claims ---- */

/* Whether it is of an earlier mount and nobody goes on with it. */
static bool
is_left(struct sweep *s, uint64_t id)
{
	bool left;

	lock_take(&s->lock);
	left = s->is_started && id < s->cache->boot_number;
	for (size_t i = 0; left && i < s->claimed_count; i++)
		left = s->claimed[i] != id;
	lock_drop(&s->lock);
	return left;
}

static int
add_claim(struct sweep *s, uint64_t id)
{
	void *p;

	lock_take(&s->lock);
	p = reallocarray(s->claimed, s->claimed_count + 1, sizeof(*s->claimed));
	if (p != NULL) {
		s->claimed = p;
		s->claimed[s->claimed_count++] = id;
	}
	lock_drop(&s->lock);
	return p == NULL ? -ENOMEM : 0;
}

static bool
is_answered(const struct note *n)
{
	return strcmp(n->upload_id, NOT_ANSWERED) != 0 &&
	       strcmp(n->upload_id, LOST) != 0;
}

void
sweep_upload_fini(struct sweep_upload *u)
{
	free(u->upload_id);
	row_fini(&u->row);
	*u = (struct sweep_upload){ 0 };
}

int
sweep_claim(struct cache *c, const char *key, struct sweep_upload *ret)
{
	struct notes all = { 0 };
	int r = read_notes(c, &all);
	struct note *found = NULL;

	for (size_t i = 0; r == 0 && i < all.count; i++) {
		struct note *n = &all.list[i];

		if (n->id < c->boot_number && is_answered(n) &&
		    n->row.token != NULL && strcmp(n->key, key) == 0)
			found = n; /* the last one */
	}
	if (r == 0 && found == NULL)
		r = -ENOENT;
	if (r == 0)
		r = add_claim(c->sweep, found->id);
	if (r == 0) {
		ret->note = found->id;
		ret->upload_id = TAKE(found->upload_id);
		ret->row = found->row;
		found->row = (struct row){ 0 };
	}
	notes_fini(&all);
	return r;
}

/* ---- the sweep ---- */

static int
abort_one(struct sweep *s, const char *key, const char *upload_id)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_ABORT_MULTIPART_UPLOAD);
	call.key = key;
	call.upload_id = upload_id;
	call.background = true;
	(void)s3_run(s->cache->s3, &call, &s->waiter); /* the result is there */
	r = trouble_errno(&call);
	s3_call_fini(&call);
	if (r == 0)
		log_info(
		    "an upload of '%s' that nobody completes was aborted", key);
	return r == -ENOENT ? 0 : r;
}

/* Whether an upload that S3 has is one of ours that is known. */
static bool
is_known(const struct notes *all, const char *upload_id)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->list[i].upload_id, upload_id) == 0)
			return true;
	return false;
}

/* Whether another of the key is being begun in this very moment. */
static bool
is_begun_again(struct sweep *s, const struct notes *all, const struct note *n)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct note *other = &all->list[i];

		if (other != n && strcmp(other->key, n->key) == 0 &&
		    strcmp(other->upload_id, NOT_ANSWERED) == 0 &&
		    other->id >= s->cache->boot_number)
			return true;
	}
	return false;
}

/* Abort those of the note's key that were begun when it was. */
static int
abort_unknown(struct sweep *s, const struct notes *all, const struct note *n)
{
	struct s3_call call;
	int r;

	if (is_begun_again(s, all, n))
		return -EAGAIN;
	s3_call_init(&call, S3_LIST_MULTIPART_UPLOADS);
	call.prefix = n->key;
	call.background = true;
	(void)s3_run(s->cache->s3, &call, &s->waiter); /* the result is there */
	r = trouble_errno(&call);
	for (size_t i = 0; r == 0 && i < call.uploads_count; i++) {
		const struct s3_upload *u = &call.uploads[i];
		int64_t ms = u->initiated_ns / 1000000;

		if (strcmp(u->key, n->key) == 0 && ms >= n->made_ms - SKEW_MS &&
		    ms <= n->made_ms + SKEW_MS && !is_known(all, u->upload_id))
			r = abort_one(s, u->key, u->upload_id);
	}
	s3_call_fini(&call);
	return r;
}

static int
sweep_one(struct sweep *s, const struct notes *all, const struct note *n)
{
	bool is_lost = strcmp(n->upload_id, LOST) == 0;
	int r;

	if (!is_lost && !is_left(s, n->id))
		return 0;
	r = is_answered(n) ? abort_one(s, n->key, n->upload_id)
			   : abort_unknown(s, all, n);
	if (r == 0)
		sweep_end(s->cache, n->id);
	else if (r != -EINTR && r != -EAGAIN)
		log_warn("an upload of '%s' that nobody completes could not "
			 "be aborted (%s): the next mount tries again",
		    n->key, strerror(-r));
	return r;
}

static void
set_waiting(struct sweep *s, bool is_waiting)
{
	lock_take(&s->lock);
	s->is_waiting = is_waiting;
	lock_drop(&s->lock);
}

static void
sweep_all(struct sweep *s)
{
	struct notes all = { 0 };
	bool is_put_off = false;
	int r;

	/* The answer may come as soon as the notes were read. */
	set_waiting(s, true);
	r = read_notes(s->cache, &all);
	for (size_t i = 0; r != -EINTR && i < all.count; i++) {
		r = sweep_one(s, &all, &all.list[i]);
		is_put_off = is_put_off || r == -EAGAIN;
	}
	if (!is_put_off)
		set_waiting(s, false);
	say_failed(r, "run");
	notes_fini(&all);
}

static void
run(struct task *task)
{
	struct sweep *s = LIST_ENTRY(task, struct sweep, task);
	bool again = true;

	while (again) {
		sweep_all(s);
		lock_take(&s->lock);
		again = s->is_again;
		s->is_again = false;
		s->is_posted = again;
		lock_drop(&s->lock);
	}
}

static void
post(struct sweep *s)
{
	bool is_posted;

	lock_take(&s->lock);
	is_posted = s->is_posted;
	s->is_again = is_posted;
	s->is_posted = true;
	lock_drop(&s->lock);
	if (!is_posted)
		writeback_post(s->cache->writeback, &s->task);
}

/* It may have been made, and nobody knows its id. */
static void
lost(struct cache *c, uint64_t note)
{
	say_failed(db_upload_set_id(c->db, note, LOST), "lost");
	post(c->sweep);
}

/* What waited for an answer may be looked for now. */
static void
go_on(struct sweep *s)
{
	bool is_waiting;

	lock_take(&s->lock);
	is_waiting = s->is_waiting;
	s->is_waiting = false;
	lock_drop(&s->lock);
	if (is_waiting)
		post(s);
}

void
sweep_answered(struct cache *c, uint64_t *note, const struct s3_call *call)
{
	bool is_made = call->result.err == 0 && call->ret_upload_id != NULL;
	bool is_lost = call->result.unsure || call->result.attempts > 1;
	uint64_t other;

	if (*note == 0)
		return;
	if (is_made) {
		say_failed(db_upload_set_id(c->db, *note, call->ret_upload_id),
		    "begun");
		go_on(c->sweep);
		/* A try before may have made another. */
		if (is_lost && sweep_begin(c, call->key, NULL, &other) == 0)
			lost(c, other);
		return;
	}
	if (is_lost)
		lost(c, *note);
	else
		sweep_end(c, *note);
	go_on(c->sweep);
	*note = 0;
}

int
sweep_run(struct cache *c)
{
	struct notes all = { 0 };
	int r = read_notes(c, &all);

	lock_take(&c->sweep->lock);
	c->sweep->is_started = true;
	lock_drop(&c->sweep->lock);
	if (r == 0 && all.count > 0)
		post(c->sweep);
	notes_fini(&all);
	return r;
}

/* ---- for a person ---- */

int
cache_uploads_list(
    struct cache *c, struct cache_key_call *call, struct waiter *w)
{
	struct notes all = { 0 };
	struct s3_call list;
	int r;

	s3_call_init(&list, S3_LIST_MULTIPART_UPLOADS);
	list.prefix = c->config.prefix;
	(void)s3_run(c->s3, &list, w); /* the result is there */
	r = trouble_errno(&list);
	if (r < 0)
		(void)snprintf(call->message, sizeof(call->message), "%s",
		    list.result.message);
	else
		r = read_notes(c, &all);
	for (size_t i = 0; r == 0 && i < list.uploads_count; i++) {
		const struct s3_upload *u = &list.uploads[i];
		const struct cache_upload one = { .key = u->key,
			.upload_id = u->upload_id,
			.made_ns = u->initiated_ns,
			.is_ours = is_known(&all, u->upload_id) };

		r = call->upload(call->arg, &one);
	}
	notes_fini(&all);
	s3_call_fini(&list);
	return r;
}

/* ---- life ---- */

int
sweep_new(struct cache *c, struct sweep **ret)
{
	struct sweep *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->cache = c;
	s->task.run = run;
	lock_init(&s->lock);
	waiter_init(&s->waiter);
	*ret = s;
	return 0;
}

void
sweep_stop(struct sweep *s)
{
	if (s != NULL)
		waiter_interrupt(&s->waiter);
}

void
sweep_free(struct sweep *s)
{
	if (s == NULL)
		return;
	waiter_fini(&s->waiter);
	lock_fini(&s->lock);
	free(s->claimed);
	free(s);
}

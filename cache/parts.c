/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.c - one multipart upload of one file.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/entry.h"
#include "cache/headers.h"
#include "cache/learn.h"
#include "cache/part.h"
#include "cache/parts.h"
#include "cache/parts_upload.h"
#include "cache/plan.h"
#include "cache/send.h"
#include "cache/sweep.h"
#include "cache/trouble.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/killpoint.h"
#include "s3/base/wait.h"

/* Threads that send parts of one file: with 8 MiB each they fill a link of
 * 5 Gb/s at 25 ms. */
#define SENDERS_MAX 8

/* A thread's share in sending. */
struct sender {
	struct task task;
	struct entry *entry; /* a reference */
	uint64_t number;     /* of the upload it was posted for */
};

void
parts_done_fini(struct parts_done *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->parts[i].etag);
	free(d->parts);
	free(d->upload_id);
	free(d->token);
	row_fini(&d->row);
	*d = (struct parts_done){ 0 };
}

struct upload *
parts_upload_new_locked(struct entry *e, const char *key)
{
	struct upload *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->key = strdup(key);
	if (u->key == NULL) {
		free(u);
		return NULL;
	}
	u->number = ++e->upload_count;
	return u;
}

void
parts_wait_locked(struct entry *e)
{
	struct waiter w;

	waiter_init(&w);
	(void)waiter_wait_in(&w, &e->waiters, &e->lock); /* looks again */
	waiter_fini(&w);
}

void
parts_enter(struct entry *e)
{
	lock_take(&e->lock);
	while (e->has_sender)
		parts_wait_locked(e);
	e->has_sender = true;
	lock_drop(&e->lock);
}

void
parts_leave(struct entry *e)
{
	lock_take(&e->lock);
	e->has_sender = false;
	waiter_wake_all(&e->waiters);
	lock_drop(&e->lock);
}

/* ---- begin ---- */

/* CreateMultipartUpload with the attributes of ${row}. */
static int
create(struct entry *e, const char *key, const struct row *row, char **ret_id,
    uint64_t *ret_note)
{
	struct headers h = { 0 };
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_CREATE_MULTIPART_UPLOAD);
	r = headers_make(e->cache, row, true, &h);
	if (r == 0)
		r = sweep_begin(e->cache, key, row, ret_note);
	if (r == 0) {
		headers_apply(&h, &call);
		call.key = key;
		(void)s3_run(
		    e->cache->s3, &call, NULL); /* the result is there */
		r = trouble_errno(&call);
		sweep_answered(e->cache, ret_note, &call);
	}
	if (r == 0)
		*ret_id = TAKE(call.ret_upload_id);
	if (r == 0 && *ret_id == NULL)
		r = -EIO;
	s3_call_fini(&call);
	headers_fini(&h);
	return r;
}

/* The row that a streamed upload is begun with: as it is now, a new token; of
 * the row's family, if the row tells of a try that is not settled. */
static int
snapshot(struct entry *e, struct row *ret)
{
	char token[HEADERS_TOKEN_LEN + 1];
	int r = db_row_by_node(e->cache->db, e->node, ret);

	if (r < 0)
		return r;
	headers_token_like(
	    state_bytes_is_open((enum state_bytes)ret->byte_state) ? ret->token
								   : NULL,
	    token);
	free(ret->token);
	ret->token = strdup(token);
	if (e->mtime_ns != 0)
		ret->mtime_ns = e->mtime_ns;
	return ret->token == NULL ? -ENOMEM : 0;
}

/* The headers that stay are to be in that row.  What is not there, or is
 * another version, is told by the end. */
static int
learn(struct entry *e, const char *key)
{
	AUTO(row_fini) struct row row = { 0 };
	AUTO_FREE char *etag = NULL;
	int r = db_row_by_node(e->cache->db, e->node, &row);

	lock_take(&e->lock);
	if (r == 0 && e->etag != NULL) {
		etag = strdup(e->etag);
		r = etag == NULL ? -ENOMEM : 0;
	}
	lock_drop(&e->lock);
	if (r == 0)
		r = learn_version(e, key, etag, INT64_MAX, &row);
	return r == -ENOENT || r == -ESTALE || r > 0 ? 0 : r;
}

const char *
parts_token_locked(const struct entry *e)
{
	return e->upload == NULL ? NULL : e->upload->row.token;
}

uint64_t
parts_done_bytes_locked(const struct entry *e)
{
	uint64_t bytes = 0;

	for (size_t i = 0; e->upload != NULL && i < e->upload->count; i++)
		if (e->upload->parts[i].state == PART_SENT)
			bytes += e->upload->parts[i].plan.len;
	return bytes;
}

/*
 * See that the upload is begun; one does it, others wait.  ${row}: NULL: as
 * the row is now.  The entry's lock is held.
 */
static int
begin_locked(struct entry *e, struct row *row)
{
	struct upload *u = e->upload;
	AUTO_FREE char *key = NULL;
	uint64_t note = 0;
	char *id = NULL;
	int r;

	(void)parts_look_locked(e); /* upload.err has it */
	if (u->id != NULL || u->err < 0)
		return u->err;
	key = strdup(u->key);
	if (key == NULL)
		return -ENOMEM;
	u->is_beginning = true;
	row_fini(&u->row); /* of a try before */
	lock_drop(&e->lock);
	r = row != NULL ? 0 : learn(e, key);
	lock_take(&e->lock);
	if (row != NULL) {
		u->row = *row;
		*row = (struct row){ 0 };
	} else if (r == 0) {
		r = snapshot(e, &u->row);
	}
	lock_drop(&e->lock);
	if (r == 0)
		r = create(e, key, &u->row, &id, &note);
	lock_take(&e->lock);
	u->is_beginning = false;
	u->id = id;
	u->note = note;
	u->err = r;
	waiter_wake_all(&e->waiters);
	return r;
}

/* ---- one part ---- */

/* What a sender takes along without the lock. */
static int
send_part_init(struct entry *e, size_t i, struct send_part *ret)
{
	struct upload *u = e->upload;

	*ret = (struct send_part){ .number = (unsigned)i + 1 };
	if (i < u->found_count) {
		ret->found = u->found[i];
		u->found[i] = (struct s3_part){ 0 };
	}
	ret->key = strdup(u->key);
	ret->upload_id = strdup(u->id);
	ret->base_key = strdup(entry_base_key(e));
	if (entry_base_etag(e) != NULL)
		ret->base_etag = strdup(entry_base_etag(e));
	return ret->key == NULL || ret->upload_id == NULL ||
		       ret->base_key == NULL
		   ? -ENOMEM
		   : 0;
}

/* Send part ${i}.  The entry's lock is held, and given up meanwhile. */
static int
send_locked(struct entry *e, size_t i)
{
	struct upload *u = e->upload;
	struct part part = u->parts[i];
	struct frozen frozen = { .off = part.plan.off,
		.end = part.plan.off + part.plan.len };
	struct send_part what;
	struct s3_part sent = { 0 };
	int r;

	r = send_part_init(e, i, &what);
	if (IS_BROKEN("early_part"))
		frozen.end = frozen.off;
	u->parts[i].state = IS_BROKEN("early_part") ? PART_SENT : PART_SENDING;
	list_append(&e->frozen, &frozen.link);
	lock_drop(&e->lock);
	if (r == 0)
		r = part_send(e, &what, &part.plan, &sent);
	send_part_fini(&what);
	KILL_POINT("part.after");
	lock_take(&e->lock);
	list_remove(&frozen.link);
	part.state = r == 0 ? PART_SENT : PART_UNSENT;
	part.is_wanted = u->parts[i].is_wanted;
	part.sent = sent;
	u->parts[i] = part;
	if (r < 0 && u->err == 0)
		u->err = r;
	waiter_wake_all(&e->waiters);
	return r;
}

/* The next part to be sent, SIZE_MAX: none. */
static size_t
next_part(const struct upload *u)
{
	for (size_t i = 0; i < u->count; i++)
		if (u->parts[i].is_wanted && u->parts[i].state == PART_UNSENT)
			return i;
	return SIZE_MAX;
}

/* Send parts until there is none left. */
static void
send_parts_locked(struct entry *e)
{
	size_t i;

	while (e->upload->err == 0 && (i = next_part(e->upload)) != SIZE_MAX)
		(void)send_locked(e, i); /* upload.err has it */
}

/* On the pool. */
static void
run_sender(struct task *task)
{
	struct sender *s = (struct sender *)(void *)task;
	struct entry *e = s->entry;
	struct upload *u;

	lock_take(&e->lock);
	u = e->upload;
	/* It may have ended before there was a thread for this. */
	if (u != NULL && u->number == s->number) {
		/* Whoever takes it away waits for those that run. */
		u->running++;
		if (!e->is_unlinked && begin_locked(e, NULL) == 0)
			send_parts_locked(e);
		u->running--;
		u->senders--;
		waiter_wake_all(&e->waiters);
	}
	lock_drop(&e->lock);
	entry_put(e);
	free(s);
}

static void
post_sender_locked(struct entry *e)
{
	struct sender *s;

	if (e->upload->senders >= SENDERS_MAX)
		return;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return; /* the flush sends it */
	s->task.run = run_sender;
	s->entry = e;
	s->number = e->upload->number;
	entry_hold(e);
	e->upload->senders++;
	writeback_post(e->cache->writeback, &s->task);
}

/* ---- while the file is written ---- */

/* Have room for part number ${number} of the schedule, and all before. */
static int
grow_parts(struct entry *e, unsigned number)
{
	struct upload *u = e->upload;
	struct part *parts;

	if (u->count >= number)
		return 0;
	parts = realloc(u->parts, number * sizeof(*parts));
	if (parts == NULL)
		return -ENOMEM;
	u->parts = parts;
	for (size_t i = u->count; i < number; i++) {
		parts[i] = (struct part){ 0 };
		plan_schedule((unsigned)i + 1, e->cache->config.part_size,
		    &parts[i].plan.off, &parts[i].plan.len);
	}
	u->count = number;
	return 0;
}

/* Parts that hold bytes of [off, end) are to be sent again. */
static void
unsend(struct upload *u, uint64_t off, uint64_t end)
{
	for (size_t i = 0; i < u->count; i++) {
		struct part *part = &u->parts[i];

		if (part->plan.off >= end ||
		    part->plan.off + part->plan.len <= off)
			continue;
		if (part->state == PART_SENT) {
			free(part->sent.etag);
			part->sent.etag = NULL;
			part->state = PART_UNSENT;
		}
		/* A part that is gone over again: not before the flush. */
		if (part->state == PART_UNSENT)
			part->is_wanted = false;
	}
}

void
parts_changed_locked(struct entry *e, uint64_t off, uint64_t end)
{
	uint64_t part_size = e->cache->config.part_size, start, len;
	struct range range;
	unsigned number;

	if (e->upload != NULL)
		unsend(e->upload, off, end);
	if (e->chunk.base_size > 0 || e->is_unlinked || end > e->size)
		return;
	number = plan_schedule_at(off > 0 ? off - 1 : 0, part_size);
	if (number == 0 || plan_schedule_at(end - 1, part_size) == number)
		return;
	/* The write went on from the end of a part into the next one. */
	plan_schedule(number, part_size, &start, &len);
	range = (struct range){ start, start + len };
	if (!rangeset_has(&e->chunk.dirty, range.off, range.end) ||
	    chunk_is_hole(&e->chunk, &range))
		return; /* not whole; or zeros, which the flush has copied */
	if (e->upload == NULL)
		e->upload = parts_upload_new_locked(e, e->key);
	if (e->upload == NULL || grow_parts(e, number) < 0)
		return; /* the flush sends it */
	e->upload->parts[number - 1].is_wanted = true;
	post_sender_locked(e);
}

/* ---- flush ---- */

/* Wait until no thread works for the upload.  Those that wait for a thread
 * are not waited for: all threads may be here. */
static void
settle_locked(struct entry *e)
{
	while (e->upload != NULL && e->upload->running > 0)
		parts_wait_locked(e);
}

void
parts_forget(struct entry *e)
{
	struct upload *u;

	lock_take(&e->lock);
	settle_locked(e);
	u = TAKE(e->upload);
	lock_drop(&e->lock);
	if (u != NULL)
		sweep_end(e->cache, u->note);
	parts_upload_free(u);
}

void
parts_abort(struct entry *e)
{
	struct s3_call call;
	struct upload *u;
	int r;

	lock_take(&e->lock);
	if (e->upload != NULL && e->upload->err == 0)
		e->upload->err = -ECANCELED;
	settle_locked(e);
	u = TAKE(e->upload);
	lock_drop(&e->lock);
	if (u != NULL && u->id != NULL) {
		s3_call_init(&call, S3_ABORT_MULTIPART_UPLOAD);
		call.key = u->key;
		call.upload_id = u->id;
		/* The next mount tries again. */
		r = s3_run(e->cache->s3, &call, NULL);
		s3_call_fini(&call);
		if (r == 0 || r == -ENOENT)
			sweep_end(e->cache, u->note);
	}
	parts_upload_free(u);
}

void
parts_failed(struct entry *e, int err)
{
	bool is_kept;

	lock_take(&e->lock);
	settle_locked(e);
	if (e->upload != NULL)
		parts_forgive_locked(e->upload);
	is_kept = parts_is_away(err) && e->upload != NULL &&
		  e->upload->err == 0 && e->upload->id != NULL;
	lock_drop(&e->lock);
	if (!is_kept)
		parts_abort(e);
}

/* Whether ${part} is what ${plan} has in its place, and sent.  Zeros are the
 * same bytes, however they went there. */
static bool
fits(const struct part *part, const struct plan_part *plan)
{
	return part->state == PART_SENT && part->plan.off == plan->off &&
	       part->plan.len == plan->len &&
	       (part->plan.kind == PLAN_COPY) == (plan->kind == PLAN_COPY);
}

/* The parts of ${plan}, with what is sent already. */
static int
adopt_plan_locked(struct entry *e, const struct plan *plan)
{
	struct upload *u = e->upload;
	struct part *parts = calloc(plan->count, sizeof(*parts));

	if (parts == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < u->count; i++) {
		if (i < plan->count && fits(&u->parts[i], &plan->parts[i]))
			parts[i] = u->parts[i];
		else
			free(u->parts[i].sent.etag);
	}
	for (size_t i = 0; i < plan->count; i++) {
		parts[i].plan = plan->parts[i];
		parts[i].is_wanted = true;
	}
	free(u->parts);
	u->parts = parts;
	u->count = plan->count;
	return 0;
}

static int
take_done(struct upload *u, struct parts_done *ret)
{
	ret->upload_id = strdup(u->id);
	ret->token = strdup(u->row.token);
	ret->parts = calloc(u->count, sizeof(*ret->parts));
	if (ret->upload_id == NULL || ret->token == NULL || ret->parts == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < u->count; i++) {
		ret->parts[i] = u->parts[i].sent;
		ret->parts[i].etag = strdup(u->parts[i].sent.etag);
		ret->count = i + 1;
		if (ret->parts[i].etag == NULL)
			return -ENOMEM;
	}
	return row_copy(&ret->row, &u->row); /* it may be completed again */
}

/* Send all that is missing, with the help of others. */
static int
send_all_locked(struct entry *e, struct row *row)
{
	struct upload *u = e->upload;
	size_t unsent = 0;
	int r;

	r = begin_locked(e, row);
	if (r < 0)
		return r;
	for (size_t i = 0; i < u->count; i++)
		unsent += u->parts[i].state == PART_UNSENT ? 1 : 0;
	for (size_t i = 1; i < unsent && i < SENDERS_MAX; i++)
		post_sender_locked(e);
	send_parts_locked(e);
	settle_locked(e);
	return u->err;
}

int
parts_flush(struct entry *e, const char *key, const struct row *row,
    const struct plan *plan, struct parts_done *ret)
{
	struct row copy = { 0 };
	bool other;
	int r;

	lock_take(&e->lock);
	settle_locked(e);
	if (e->upload != NULL)
		parts_forgive_locked(e->upload);
	other = e->upload != NULL &&
		(e->upload->err < 0 || strcmp(e->upload->key, key) != 0);
	lock_drop(&e->lock);
	if (other)
		parts_abort(e);
	r = row_copy(&copy, row);
	lock_take(&e->lock);
	settle_locked(e); /* one may have begun since */
	if (r == 0 && e->upload == NULL)
		e->upload = parts_upload_new_locked(e, key);
	if (e->upload == NULL)
		r = -ENOMEM;
	else
		parts_forgive_locked(e->upload);
	if (r == 0)
		r = adopt_plan_locked(e, plan);
	if (r == 0)
		r = send_all_locked(e, &copy);
	if (r == 0)
		r = take_done(e->upload, ret);
	lock_drop(&e->lock);
	row_fini(&copy);
	if (r < 0)
		parts_done_fini(ret);
	return r;
}

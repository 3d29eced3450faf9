/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts_resume.c - go on with the multipart upload that an earlier mount began.
 *
 * Role:    takes it over from sweep.c, and asks which parts S3 has of it; what
 *          they are worth is part.c's to say, one by one, when they are due.
 * S3:      API_ListParts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/entry.h"
#include "cache/parts.h"
#include "cache/parts_upload.h"
#include "cache/sweep.h"
#include "cache/trouble.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

void
parts_resume(struct entry *e)
{
	struct sweep_upload found = { 0 };
	struct upload *u = NULL;

	lock_take(&e->lock);
	if (e->upload == NULL)
		u = parts_upload_new_locked(e, e->key);
	/* If that fails, it is swept, and all is sent again. */
	if (u != NULL && sweep_claim(e->cache, e->key, &found) == 0) {
		u->id = TAKE(found.upload_id);
		u->note = found.note;
		u->row = found.row;
		found.row = (struct row){ 0 };
		u->is_earlier = true;
		e->upload = TAKE(u);
	}
	lock_drop(&e->lock);
	sweep_upload_fini(&found);
	parts_upload_free(u);
}

/* The parts of ${call}, by their numbers. */
static int
take_parts(struct upload *u, struct s3_call *call)
{
	size_t count = 0;

	for (size_t i = 0; i < call->ret_parts_count; i++)
		if (call->ret_parts[i].number > count)
			count = call->ret_parts[i].number;
	u->found = calloc(count + 1, sizeof(*u->found));
	if (u->found == NULL)
		return -ENOMEM;
	u->found_count = count;
	for (size_t i = 0; i < call->ret_parts_count; i++) {
		struct s3_part *part = &call->ret_parts[i];
		struct s3_part *to = &u->found[part->number - 1];

		free(to->etag);
		*to = *part;
		part->etag = NULL;
	}
	return 0;
}

/* It was completed or aborted: the next one is begun. */
static void
forget_locked(struct entry *e)
{
	struct upload *u = e->upload;

	sweep_end(e->cache, u->note);
	u->note = 0;
	free(u->id);
	u->id = NULL;
	row_fini(&u->row);
}

int
parts_look_locked(struct entry *e)
{
	struct upload *u = e->upload;
	struct s3_call call;
	int r;

	while (u->is_beginning)
		parts_wait_locked(e);
	if (!u->is_earlier || u->err < 0)
		return u->err;
	u->is_beginning = true; /* so key and id stay */
	lock_drop(&e->lock);
	s3_call_init(&call, S3_LIST_PARTS);
	call.key = u->key;
	call.upload_id = u->id;
	(void)s3_run(e->cache->s3, &call, NULL); /* the result is there */
	r = trouble_errno(&call);
	lock_take(&e->lock);
	u->is_beginning = false;
	waiter_wake_all(&e->waiters);
	if (r == 0)
		r = take_parts(u, &call);
	if (r == 0)
		log_info("an upload of '%s' goes on that an earlier mount "
			 "began: %zu parts are there",
		    u->key, call.ret_parts_count);
	if (r == -ENOENT)
		forget_locked(e);
	s3_call_fini(&call);
	/* A server that does not tell: all is sent again, in the same upload.
	 */
	u->err = parts_is_away(r) || r == -ENOMEM ? r : 0;
	u->is_earlier = u->err < 0;
	return u->err;
}

/* The part of the schedule that S3 may have under ${i}, len 0: none. */
static struct plan_part
found_part(const struct entry *e, size_t i)
{
	const struct upload *u = e->upload;
	struct plan_part part = { .kind = PLAN_UPLOAD };

	if (i >= u->found_count || u->found[i].number == 0)
		return part;
	plan_schedule(
	    (unsigned)i + 1, e->cache->config.part_size, &part.off, &part.len);
	if (part.len != u->found[i].size)
		part.len = 0;
	return part;
}

int
parts_sent_locked(struct entry *e, struct plan *ret)
{
	struct upload *u = e->upload;
	size_t count;
	int r;

	if (u == NULL)
		return 0;
	parts_forgive_locked(u);
	r = parts_look_locked(e);
	count = u->count > u->found_count ? u->count : u->found_count;
	if (r < 0 || count == 0)
		return parts_is_away(r) ? r : 0;
	ret->parts = calloc(count, sizeof(*ret->parts));
	if (ret->parts == NULL)
		return -ENOMEM;
	ret->count = count;
	for (size_t i = 0; i < count; i++)
		if (i < u->count &&
		    (u->parts[i].is_wanted || u->parts[i].state != PART_UNSENT))
			ret->parts[i] = u->parts[i].plan;
		else
			ret->parts[i] = found_part(e, i);
	return 0;
}

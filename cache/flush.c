/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flush.c - one version on its way: COPY, PUT or multipart.
 */
#include "cache/flush.h"

#include <errno.h>
#include <string.h>

#include "cache/copy.h"
#include "cache/core.h"
#include "cache/headers.h"
#include "cache/learn.h"
#include "cache/parts.h"
#include "cache/plan.h"
#include "cache/probe.h"
#include "cache/send.h"
#include "cache/trouble.h"
#include "cache/zero.h"
#include "s3/base/cleanup.h"
#include "s3/base/text.h"

/* The condition of the request that replaces the object. */
static int
condition(struct flush *f, enum probe_kind match, enum probe_kind absent,
    struct s3_call *call)
{
	int r = 0;

	call->key = f->key;
	if (f->etag != NULL) {
		call->if_match = f->etag;
		if (!f->is_seen)
			r = probe_check(f->cache, match, f->key, f->etag, NULL);
	} else if (f->is_new) {
		call->if_none_match = "*";
		r = probe_check(f->cache, absent, f->key, NULL, NULL);
	}
	return r;
}

static int
put(struct flush *f)
{
	struct headers h = { 0 };
	struct s3_call call;
	int r;

	parts_abort(f->entry); /* it was larger once */
	s3_call_init(&call, S3_PUT_OBJECT);
	r = headers_make(f->cache, &f->row, true, &h);
	if (r == 0)
		r = condition(f, PROBE_PUT_MATCH, PROBE_PUT_ABSENT, &call);
	if (r == 0) {
		headers_apply(&h, &call);
		r = send_body(f->entry, 0, f->size, &call);
	}
	settle_take(&f->out, f->cache, &call);
	s3_call_fini(&call);
	headers_fini(&h);
	return r;
}

static bool
same_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

bool
flush_same_attrs(const struct row *a, const struct row *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       a->atime_ns == b->atime_ns &&
	       same_bytes(a->meta, a->meta_len, b->meta, b->meta_len);
}

static int
complete(struct flush *f, struct parts_done *done)
{
	struct s3_call call;
	int r;

	free(f->row.token);
	f->row.token = TAKE(done->token);
	f->stale_attrs = !flush_same_attrs(&done->row, &f->row);
	if (!f->has_times)
		f->row.mtime_ns = done->row.mtime_ns;
	else if (f->row.mtime_ns != done->row.mtime_ns)
		f->stale_attrs = true;
	s3_call_init(&call, S3_COMPLETE_MULTIPART_UPLOAD);
	call.upload_id = done->upload_id;
	call.parts = done->parts;
	call.parts_count = done->count;
	call.complete_size = f->size;
	r = condition(f, PROBE_COMPLETE_MATCH, PROBE_COMPLETE_ABSENT, &call);
	if (r == 0) {
		keylock_set_sending(&f->cache->keylocks, f->key, true);
		(void)s3_run(f->cache->s3, &call, NULL); /* as below */
		r = trouble_errno(&call);
	}
	settle_take(&f->out, f->cache, &call);
	s3_call_fini(&call);
	return r;
}

static int
multipart(struct flush *f, const struct plan *plan)
{
	struct parts_done done = { 0 };
	int r;

	r = parts_flush(f->entry, f->key, &f->row, plan, &done);
	if (r < 0) {
		settle_none(&f->out);
		return r;
	}
	r = complete(f, &done);
	parts_done_fini(&done);
	if (r == -EIO && !f->out.unsure) /* S3 has lost a part */
		parts_abort(f->entry);
	return r;
}

/* CopyObject: not a byte is moved. */
static int
copy_clone(struct flush *f)
{
	struct copy_result result = { 0 };
	struct copy what = { .key = f->key,
		.size = f->size,
		.if_match = f->etag,
		.if_absent = f->etag == NULL && f->is_new,
		.replace_meta = true };
	AUTO_FREE char *key = NULL;
	AUTO_FREE char *etag = NULL;
	struct headers h = { 0 };
	int r;

	parts_abort(f->entry); /* it was another file once */
	lock_take(&f->entry->lock);
	key = text_copy(f->entry->base_key);
	etag = text_copy(f->entry->base_etag);
	lock_drop(&f->entry->lock);
	what.source_key = key;
	what.source_etag = etag;
	r = key == NULL ? -ENOMEM : headers_make(f->cache, &f->row, true, &h);
	if (r == 0) {
		what.content_type = h.content_type;
		what.meta = h.meta;
		what.meta_count = h.meta_count;
		r = copy_run(f->cache, &what, NULL, &result);
	}
	text_set(&f->out.etag, TAKE(result.etag));
	text_set(&f->out.version_id, TAKE(result.version_id));
	f->out.attempts = result.attempts;
	f->out.unsure = result.unsure;
	f->out.sent_ms = result.sent_ms;
	copy_result_fini(&result);
	headers_fini(&h);
	return r;
}

/* Plan it; ${zeros} and ${sent} are empty, for the time of the call. */
static int
make_plan(struct flush *f, struct rangeset *zeros, struct plan *sent,
    struct plan *ret)
{
	struct entry *e = f->entry;
	struct plan_version version = { .size = f->size,
		.base_size = f->base_size,
		.changed = &e->chunk.dirty,
		.zeros = zeros,
		.zero_size = zero_size(f->cache),
		.part_size = f->cache->config.part_size,
		.sent = sent };
	AUTO_FREE char *etag = NULL;
	int r = 0;

	if (f->size > PLAN_PUT_MAX && version.zero_size > 0)
		r = zero_find(e, zeros);
	lock_take(&e->lock);
	if (r == 0 && f->size > PLAN_PUT_MAX)
		r = parts_sent_locked(e, sent);
	if (r == 0)
		r = plan_make(&version, ret);
	lock_drop(&e->lock);
	if (r < 0 || plan_bytes(ret, PLAN_ZERO) == 0 ||
	    zero_get(f->cache, plan_bytes(ret, PLAN_ZERO), &etag) == 0)
		return r;
	/* They are sent like other bytes. */
	plan_fini(ret);
	version.zero_size = 0;
	lock_take(&e->lock);
	r = plan_make(&version, ret);
	lock_drop(&e->lock);
	return r;
}

/* Have [off, end) here: it is fetched now rather than soon. */
static int
localise(struct entry *e, uint64_t off, uint64_t end)
{
	struct reader keep = { .off = off, .end = end };
	int r;

	lock_take(&e->lock);
	list_append(&e->readers, &keep.link);
	lock_drop(&e->lock);
	r = send_localise(e, off, end);
	lock_take(&e->lock);
	list_remove(&keep.link);
	lock_drop(&e->lock);
	return r == -ENOSPC ? 0 : r; /* then it goes through memory */
}

/* What the first request fetches that needs bytes of the object: that tells of
 * its headers, too. */
static int
fetch_first(struct flush *f, const struct plan *plan)
{
	struct entry *e = f->entry;
	bool has_base;

	lock_take(&e->lock);
	has_base = e->base_key != NULL;
	lock_drop(&e->lock);
	if (has_base)
		return 0;
	if (plan->parts == NULL)
		return localise(e, 0, f->size);
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_part *part = &plan->parts[i];
		bool is_here;

		lock_take(&e->lock);
		is_here = rangeset_has(
		    &e->chunk.present, part->off, part->off + part->len);
		lock_drop(&e->lock);
		if (part->kind == PLAN_UPLOAD && !is_here)
			return localise(e, part->off, part->off + part->len);
	}
	return 0;
}

/* Headers that are to stay are known before they are written over. */
static int
learn(struct flush *f, const struct plan *plan)
{
	bool is_put = !f->is_clone && plan->parts == NULL;
	int64_t since_ms = cache_now_ms(f->cache);
	int r = 0;

	f->is_seen = false;
	if (!f->has_name || f->is_new || f->row.attrs != ROW_ATTRS_NONE)
		return 0;
	if (is_put) /* not between the HEAD and the PUT */
		r = probe_has(f->cache, PROBE_PUT_MATCH, NULL);
	if (r >= 0)
		r = fetch_first(f, plan);
	if (r >= 0)
		r = learn_version(f->entry, f->key, f->etag, since_ms, &f->row);
	f->is_seen = is_put && r > 0;
	return r < 0 ? r : 0;
}

/* COPY, PUT or multipart, as planned. */
int
flush_send(struct flush *f)
{
	struct plan sent = { 0 }, plan = { 0 };
	struct rangeset zeros;
	int r = 0;

	/* What of the base is read first is gone if it is not found. */
	keylock_set_sending(&f->cache->keylocks, f->key, false);
	rangeset_init(&zeros);
	if (!f->is_clone)
		r = make_plan(f, &zeros, &sent, &plan);
	rangeset_fini(&zeros);
	plan_fini(&sent);
	if (r == 0)
		r = learn(f, &plan);
	if (r == 0 && f->is_clone)
		r = copy_clone(f);
	else if (r == 0)
		r = plan.parts == NULL ? put(f) : multipart(f, &plan);
	plan_fini(&plan);
	return r;
}

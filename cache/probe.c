/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - which conditions the server honours.
 *
 * Role:    for a kind of call, make an object of our own, send the call with a
 *          condition that cannot hold, see whether it is refused, and delete
 *          the object again.
 * S3:      "conditional writes", "conditional deletes"; 412 is -ESTALE.
 */
#include "cache/probe.h"
#include "cache/sweep.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/headers.h"
#include "s3/base/cleanup.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/base/wait.h"

#define AGAIN_MS INT64_C(604800000) /* 7 days */
#define FOLDER   ".pailfs/probe/"
#define HOST_MAX 64
#define BODY     "an object of pailfs; it may be deleted\n"
#define TYPE     "text/plain"
#define NOBODYS  "\"00000000000000000000000000000000\"" /* an ETag */

/* The condition that is tried. */
enum condition {
	MATCH,
	ABSENT,
	SOURCE
};

static const struct kind {
	const char *setting; /* its name in the database */
	const char *what;    /* for people */
	enum s3_kind call;
	enum condition condition;
} kinds[PROBE_KIND_COUNT] = {
	[PROBE_PUT_MATCH] = { "probe.put-match", "If-Match of PutObject",
	    S3_PUT_OBJECT, MATCH },
	[PROBE_PUT_ABSENT] = { "probe.put-absent", "If-None-Match of PutObject",
	    S3_PUT_OBJECT, ABSENT },
	[PROBE_COMPLETE_MATCH] = { "probe.complete-match",
	    "If-Match of CompleteMultipartUpload", S3_COMPLETE_MULTIPART_UPLOAD,
	    MATCH },
	[PROBE_COMPLETE_ABSENT] = { "probe.complete-absent",
	    "If-None-Match of CompleteMultipartUpload",
	    S3_COMPLETE_MULTIPART_UPLOAD, ABSENT },
	[PROBE_COPY_MATCH] = { "probe.copy-match", "If-Match of CopyObject",
	    S3_COPY_OBJECT, MATCH },
	[PROBE_COPY_ABSENT] = { "probe.copy-absent",
	    "If-None-Match of CopyObject", S3_COPY_OBJECT, ABSENT },
	[PROBE_COPY_SOURCE] = { "probe.copy-source",
	    "x-amz-copy-source-if-match of CopyObject", S3_COPY_OBJECT,
	    SOURCE },
	[PROBE_DELETE_MATCH] = { "probe.delete-match",
	    "If-Match of DeleteObject", S3_DELETE_OBJECT, MATCH },
	[PROBE_DELETES_MATCH] = { "probe.deletes-match",
	    "the ETags of DeleteObjects", S3_DELETE_OBJECTS, MATCH },
};

struct known {
	bool is_known;
	bool has;
	int64_t asked_ms; /* cache clock */
};

struct probes {
	struct cache *cache; /* [I] */
	struct lock lock;    /* a leaf */
	struct list waiters; /* [lock] struct waiter: for who probes */
	bool is_busy;        /* [lock] one probes */
	bool is_denied;      /* of who probes: said that it is not allowed */
	struct known known[PROBE_KIND_COUNT]; /* [lock] */
};

int
probes_new(struct cache *c, struct probes **ret)
{
	struct probes *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->cache = c;
	lock_init(&p->lock);
	list_init(&p->waiters);
	*ret = p;
	return 0;
}

void
probes_free(struct probes *p)
{
	if (p == NULL)
		return;
	lock_fini(&p->lock);
	free(p);
}

/* ---- asking the server ---- */

/* PREFIX.pailfs/probe/HOST-RANDOM */
static int
make_key(struct cache *c, struct buf *ret)
{
	char host[HOST_MAX + 1] = "", token[HEADERS_TOKEN_LEN + 1];

	if (gethostname(host, sizeof(host) - 1) < 0 || host[0] == '\0')
		(void)snprintf(host, sizeof(host), "host");
	for (char *s = host; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && *s != '.')
			*s = '-';
	headers_token(token);
	return buf_printf(
	    ret, "%s" FOLDER "%s-%s", c->config.prefix, host, token);
}

/* Fill in what a PUT or part carries. */
static void
add_body(struct s3_call *call)
{
	call->body = BODY;
	call->body_len = strlen(BODY);
}

static void
add_condition(struct s3_call *call, enum condition condition)
{
	switch (condition) {
	case MATCH:
		call->if_match = NOBODYS;
		break;
	case ABSENT:
		call->if_none_match = "*";
		break;
	case SOURCE:
		call->source_if_match = NOBODYS;
		break;
	}
}

/* What a call with a condition that does not hold says: 1 it is honoured,
 * 0 it is not, -errno. */
static int
verdict(int r)
{
	if (r == -ESTALE)
		return 1;
	return r;
}

static int
run(struct cache *c, struct s3_call *call, struct waiter *w)
{
	int r = s3_run(c->s3, call, w);

	log_debug("probe call=%s key=%s err=%d request=%s",
	    s3_kind_name(call->kind), call->key == NULL ? "" : call->key, r,
	    call->result.request_id);
	return r;
}

/* PutObject, CopyObject onto itself, DeleteObject. */
static int
try_simple(
    struct cache *c, const struct kind *kind, const char *key, struct waiter *w)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, kind->call);
	call.key = key;
	if (kind->call == S3_PUT_OBJECT)
		add_body(&call);
	if (kind->call == S3_COPY_OBJECT) {
		call.source_key = key;
		call.replace_meta = true; /* else it is none to itself */
	}
	if (kind->call != S3_DELETE_OBJECT)
		call.content_type = TYPE;
	add_condition(&call, kind->condition);
	r = run(c, &call, w);
	s3_call_fini(&call);
	return verdict(r);
}

static int
try_deletes(struct cache *c, const char *key, struct waiter *w)
{
	struct s3_delete one = { .key = key, .if_match = NOBODYS };
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_DELETE_OBJECTS);
	call.deletes = &one;
	call.deletes_count = 1;
	r = run(c, &call, w);
	s3_call_fini(&call);
	return verdict(r == 0 ? one.err : r);
}

static int
send_part(
    struct cache *c, const char *key, struct s3_call *part, struct waiter *w)
{
	int r;

	part->key = key;
	part->part_number = 1;
	add_body(part);
	r = run(c, part, w);
	return r == 0 && part->ret_parts_count == 0 ? -EIO : r;
}

static void
abort_upload(
    struct cache *c, const char *key, const char *upload_id, uint64_t note)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_ABORT_MULTIPART_UPLOAD);
	call.key = key;
	call.upload_id = upload_id;
	r = run(c, &call, NULL);
	s3_call_fini(&call);
	if (r == 0 || r == -ENOENT)
		sweep_end(c, note);
}

static int
try_complete(
    struct cache *c, const struct kind *kind, const char *key, struct waiter *w)
{
	struct s3_call create, part, call;
	uint64_t note;
	int r = sweep_begin(c, key, NULL, &note);

	if (r < 0)
		return r;

	s3_call_init(&create, S3_CREATE_MULTIPART_UPLOAD);
	s3_call_init(&part, S3_UPLOAD_PART);
	s3_call_init(&call, S3_COMPLETE_MULTIPART_UPLOAD);
	create.key = key;
	create.content_type = TYPE;
	r = run(c, &create, w);
	sweep_answered(c, &note, &create);
	part.upload_id = create.ret_upload_id;
	if (r == 0)
		r = send_part(c, key, &part, w);
	if (r == 0) {
		call.key = key;
		call.upload_id = create.ret_upload_id;
		call.parts = part.ret_parts;
		call.parts_count = 1;
		call.complete_size = strlen(BODY);
		add_condition(&call, kind->condition);
		r = run(c, &call, w);
	}
	if (r < 0 && create.ret_upload_id != NULL)
		abort_upload(c, key, create.ret_upload_id, note);
	else
		sweep_end(c, note);
	s3_call_fini(&call);
	s3_call_fini(&part);
	s3_call_fini(&create);
	return verdict(r);
}

/* Make the object, or delete it. */
static int
put_object(struct cache *c, const char *key, struct waiter *w)
{
	struct s3_call call;
	int r;

	s3_call_init(&call, S3_PUT_OBJECT);
	call.key = key;
	call.content_type = TYPE;
	add_body(&call);
	r = run(c, &call, w);
	s3_call_fini(&call);
	return r;
}

static void
delete_object(struct cache *c, const char *key)
{
	struct s3_call call;

	s3_call_init(&call, S3_DELETE_OBJECT);
	call.key = key;
	(void)run(c, &call, NULL); /* what stays is small and says what it is */
	s3_call_fini(&call);
}

static int
try_kind(
    struct cache *c, const struct kind *kind, const char *key, struct waiter *w)
{
	if (kind->call == S3_DELETE_OBJECTS)
		return try_deletes(c, key, w);
	if (kind->call == S3_COMPLETE_MULTIPART_UPLOAD)
		return try_complete(c, kind, key, w);
	return try_simple(c, kind, key, w);
}

/* Whether ${err} says that asking again would not help. */
static bool
is_refusal(int err)
{
	return err == -EACCES || err == -EINVAL || err == -EOPNOTSUPP ||
	       err == -ENAMETOOLONG || err == -EOVERFLOW;
}

static int
ask(struct cache *c, const struct kind *kind, struct waiter *w)
{
	struct buf key = BUF_INIT(S3_KEY_MAX);
	bool is_made = false;
	int r = make_key(c, &key);

	if (r == 0) {
		r = put_object(c, buf_str(&key), w);
		is_made = r == 0 || !is_refusal(r);
	}
	if (r == 0)
		r = try_kind(c, kind, buf_str(&key), w);
	if (is_made)
		delete_object(c, buf_str(&key));
	buf_fini(&key);
	return r;
}

/* ---- remembering ---- */

static bool
is_young(const struct cache *c, int64_t asked_ms)
{
	int64_t age = cache_now_ms(c) - asked_ms;

	return age >= 0 && age < AGAIN_MS;
}

/* What the database knows: "yes TIME" or "no TIME". */
static bool
load(struct cache *c, const struct kind *kind, struct known *ret)
{
	struct buf text = BUF_INIT(64);
	char word[4] = "";
	int64_t ms = 0;
	bool is_good;

	is_good = db_get_setting(c->db, kind->setting, &text) == 0 &&
		  sscanf(buf_str(&text), "%3s %" SCNd64, word, &ms) == 2 &&
		  (strcmp(word, "yes") == 0 || strcmp(word, "no") == 0) &&
		  is_young(c, ms);
	buf_fini(&text);
	if (is_good)
		*ret = (struct known){ true, word[0] == 'y', ms };
	return is_good;
}

static void
store(struct cache *c, const struct kind *kind, const struct known *known)
{
	char text[64];
	int r;

	(void)snprintf(text, sizeof(text), "%s %" PRId64,
	    known->has ? "yes" : "no", known->asked_ms);
	r = db_set_setting(c->db, kind->setting, text);
	log_debug("probe %s=%s stored=%d", kind->setting, text, r);
}

/* The server, or a policy of the bucket, does not let us ask. */
static void
say_refused(struct probes *p, const struct kind *kind, int err)
{
	if (err != -EACCES)
		log_warn("cannot find out whether the server honours %s (%s): "
			 "taken as no",
		    kind->what, strerror(-err));
	else if (!p->is_denied)
		log_warn("cannot find out which conditions the server "
			 "honours: allow objects under '%s" FOLDER
			 "'; taken as none",
		    p->cache->config.prefix);
	p->is_denied = p->is_denied || err == -EACCES;
}

/* Find out, from the database or the server.  Only one thread does. */
static int
find_out(struct probes *p, const struct kind *kind, struct waiter *w,
    struct known *ret)
{
	struct cache *c = p->cache;
	int r = 0;

	if (!load(c, kind, ret)) {
		r = ask(c, kind, w);
		if (r < 0 && !is_refusal(r))
			return r;
		*ret = (struct known){ true, r > 0, cache_now_ms(c) };
		if (r >= 0)
			store(c, kind, ret);
	}
	if (r < 0)
		say_refused(p, kind, r);
	else if (!ret->has)
		log_warn("the server ignores %s: a HEAD just before stands in "
			 "for it, which another writer may slip past",
		    kind->what);
	return 0;
}

/* Wait until who probes is done.  Returns: 0; -EINTR. */
static int wait_turn_locked(struct probes *p, struct waiter *w)
    LOCK_HELD(p->lock);

static int
wait_turn_locked(struct probes *p, struct waiter *w)
{
	int r;

	waiter_reset(w);
	list_append(&p->waiters, &w->link);
	lock_drop(&p->lock);
	r = waiter_wait(w, WAIT_FOREVER);
	lock_take(&p->lock);
	list_remove(&w->link);
	return r;
}

static bool
is_known_locked(const struct probes *p, enum probe_kind kind)
{
	return p->known[kind].is_known &&
	       is_young(p->cache, p->known[kind].asked_ms);
}

static int
has(struct probes *p, enum probe_kind kind, struct waiter *w,
    struct waiter *turn)
{
	struct known found = { 0 };
	int r = 0;

	lock_take(&p->lock);
	while (r == 0 && p->is_busy && !is_known_locked(p, kind))
		r = wait_turn_locked(p, turn);
	if (r == 0 && !is_known_locked(p, kind)) {
		p->is_busy = true;
		lock_drop(&p->lock);
		r = find_out(p, &kinds[kind], w, &found);
		lock_take(&p->lock);
		if (r == 0)
			p->known[kind] = found;
		p->is_busy = false;
		waiter_wake_all(&p->waiters);
	}
	if (r == 0)
		r = p->known[kind].has ? 1 : 0;
	lock_drop(&p->lock);
	return r;
}

int
probe_has(struct cache *c, enum probe_kind kind, struct waiter *w)
{
	struct waiter own;
	int r;

	if (w != NULL)
		return has(c->probes, kind, w, w);
	waiter_init(&own);
	r = has(c->probes, kind, NULL, &own);
	waiter_fini(&own);
	return r;
}

int
probe_check(struct cache *c, enum probe_kind kind, const char *key,
    const char *etag, struct waiter *w)
{
	struct s3_call head;
	int r = probe_has(c, kind, w);

	if (r != 0)
		return r < 0 ? r : 0;
	s3_call_init(&head, S3_HEAD_OBJECT);
	head.key = key;
	r = s3_run(c->s3, &head, w);
	if (r == -ENOENT)
		r = etag == NULL ? 0 : -ESTALE;
	else if (r == 0 && (etag == NULL || head.object.etag == NULL ||
			       strcmp(head.object.etag, etag) != 0))
		r = -ESTALE;
	s3_call_fini(&head);
	return r;
}

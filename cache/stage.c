/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage.c - a file that the cache has no room for goes to S3 before it is
 * closed.
 *
 * States:  none changes: of the name and the row, nothing is sent.
 * S3:      as an upload (flush.c), without a condition: the key is new.
 *          API_DeleteObject.
 */
#include "cache/stage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/db_stage.h"
#include "cache/entry.h"
#include "cache/evict.h"
#include "cache/fetch.h"
#include "cache/flush.h"
#include "cache/headers.h"
#include "cache/nameless.h"
#include "cache/outage.h"
#include "cache/parts.h"
#include "cache/trouble.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/text.h"
#include "s3/base/wait.h"

/* So long one that could not be staged is not tried again. */
#define AGAIN_MS 5000

/* Likewise the sweep, where an object could not be deleted. */
#define SWEEP_AGAIN_MS 60000

struct stages {
	struct cache *cache; /* [I] */
	char *folder;        /* [I] owned: keys begin so */
	struct lock lock;    /* a leaf */
	struct task task;
	bool is_posted;       /* [lock] */
	bool is_again;        /* [lock] */
	bool is_stopped;      /* [lock] */
	int64_t failed_ms;    /* [lock] monotonic: when the last sweep could not
				 delete one; 0: it could */
	bool is_told;         /* of the sweep: that was in the log */
	struct waiter waiter; /* of the sweep */
};

/* One file that is to be staged. */
struct stager {
	struct task task;
	struct entry *entry; /* a reference */
};

/* ---- keys ---- */

/* The word of this cache folder. */
static int
find_owner(struct cache *c, struct buf *ret)
{
	char token[HEADERS_TOKEN_LEN + 1];
	int r = db_get_setting(c->db, "owner", ret);

	if (r != -ENOENT)
		return r;
	headers_token(token);
	r = db_set_setting(c->db, "owner", token);
	return r == 0 ? buf_add_str(ret, token) : r;
}

static int
make_folder(struct cache *c, char **ret)
{
	struct buf owner = BUF_INIT(64), folder = BUF_INIT(S3_KEY_MAX * 2);
	int r = find_owner(c, &owner);

	if (r == 0)
		r = buf_printf(&folder, "%s.pailfs/%s/stage/", c->config.prefix,
		    buf_str(&owner));
	if (r == 0)
		r = buf_take(&folder, ret);
	buf_fini(&owner);
	buf_fini(&folder);
	return r;
}

bool
stage_has_key(const struct cache *c, const char *key)
{
	const char *folder = c->stages->folder;

	return strncmp(key, folder, strlen(folder)) == 0;
}

/* A key for a new object, noted.  -ENAMETOOLONG: a prefix may leave no room. */
static int
note_new(struct cache *c, uint64_t *ret_id, char **ret_key)
{
	struct buf key = BUF_INIT(S3_KEY_MAX + 1);
	char token[HEADERS_TOKEN_LEN + 1];
	int r;

	headers_token(token);
	r = buf_printf(&key, "%s%s", c->stages->folder, token);
	if (r == -EOVERFLOW || (r == 0 && key.len > S3_KEY_MAX))
		r = -ENAMETOOLONG;
	if (r == 0)
		r = db_stage_put(c->db, buf_str(&key), ret_id);
	if (r == 0)
		r = buf_take(&key, ret_key);
	buf_fini(&key);
	return r;
}

/* ---- one file, which is frozen ---- */

/* What the object is to be. */
static int
prepare(struct flush *f, bool is_whole)
{
	struct entry *e = f->entry;
	char token[HEADERS_TOKEN_LEN + 1];
	int r = db_row_by_node(f->cache->db, e->node, &f->row);

	if (r == -ENOENT)
		r = nameless_row(f->cache, e->node, &f->row);
	if (r < 0)
		return r;
	headers_token(token);
	r = text_replace(&f->row.token, token);
	lock_take(&e->lock);
	f->size = e->size;
	f->base_size = is_whole ? 0 : e->chunk.base_size;
	f->is_clone = !is_whole && e->base_key != NULL && f->size > 0 &&
		      f->size == e->object_size &&
		      rangeset_is_empty(&e->chunk.dirty);
	lock_drop(&e->lock);
	return r;
}

static int
send(struct flush *f)
{
	int r = flush_send(f);

	/* Nobody else knows the key. */
	if (r < 0 && settle_is_needed(&f->out, r) &&
	    settle_look(f->cache, f->key, f->row.token, &f->out) ==
		SETTLE_OURS &&
	    f->out.size == f->size)
		r = 0;
	return r;
}

/* The database knows where the bytes are from now on. */
static int
store_locked(struct entry *e, uint64_t id)
{
	struct db *db = e->cache->db;
	int r = db_begin(db);

	if (r < 0)
		return r;
	e->chunk.is_changed = true;
	r = chunk_flush(&e->chunk);
	if (r == 0 && !e->is_unlinked)
		r = entry_keep_base_locked(e);
	if (r == 0)
		r = db_stage_made(db, id);
	if (r == 0)
		return db_commit(db);
	db_rollback(db);
	return r;
}

/*
 * It is the base.  If the database does not take that, all that is dirty stays
 * so; what memory says of the base is as true.
 */
static int
adopt_locked(struct flush *f, uint64_t id)
{
	struct entry *e = f->entry;
	struct rangeset dirty = e->chunk.dirty;
	uint64_t base_size = e->chunk.base_size;
	bool takes_over = entry_is_emptied(e);
	int r = entry_set_base_locked(e, f->key, f->out.etag);

	if (r < 0)
		return r;
	/* Their bytes may be older than what is clean now. */
	fetch_cancel_all(e);
	rangeset_init(&e->chunk.dirty);
	e->chunk.base_size = f->size;
	e->object_size = f->size;
	e->lost = 0;
	r = store_locked(e, id);
	if (r < 0) {
		e->chunk.dirty = dirty;
		e->chunk.base_size = base_size;
		chunk_unstored(&e->chunk);
		return r;
	}
	stats_sub(&e->cache->stats, STAT_DIRTY_BYTES, rangeset_bytes(&dirty));
	rangeset_fini(&dirty);
	e->takes_over = takes_over;
	e->is_only_copy = false;
	return 0;
}

int
stage_now(struct entry *e, bool is_whole)
{
	struct cache *c = e->cache;
	struct flush f = { .entry = e, .cache = c };
	uint64_t id = 0;
	int r = note_new(c, &id, &f.key);

	if (r == 0)
		r = prepare(&f, is_whole);
	stats_add(&c->stats, STAT_UPLOADS, 1);
	if (r == 0) {
		parts_abort(e); /* of what went up under its own name */
		r = send(&f);
		if (r == 0)
			parts_forget(e);
		else
			parts_abort(e);
	}
	stats_sub(&c->stats, STAT_UPLOADS, 1);
	lock_take(&e->lock);
	if (r == 0)
		r = adopt_locked(&f, id);
	lock_drop(&e->lock);
	if (r < 0 && id != 0) /* whatever is there goes */
		(void)db_stage_made(c->db, id);
	log_debug("stage key=%s bytes=%" PRIu64 " r=%d",
	    f.key == NULL ? "" : f.key, f.size, r);
	stage_sweep(c);
	settle_fini(&f.out);
	row_fini(&f.row);
	free(f.key);
	return r;
}

int
stage_clone(struct entry *e, const char *key)
{
	struct frozen frozen = { .end = UINT64_MAX };
	bool is_clone;
	int r = 0;

	parts_enter(e);
	lock_take(&e->lock);
	list_append(&e->frozen, &frozen.link);
	is_clone = e->base_key != NULL && strcmp(e->base_key, key) == 0;
	lock_drop(&e->lock);
	if (is_clone)
		r = stage_now(e, false);
	lock_take(&e->lock);
	list_remove(&frozen.link);
	lock_drop(&e->lock);
	parts_leave(e);
	return r;
}

/* ---- which file ---- */

/* Whether what it lies over can be had.  One without a name has no object. */
static bool
is_reachable(const struct entry *e)
{
	if (e->is_unlinked)
		return entry_is_staged(e) || entry_is_here(e);
	return !e->is_superseded;
}

/*
 * Whether it may be staged: a program writes it, and S3 has not refused it.
 * What a close has covered, and is not set aside, is sent as it is.
 */
static bool
may_stage(const struct entry *e)
{
	return e->state == BYTES_DIRTY && is_reachable(e) &&
	       !rangeset_is_empty(&e->chunk.dirty) &&
	       (!e->has_intent || e->snapshot != 0 || e->is_unlinked);
}

/* Mark the key busy that the file has then. */
static int
take_key(struct entry *e, struct keylock *ret)
{
	struct keylocks *keys = &e->cache->keylocks;
	bool same = false;
	int r = 0;

	while (r == 0 && !same) {
		AUTO_FREE char *key = NULL;

		lock_take(&e->lock);
		key = strdup(e->key);
		lock_drop(&e->lock);
		if (key == NULL)
			return -ENOMEM;
		r = keylock_look(keys, key, NULL, ret);
		if (r < 0)
			break;
		lock_take(&e->lock);
		same = strcmp(key, e->key) == 0;
		lock_drop(&e->lock);
		if (!same)
			keylock_drop(keys, ret);
	}
	return r;
}

/* Nobody else sends it now. */
static int
stage_busy(struct entry *e)
{
	struct frozen frozen = { .end = UINT64_MAX };
	bool may, is_whole, is_gone;
	int r = 0;

	parts_enter(e);
	lock_take(&e->lock);
	list_append(&e->frozen, &frozen.link);
	may = may_stage(e);
	is_whole = e->base_key == NULL && entry_is_here(e);
	is_gone = e->is_unlinked && is_whole;
	lock_drop(&e->lock);
	if (may)
		r = stage_now(e, is_gone);
	/* Its object is another one by now, which the close will find. */
	if (r == -ESTALE && is_whole && !is_gone)
		r = stage_now(e, true);
	lock_take(&e->lock);
	list_remove(&frozen.link);
	lock_drop(&e->lock);
	parts_leave(e);
	return r;
}

/* On the pool. */
static void
run_stager(struct task *task)
{
	struct stager *s = LIST_ENTRY(task, struct stager, task);
	struct entry *e = s->entry;
	struct cache *c = e->cache;
	struct keylock busy = { 0 };
	int r = take_key(e, &busy);

	if (r == 0)
		r = stage_busy(e);
	keylock_drop(&c->keylocks, &busy);
	lock_take(&e->lock);
	e->is_staging = false;
	e->unstaged_ms = r < 0 ? clock_mono_ms(c->clock) : 0;
	if (r < 0)
		log_warn("'%s' does not fit in the cache folder, and cannot be "
			 "kept under '%s' until it is closed (%s)",
		    e->key, c->stages->folder, strerror(-r));
	waiter_wake_all(&e->waiters);
	lock_drop(&e->lock);
	evict_upload_end(c->evict);
	entry_put(e);
	free(s);
}

static bool
post_locked(struct entry *e)
{
	struct stager *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return false;
	s->task.run = run_stager;
	s->entry = e;
	entry_hold(e);
	e->is_staging = true;
	evict_upload_begin(e->cache->evict);
	writeback_post(e->cache->writeback, &s->task);
	return true;
}

/* How much would be gained by ${e}; 0: it is not tried now. */
static uint64_t
gain(struct entry *e, int64_t now_ms)
{
	uint64_t bytes = 0;

	lock_take(&e->lock);
	if (may_stage(e) &&
	    (e->unstaged_ms == 0 || now_ms - e->unstaged_ms >= AGAIN_MS))
		bytes = chunk_room_of(&e->chunk, &e->chunk.dirty);
	lock_drop(&e->lock);
	return bytes;
}

/* The one that gains most of ${list}; NULL: none does. */
static struct entry *
choose(struct cache *c, struct entry **list, size_t count)
{
	int64_t now_ms = clock_mono_ms(c->clock);
	struct entry *best = NULL;
	uint64_t most = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t bytes = gain(list[i], now_ms);

		if (bytes > most) {
			most = bytes;
			best = list[i];
		}
	}
	return best;
}

bool
stage_hurry(struct cache *c)
{
	struct entry **list = NULL, *best;
	size_t count = 0;
	bool any = false;

	if (outage_ms(c) > 0 || entries_all(c, &list, &count) < 0)
		return false;
	best = choose(c, list, count);
	if (best != NULL) {
		lock_take(&best->lock);
		/* One that is under way makes room, too. */
		any =
		    best->is_staging || best->is_flushing || post_locked(best);
		lock_drop(&best->lock);
	}
	for (size_t i = 0; i < count; i++)
		entry_put(list[i]);
	free(list);
	return any;
}

/* ---- the sweep ---- */

/* Delete one that no row has; a file without a name may have it still. */
static int
sweep_one(struct stages *s, const struct db_stage *stage)
{
	struct cache *c = s->cache;
	struct entry *user = entries_find_clone(c, stage->key);
	struct s3_call call;
	int r;

	if (user != NULL) {
		entry_put(user);
		return 0;
	}
	s3_call_init(&call, S3_DELETE_OBJECT);
	call.key = stage->key;
	call.background = true;
	(void)s3_run(c->s3, &call, &s->waiter); /* the result is there */
	r = trouble_errno(&call);
	s3_call_fini(&call);
	if (r == 0 || r == -ENOENT)
		r = db_stage_delete(c->db, stage->id);
	else if (r != -EINTR && !s->is_told)
		log_warn("'%s' could not be deleted (%s): tried again",
		    stage->key, strerror(-r));
	return r == -ENOENT ? 0 : r;
}

static void
sweep_all(struct stages *s)
{
	struct cache *c = s->cache;
	struct db_stage stage = { 0 };
	bool failed = false;
	int r = 0;

	while (r != -EINTR &&
	       db_stage_unused(c->db, stage.id, c->boot_number, &stage) == 0) {
		r = sweep_one(s, &stage);
		failed = failed || r < 0;
		text_set(&stage.key, NULL);
	}
	s->is_told = failed;
	lock_take(&s->lock);
	s->failed_ms = failed ? clock_mono_ms(c->clock) : 0;
	lock_drop(&s->lock);
}

static void
run_sweep(struct task *task)
{
	struct stages *s = LIST_ENTRY(task, struct stages, task);
	bool again = true;

	while (again) {
		sweep_all(s);
		lock_take(&s->lock);
		again = s->is_again && !s->is_stopped;
		s->is_again = s->is_again && s->is_stopped;
		s->is_posted = again;
		lock_drop(&s->lock);
	}
}

void
stage_sweep(struct cache *c)
{
	struct stages *s = c->stages;
	bool post;

	lock_take(&s->lock);
	post = !s->is_posted && !s->is_stopped;
	s->is_again = s->is_again || !post;
	s->is_posted = s->is_posted || post;
	lock_drop(&s->lock);
	if (post)
		writeback_post(c->writeback, &s->task);
}

void
stages_tick(struct cache *c)
{
	struct stages *s = c->stages;
	bool is_due;

	lock_take(&s->lock);
	is_due = s->failed_ms != 0 &&
		 clock_mono_ms(c->clock) - s->failed_ms >= SWEEP_AGAIN_MS;
	lock_drop(&s->lock);
	if (is_due && outage_ms(c) == 0)
		stage_sweep(c);
}

/* ---- life ---- */

int
stages_new(struct cache *c, struct stages **ret)
{
	struct stages *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return -ENOMEM;
	r = make_folder(c, &s->folder);
	if (r < 0) {
		free(s);
		return r;
	}
	s->cache = c;
	s->task.run = run_sweep;
	lock_init(&s->lock);
	waiter_init(&s->waiter);
	*ret = s;
	return 0;
}

void
stages_stop(struct stages *s)
{
	if (s == NULL)
		return;
	lock_take(&s->lock);
	s->is_stopped = true;
	lock_drop(&s->lock);
	if (outage_ms(s->cache) > 0)
		waiter_interrupt(&s->waiter); /* the next mount does it */
}

void
stages_end(struct stages *s)
{
	if (s != NULL && s->is_again)
		sweep_all(s);
}

void
stages_free(struct stages *s)
{
	if (s == NULL)
		return;
	waiter_fini(&s->waiter);
	lock_fini(&s->lock);
	free(s->folder);
	free(s);
}

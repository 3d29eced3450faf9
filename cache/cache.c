/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.c - the façade: open and close, and the calls on names.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/admin.h"
#include "cache/core.h"
#include "cache/cover.h"
#include "cache/db.h"
#include "cache/dir_recover.h"
#include "cache/direct.h"
#include "cache/entry.h"
#include "cache/evict.h"
#include "cache/heads.h"
#include "cache/listing.h"
#include "cache/lockfile.h"
#include "cache/lookup.h"
#include "cache/make.h"
#include "cache/mime.h"
#include "cache/nameless.h"
#include "cache/outage.h"
#include "cache/owed.h"
#include "cache/pool.h"
#include "cache/probe.h"
#include "cache/recover.h"
#include "cache/removal.h"
#include "cache/rename.h"
#include "cache/scrub.h"
#include "cache/series.h"
#include "cache/set.h"
#include "cache/stage.h"
#include "cache/store.h"
#include "cache/sweep.h"
#include "cache/upload.h"
#include "cache/view.h"
#include "cache/worker.h"
#include "cache/writeback.h"
#include "cache/zero.h"
#include "s3/base/cleanup.h"

#define TICK_MS 10000 /* clean facts are written about that often */

/* Readers' buffers: whole blocks round the longest read. */
#define BUFFER_SIZE (CACHE_READ_MAX + 2 * (size_t)CHUNK_BLOCK)

int64_t
cache_now_ms(const struct cache *c)
{
	return c->epoch_ms + clock_mono_ms(c->clock);
}

bool
cache_is_fresh(const struct cache *c, int64_t seen_ms)
{
	int64_t now_ms = cache_now_ms(c);

	return seen_ms != 0 && seen_ms >= c->doubt_ms && seen_ms <= now_ms &&
	       now_ms - seen_ms < c->config.ttl_ms;
}

unsigned
cache_absent_valid_ms(const struct cache *c, int64_t seen_ms)
{
	int64_t age = cache_now_ms(c) - seen_ms;

	if (seen_ms == 0 || seen_ms < c->doubt_ms || age < 0 ||
	    age >= c->config.negative_ttl_ms)
		return 0;
	return (unsigned)(c->config.negative_ttl_ms - age);
}

/* On the worker. */
static void
on_tick(void *arg)
{
	struct cache *c = arg;

	entries_flush(c);
	store_tick(c);
	stages_tick(c);
	/* The database may have grown: what is clean gives way. */
	(void)evict_reserve(c->evict, 0);
}

/* The database has no room. */
static void
on_full(void *arg)
{
	struct cache *c = arg;

	evict_soon(c->evict);
}

struct sweep_job {
	struct job job;
	struct cache *cache;
	unsigned folder; /* the next one */
};

static void
run_sweep(struct job *job)
{
	struct sweep_job *sweep = (struct sweep_job *)(void *)job;

	/* One at a time: other jobs come in between. */
	store_sweep(sweep->cache, sweep->folder);
	if (++sweep->folder < STORE_FOLDERS && !sweep->cache->is_closing)
		worker_post(sweep->cache->worker, job);
	else
		free(sweep);
}

/* Look for files without an owner, beside what goes on. */
static void
post_sweep(struct cache *c)
{
	struct sweep_job *sweep = calloc(1, sizeof(*sweep));

	if (sweep == NULL)
		return; /* the next start will */
	sweep->cache = c;
	sweep->job.run = run_sweep;
	worker_post(c->worker, &sweep->job);
}

static int
copy_config(struct cache *c, const struct cache_config *config)
{
	c->config = *config;
	c->config.dir = strdup(config->dir);
	c->config.endpoint = strdup(config->endpoint);
	c->config.bucket = strdup(config->bucket);
	c->config.prefix = strdup(config->prefix);
	c->clock = config->clock != NULL ? config->clock : &clock_system;
	return c->config.dir == NULL || c->config.endpoint == NULL ||
		       c->config.bucket == NULL || c->config.prefix == NULL
		   ? -ENOMEM
		   : 0;
}

static void
free_config(struct cache *c)
{
	free((char *)(uintptr_t)c->config.dir);
	free((char *)(uintptr_t)c->config.endpoint);
	free((char *)(uintptr_t)c->config.bucket);
	free((char *)(uintptr_t)c->config.prefix);
}

static const struct owed_ops owed_ops = { .put = make_owed,
	.mark = make_owed,
	.move = rename_owed,
	.remove = removal_owed,
	.remove_all = removal_owed_all };

static const struct writeback_ops writeback_ops = {
	.bytes = upload_run,
	.left = cover_leave,
	.attrs = set_send,
	.due = cover_due,
};

/* What is there for a mount that only reads, too. */
static int
make_readers(struct cache *c)
{
	unsigned buffers = (unsigned)(c->config.memory / 2 / BUFFER_SIZE);
	int r;

	r = evict_new(c, &c->evict);
	if (r == 0)
		r = direct_new(c, &c->direct);
	if (r == 0)
		r = entries_new(&c->entries);
	if (r == 0)
		r = heads_new(c, &c->heads);
	if (r == 0)
		r = listings_new(c, &c->listings);
	if (r == 0)
		r = series_new(&c->series);
	if (r == 0)
		r = pool_new(BUFFER_SIZE, buffers < 2 ? 2 : buffers, &c->pool);
	return r;
}

static int
make_writers(struct cache *c)
{
	int r;

	r = nameless_new(&c->nameless);
	if (r == 0)
		r = mime_open(&c->mime);
	if (r == 0)
		r = probes_new(c, &c->probes);
	if (r == 0)
		r = zero_new(c, &c->zero);
	if (r == 0)
		r = dir_recover_new(c, &c->dir_recover);
	if (r == 0)
		r = sweep_new(c, &c->sweep);
	if (r == 0)
		r = stages_new(c, &c->stages);
	if (r == 0)
		r = writeback_new(c, &writeback_ops, &c->writeback);
	if (r == 0)
		r = owed_new(c, &owed_ops, &c->owed);
	return r;
}

static int
make_parts(struct cache *c)
{
	int r;

	r = make_readers(c);
	if (r == 0)
		r = make_writers(c);
	if (r == 0)
		db_on_full(c->db, on_full, c);
	if (r == 0)
		r = worker_start(on_tick, c, TICK_MS, &c->worker);
	return r;
}

/* What was opened well cannot be gone on from; the store has said the rest. */
static void
say_failed(const char *dir, int r, char *message, size_t len)
{
	if (message[0] != '\0')
		return;
	(void)snprintf(message, len,
	    "cannot go on with what is in cache folder '%s' (%s)", dir,
	    strerror(-r));
}

static int
open_once(const struct cache_config *config, struct s3 *s3,
    const struct cache_hooks *hooks, struct cache **ret, char *message,
    size_t message_len)
{
	struct cache *c = calloc(1, sizeof(*c));
	int r;

	message[0] = '\0';
	if (c == NULL)
		return -ENOMEM;
	c->lock_fd = -1;
	c->chunks_fd = -1;
	c->s3 = s3;
	c->hooks = *hooks;
	keylocks_init(&c->keylocks);
	treelocks_init(&c->treelocks);
	progresses_init(&c->progresses);
	absent_init(&c->absent);
	answered_init(&c->answered);
	r = copy_config(c, config);
	if (r == 0)
		r = store_open(c, message, message_len);
	if (r == 0)
		r = make_parts(c);
	if (r == 0)
		r = recover_run(c);
	if (r == 0)
		r = scrub_start(c, &c->scrub);
	if (r == 0)
		r = owed_start(c->owed);
	if (r < 0) {
		say_failed(c->dir != NULL ? c->dir : config->dir, r, message,
		    message_len);
		cache_close(c);
		return r;
	}
	post_sweep(c);
	*ret = c;
	return 0;
}

int
cache_open(const struct cache_config *config, struct s3 *s3,
    const struct cache_hooks *hooks, struct cache **ret, char *message,
    size_t message_len)
{
	int r = open_once(config, s3, hooks, ret, message, message_len);

	/* The database was found damaged on the way, and word was left: this
	 * time it is moved aside. */
	if (r == -EBADMSG)
		r = open_once(config, s3, hooks, ret, message, message_len);
	return r;
}

void
cache_ending(struct cache *c)
{
	lockfile_ending(c);
}

void
cache_close(struct cache *c)
{
	bool is_whole;

	if (c == NULL)
		return;
	is_whole = c->worker != NULL;
	c->is_closing = true;
	dir_recover_stop(c->dir_recover);
	sweep_stop(c->sweep);
	scrub_stop(c->scrub);
	owed_stop(c->owed);
	stages_stop(c->stages);
	writeback_stop(c->writeback);
	heads_stop(c->heads);
	series_stop(c);
	nameless_forget_all(c);
	if (c->entries != NULL)
		entries_drain(c);
	stages_end(c->stages);
	worker_stop(c->worker);
	listings_free(c->listings);
	heads_free(c->heads);
	series_free(c->series);
	entries_free(c->entries);
	nameless_free(c->nameless);
	pool_free(c->pool);
	store_close(c, is_whole);
	evict_free(c->evict);
	direct_free(c->direct);
	owed_free(c->owed);
	writeback_free(c->writeback);
	probes_free(c->probes);
	zero_free(c->zero);
	dir_recover_free(c->dir_recover);
	sweep_free(c->sweep);
	stages_free(c->stages);
	mime_close(c->mime);
	keylocks_fini(&c->keylocks);
	treelocks_fini(&c->treelocks);
	progresses_fini(&c->progresses);
	absent_fini(&c->absent);
	answered_fini(&c->answered);
	free_config(c);
	free(c);
}

/* Seconds of ${ms}, begun ones included; 0 if it is none. */
static uint64_t
whole_s(int64_t ms)
{
	return ms <= 0 ? 0 : ((uint64_t)ms + 999) / 1000;
}

void
cache_get_stats(struct cache *c, struct cache_stats *ret)
{
	struct entries_changes changes;
	struct owed_counts owed;

	*ret = (struct cache_stats){
		.used = evict_used(c->evict),
		.size = c->config.size,
		.open_files = stats_get(&c->stats, STAT_OPEN_FILES),
		.in_memory = entries_count(c),
		.read_bytes = stats_get(&c->stats, STAT_READ_BYTES),
		.hit_bytes = stats_get(&c->stats, STAT_HIT_BYTES),
		.fetched_bytes = stats_get(&c->stats, STAT_FETCHED_BYTES),
		.evicted_bytes = stats_get(&c->stats, STAT_EVICTED_BYTES),
		.bad_blocks = stats_get(&c->stats, STAT_BAD_BLOCKS),
		.checked_blocks = stats_get(&c->stats, STAT_CHECKED_BLOCKS),
		.dirty_bytes = stats_get(&c->stats, STAT_DIRTY_BYTES),
		.uploads = stats_get(&c->stats, STAT_UPLOADS),
		.conflicts = stats_get(&c->stats, STAT_CONFLICTS),
		.dirty_attrs = writeback_attrs_count(c->writeback),
	};
	entries_count_changes(c, &changes);
	ret->dirty_files = changes.dirty;
	ret->failed_files = changes.failed;
	if (changes.oldest_ms > 0)
		ret->oldest_s = whole_s(cache_now_ms(c) - changes.oldest_ms);
	ret->away_s = whole_s(outage_ms(c));
	owed_count(c, &owed);
	ret->owed_creates = owed.creates;
	ret->owed_deletes = owed.deletes;
	ret->owed_renames = owed.renames;
	ret->failed_names = owed.failed;
	ret->names_back = stats_get(&c->stats, STAT_REFUSED_NAMES);
	/* Levels for people: 0 where the database does not answer. */
	(void)db_count_rows(c->db, &ret->entries);
	(void)db_odd_count(c->db, &ret->odd_keys);
}

/* "." and "..": who has a handle of ${node} asks for them. */
static int
lookup_dots(struct cache *c, uint64_t node, bool is_up, struct waiter *w,
    struct cache_attr *ret)
{
	AUTO(row_fini) struct row row = { 0 }, dir = { 0 };
	int r = 0;

	if (is_up && node != CACHE_ROOT) {
		r = lookup_node(c, node, false, w, &row);
		if (r == 0)
			r = db_row_by_id(c->db, row.parent, &dir);
		if (r == -ENOENT)
			r = -ESTALE;
		node = dir.node;
	}
	if (r == 0)
		r = cache_getattr(c, node, NULL, w, ret);
	return r == 0 && ret->nlink == 0 ? -ESTALE : r;
}

int
cache_lookup(struct cache *c, uint64_t parent, const char *name,
    struct waiter *w, struct cache_attr *ret)
{
	AUTO(row_fini) struct row row = { 0 };
	int r;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return lookup_dots(c, parent, name[1] == '.', w, ret);
	r = lookup_name(c, parent, name, w, &row);
	if (r == -ENOENT)
		ret->valid_ms = lookup_absent_ms(c, parent, name);
	if (r < 0)
		return r;
	view_attr(c, &row, ret);
	entries_overlay(c, ret);
	if (ret->valid_ms == 0)
		answered_note(&c->answered, ret->node, clock_mono_ms(c->clock));
	return 0;
}

/* The attributes of a version that is not current any more. */
static int
old_attr(struct cache *c, uint64_t node, struct cache_attr *ret)
{
	struct entry *e = entry_find(c, node);
	bool is_open;

	if (e == NULL)
		return -ESTALE;
	lock_take(&e->lock);
	is_open = e->is_superseded;
	if (is_open) {
		*ret = e->attr;
		ret->size = e->size;
		ret->valid_ms = c->config.ttl_ms;
	}
	lock_drop(&e->lock);
	if (is_open)
		entries_overlay(c, ret);
	entry_put(e);
	return is_open ? 0 : -ESTALE;
}

int
cache_getattr(struct cache *c, uint64_t node, struct cache_file *file,
    struct waiter *w, struct cache_attr *ret)
{
	AUTO(row_fini) struct row row = { 0 };
	int r;

	(void)file; /* its version is ${node}'s */
	r = lookup_node(c, node, true, w, &row);
	if (r == -ESTALE)
		return old_attr(c, node, ret);
	if (r < 0)
		return r;
	view_attr(c, &row, ret);
	/* Also one that S3 is to delete later. */
	if (row.name_state == NAME_GONE ||
	    (!view_is_visible(&row) && c->config.sync != CACHE_SYNC_CLOSE))
		ret->nlink = 0;
	entries_refresh(c, ret, row.version_id);
	entries_overlay(c, ret);
	return 0;
}

/* ---- renames under way ---- */

struct renames {
	const struct cache *cache;
	cache_renaming_fn *fn;
	void *arg;
};

/* A key as a path below the mount. */
static const char *
path_of(const struct cache *c, const char *key)
{
	return key + strlen(c->config.prefix);
}

static uint64_t
count(const _Atomic uint64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static bool
tell_renaming(void *arg, const struct progress *p)
{
	const struct renames *all = arg;
	const struct cache_renaming one = {
		.from = path_of(all->cache, p->from),
		.to = path_of(all->cache, p->to),
		.stage = progress_stage_name(p),
		.all = count(&p->all),
		.copied = count(&p->copied),
		.deleted = count(&p->deleted),
	};

	return all->fn(all->arg, &one);
}

void
cache_renames_list(struct cache *c, cache_renaming_fn *fn, void *arg)
{
	struct renames all = { .cache = c, .fn = fn, .arg = arg };

	progresses_each(&c->progresses, tell_renaming, &all);
}

int
cache_statfs(struct cache *c, uint64_t *ret_entries)
{
	return db_count_rows(c->db, ret_entries);
}

int
cache_odd_list(
    struct cache *c, uint64_t from, unsigned max, cache_odd_fn *fn, void *arg)
{
	return db_odd_each(c->db, from, max, fn, arg);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sendall.c - what is not in S3 of a file, a directory or all is sent now, and
 * waited for (façade).
 *
 * Role:    pailctl flush.  Names go first, files that have none in S3 may need
 *          them gone; then bytes, then what is left of attributes.
 * Owns:    nothing that outlives the call: who sends is writeback.c and owed.c.
 * Threads: the caller's; it looks now and then how far they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/admin.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/dir_recover.h"
#include "cache/entry.h"
#include "cache/owed.h"
#include "cache/parts.h"
#include "cache/scope.h"
#include "cache/set.h"
#include "cache/writeback.h"
#include "s3/base/cleanup.h"
#include "s3/base/map.h"
#include "s3/base/wait.h"

/* From one look to the next: soon at first, for what is small. */
#define LOOK_MIN_MS 5
#define LOOK_MAX_MS 200

/* A loser of a conflict is found once the winner is known. */
#define ROUNDS 2

/* A file that is waited for. */
struct file {
	struct entry *entry; /* owned: a reference */
	uint64_t want;       /* the generation */
	unsigned errors;     /* that it had before */
	int err;             /* what it ended with */
	bool is_over;
};

struct sending {
	struct cache *cache;
	struct cache_key_call *call;
	struct waiter *waiter;
	struct scope scope;
	struct file *files; /* owned */
	size_t count;
	struct map asked; /* owned: nodes of files, to nothing */
	struct cache_left left;
	uint64_t refused;
};

/* ---- bytes ---- */

static bool
is_wanted(struct sending *s, struct entry *e)
{
	AUTO(row_fini) struct row row = { 0 };

	if (map_find(&s->asked, e->node) != NULL)
		return false; /* it was tried */
	return s->scope.id == CACHE_ROOT ||
	       (db_row_by_node(s->cache->db, e->node, &row) == 0 &&
		   scope_has(&s->scope, &row));
}

/* Ask for those that are not asked for yet. */
static int
add_files(struct sending *s)
{
	struct entry **list = NULL;
	struct file *files;
	size_t count = 0;
	int r = entries_modified(s->cache, &list, &count);

	if (r < 0)
		return r;
	files = reallocarray(s->files, s->count + count + 1, sizeof(*files));
	r = files == NULL ? -ENOMEM : 0;
	s->files = files == NULL ? s->files : files;
	for (size_t i = 0; i < count; i++) {
		struct entry *e = list[i];
		bool wanted = r == 0 && is_wanted(s, e);

		if (wanted)
			r = map_set(&s->asked, e->node, 0);
		if (r < 0 || !wanted) {
			entry_put(e);
			continue;
		}
		lock_take(&e->lock);
		e->covered_generation = e->generation;
		e->asked_generation = e->generation;
		s->files[s->count++] = (struct file){ .entry = e,
			.want = e->generation,
			.errors = e->error_total };
		lock_drop(&e->lock);
	}
	free(list);
	return r;
}

/* Whether it is over with ${f}; if not, it is on its way. */
static bool
look_at(struct sending *s, struct file *f)
{
	struct entry *e = f->entry;
	uint64_t dirty, sent;

	lock_take(&e->lock);
	if (e->error_total != f->errors &&
	    (e->sent_generation < f->want || e->error == -ESTALE))
		f->err = e->error;
	f->is_over = f->err < 0 || e->is_unlinked ||
		     (e->sent_generation >= f->want &&
			 !(e->is_superseded && e->is_flushing));
	if (!f->is_over) {
		writeback_bytes_locked(e);
		dirty = rangeset_bytes(&e->chunk.dirty);
		sent = parts_done_bytes_locked(e);
		s->left.files++;
		s->left.bytes += dirty > sent ? dirty - sent : 0;
	}
	lock_drop(&e->lock);
	return f->is_over;
}

/* Tell how far it is, and wait a moment. */
static int
pause_for(struct sending *s, int64_t *ms)
{
	struct owed_counts owed;
	int r;

	owed_count(s->cache, &owed);
	s->left.names = owed.creates + owed.deletes + owed.renames;
	s->left.attrs = writeback_attrs_count(s->cache->writeback);
	r = s->call->left(s->call->arg, &s->left);
	if (r < 0)
		return r;
	r = waiter_wait(s->waiter, *ms);
	*ms = *ms * 2 < LOOK_MAX_MS ? *ms * 2 : LOOK_MAX_MS;
	return r == -ETIMEDOUT ? 0 : r;
}

/* Why a file is not in S3; a conflict's loser is, under another name. */
static int
tell_file(struct sending *s, const struct file *f)
{
	AUTO(row_fini) struct row row = { 0 };
	struct scope_notes notes = { 0 };
	const bool lost = f->err == -ESTALE;
	const char *text = "another changed it meanwhile: what was written "
			   "here is kept beside it";

	if (f->err == 0)
		return 0;
	if (!lost)
		text = f->entry->is_damaged ? "damaged in the cache folder"
					    : strerror(-f->err);
	s->refused += lost ? 0 : 1;
	if (db_row_by_id(s->cache->db, f->entry->ino, &row) < 0)
		return 0; /* it just went */
	if (scope_notes_add(
		&notes, s->cache, &row, lost ? "conflict" : "file", text) < 0)
		return -ENOMEM;
	return scope_notes_tell(&notes, s->call);
}

static int
send_files(struct sending *s)
{
	int64_t ms = LOOK_MIN_MS;
	size_t first = s->count, over;
	int r = add_files(s);

	while (r == 0) {
		s->left.files = 0;
		s->left.bytes = 0;
		over = first;
		for (size_t i = first; i < s->count; i++)
			over += s->files[i].is_over || look_at(s, &s->files[i])
				    ? 1
				    : 0;
		if (over == s->count)
			break;
		r = pause_for(s, &ms);
	}
	for (size_t i = first; r == 0 && i < s->count; i++)
		r = tell_file(s, &s->files[i]);
	return r;
}

static void
put_files(struct sending *s)
{
	for (size_t i = 0; i < s->count; i++)
		entry_put(s->files[i].entry);
	free(s->files);
	map_fini(&s->asked);
}

/* ---- names ---- */

/* Directories in which something is owed. */
struct dirs {
	const struct scope *scope;
	uint64_t *ids; /* owned */
	size_t count;
	size_t size;
	struct map noted; /* owned: ids, to nothing */
	int r;
};

static int
add_dir(struct dirs *d, uint64_t id)
{
	if (map_find(&d->noted, id) != NULL)
		return 0;
	if (d->count == d->size) {
		size_t size = d->size == 0 ? 16 : d->size * 2;
		void *p = reallocarray(d->ids, size, sizeof(*d->ids));

		if (p == NULL)
			return -ENOMEM;
		d->ids = p;
		d->size = size;
	}
	d->ids[d->count++] = id;
	return map_set(&d->noted, id, 0);
}

static bool
note_dir(void *arg, const struct intent *it)
{
	AUTO(row_fini) struct row row = { 0 };
	struct dirs *d = arg;

	if (db_row_by_id(d->scope->cache->db, it->id, &row) < 0 ||
	    !scope_has(d->scope, &row))
		return true;
	d->r = add_dir(d, row.parent);
	return d->r == 0;
}

/* What fails is told by what is left; only an interrupt counts. */
static int
wait_names(struct sending *s, uint64_t dir)
{
	uint64_t left = 0;
	int r = owed_wait(s->cache, dir, s->waiter, &left);

	return r == -EINTR ? r : 0;
}

static int
send_names(struct sending *s)
{
	struct dirs d = { .scope = &s->scope };
	int r;

	if (s->scope.id == CACHE_ROOT)
		return wait_names(s, 0);
	/* Its own name; in what others share it with, no more. */
	r = owed_run(s->cache, s->scope.id, s->waiter);
	if (r == -EINTR || !s->scope.is_dir)
		return r == -EINTR ? r : 0;
	map_init(&d.noted);
	r = db_owed_each(s->cache->db, note_dir, &d);
	if (r == 0)
		r = d.r;
	for (size_t i = 0; r == 0 && i < d.count; i++)
		r = wait_names(s, d.ids[i]);
	free(d.ids);
	map_fini(&d.noted);
	return r;
}

/* ---- attributes ---- */

static int
send_attrs(struct sending *s)
{
	uint64_t left = 0;
	int r;

	/* Those of a directory go with all others: 16 at once. */
	if (s->scope.is_dir)
		r = writeback_drain_attrs(
		    s->cache->writeback, s->waiter, &left);
	else
		r = set_send(s->cache, s->scope.id, s->waiter);
	return r == -EINTR ? r : 0;
}

/* ---- what is left ---- */

struct leftover {
	struct sending *sending;
	struct scope_notes notes;
	int r;
};

static bool
note_row(struct leftover *l, const struct row *row, const char *text)
{
	struct sending *s = l->sending;

	if (!scope_has(&s->scope, row))
		return true;
	s->refused++;
	l->r = scope_notes_add(&l->notes, s->cache, row, "name", text);
	return l->r == 0;
}

static bool
note_name(void *arg, const struct intent *it)
{
	AUTO(row_fini) struct row row = { 0 };
	struct leftover *l = arg;
	const char *text = "S3 does not know that it was made";

	if (it->kind == INTENT_DELETE)
		text = "S3 does not know that it was removed";
	if (it->kind == INTENT_MOVE)
		text = "S3 does not know that it was renamed";
	if (db_row_by_id(l->sending->cache->db, it->id, &row) < 0)
		return true; /* it just went */
	return note_row(l, &row, text);
}

static bool
note_attrs(void *arg, const struct row *row)
{
	return row->attr_state != ATTRS_METADIRTY ||
	       row->byte_state != BYTES_CLEAN ||
	       state_name_is_pending((enum state_name)row->name_state) ||
	       note_row(arg, row, "its mode, owner or times are not in S3");
}

/* Of a mount before this one. */
static bool
note_unsent(void *arg, const struct row *row)
{
	return note_row(arg, row, "not in S3, and this mount only reads");
}

static int
tell_leftover(struct sending *s)
{
	struct leftover l = { .sending = s };
	bool reads = s->cache->config.read_only;
	int r = reads ? 0 : db_owed_each(s->cache->db, note_name, &l);

	if (r == 0 && l.r == 0)
		r = db_rows_pending(
		    s->cache->db, reads ? note_unsent : note_attrs, &l);
	if (r == 0)
		r = l.r;
	if (r == 0)
		r = scope_notes_tell(&l.notes, s->call);
	scope_notes_fini(&l.notes);
	return r;
}

/* Send all there is; what does not get through is left. */
static int
send_scope(struct sending *s)
{
	uint64_t left = 0; /* each was named in the log */
	int r = 0;

	for (int i = 0; r == 0 && i < ROUNDS; i++) {
		r = send_names(s);
		if (r == 0)
			r = send_files(s);
	}
	if (r == 0)
		r = send_attrs(s);
	if (r == 0 && s->scope.id == CACHE_ROOT) {
		r = dir_recover_wait(s->cache, s->waiter, &left);
		r = r == -EINTR ? r : 0;
	}
	s->refused += left;
	return r;
}

int
cache_send_all(struct cache *c, struct cache_key_call *call, struct waiter *w)
{
	struct sending s = { .cache = c, .call = call, .waiter = w };
	int r = scope_find(c, call, &s.scope);

	map_init(&s.asked);
	if (r == 0 && !c->config.read_only)
		r = send_scope(&s);
	if (r == 0)
		r = tell_leftover(&s);
	put_files(&s);
	call->found = s.refused;
	return r;
}

/* ---- for people ---- */

/* Whether some of ${e} is on its way, with its key (owned) if so. */
static bool
look_sending(struct entry *e, struct cache_sending *ret, char **ret_key)
{
	lock_take(&e->lock);
	if (e->state == BYTES_UPLOADING || e->upload != NULL) {
		*ret = (struct cache_sending){ .size = e->size,
			.sent = parts_done_bytes_locked(e) };
		if (e->dirty_ms > 0)
			ret->age_s =
			    (uint64_t)(cache_now_ms(e->cache) - e->dirty_ms) /
			    1000;
		*ret_key = strdup(e->key);
	}
	lock_drop(&e->lock);
	return *ret_key != NULL;
}

void
cache_sending_list(struct cache *c, cache_sending_fn *fn, void *arg)
{
	struct entry **list = NULL;
	size_t count = 0;
	bool more = true;

	if (entries_modified(c, &list, &count) < 0)
		return; /* no memory: a level for people */
	for (size_t i = 0; i < count; i++) {
		AUTO_FREE char *key = NULL;
		struct cache_sending one;

		if (more && look_sending(list[i], &one, &key)) {
			one.path = key + strlen(c->config.prefix);
			more = fn(arg, &one);
		}
		entry_put(list[i]);
	}
	free(list);
}

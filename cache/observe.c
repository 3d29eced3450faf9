/* SPDX-License-Identifier: Apache-2.0 */
/*
 * observe.c - the one door by which what S3 told us enters the tree.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/change.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/fill.h"
#include "cache/observe.h"
#include "cache/owed.h"
#include "cache/state.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

int
observe_begin(struct cache *c, struct observe *o)
{
	*o = (struct observe){ .cache = c };
	return db_begin(c->db);
}

int
observe_begin_at(
    struct cache *c, const struct row *row, const char *key, struct observe *o)
{
	int r = observe_begin(c, o);

	if (r < 0)
		return r;
	r = view_check_key(c, row, key);
	return r < 0 ? observe_end(o, r) : 0;
}

static void
tell(struct observe *o)
{
	struct cache *c = o->cache;

	for (size_t i = 0; i < o->count; i++) {
		struct observe_change *change = &o->changes[i];

		if (change->node != 0)
			entries_supersede(c, change->node);
		if (c->hooks.changed != NULL)
			c->hooks.changed(c->hooks.arg, change->parent,
			    change->name, change->node);
	}
}

int
observe_end(struct observe *o, int r)
{
	if (r == 0)
		r = db_commit(o->cache->db);
	else
		db_rollback(o->cache->db);
	if (r == 0)
		tell(o);
	for (size_t i = 0; i < o->count; i++)
		free(o->changes[i].name);
	free(o->changes);
	return r;
}

/* Remember that version ${node} of ${name} is replaced or gone. */
static int
add_change(struct observe *o, uint64_t parent, const char *name, uint64_t node)
{
	struct observe_change *change;

	if (o->count == o->size) {
		size_t size = o->size == 0 ? 8 : o->size * 2;
		void *p = realloc(o->changes, size * sizeof(*o->changes));

		if (p == NULL)
			return -ENOMEM;
		o->changes = p;
		o->size = size;
	}
	change = &o->changes[o->count];
	*change = (struct observe_change){ .node = node, .parent = parent };
	change->name = strdup(name);
	if (change->name == NULL)
		return -ENOMEM;
	o->count++;
	return 0;
}

/* Whether the row is closed to an observation of that time. */
static bool
is_closed(const struct row *row, int64_t sent_ms)
{
	return view_is_pending(row) || row->changed_ms >= sent_ms ||
	       row->seen_ms > sent_ms;
}

/* Whether a request of our own, which replaces or removes what is there, is
 * under way, or a rename puts its copies there: what others' answers say of it
 * meanwhile, we are told by that itself. */
static int
is_being_sent(struct observe *o, uint64_t dir, const char *name)
{
	struct buf key = BUF_INIT(S3_KEY_MAX);
	int r;

	if (!keylock_is_any_ours(&o->cache->keylocks))
		return 0;
	r = view_prefix(o->cache, dir, &key);
	if (r == 0)
		r = buf_add_str(&key, name);
	if (r == 0)
		r = keylock_is_ours(&o->cache->keylocks, buf_str(&key));
	buf_fini(&key);
	return r == -ESTALE || r == -ENAMETOOLONG || r == -EOVERFLOW ? 0 : r;
}

/*
 * The row of ${name} as an observation of that time finds it: -ENOENT also
 * where it went away before, and 1 where it went away after.
 */
static int
row_for(struct observe *o, uint64_t dir, const char *name, int64_t sent_ms,
    struct row *ret)
{
	int r = db_row_by_name(o->cache->db, dir, name, ret);

	if (r < 0 || ret->name_state != NAME_GONE)
		return r;
	r = ret->seen_ms > sent_ms || ret->changed_ms >= sent_ms ? 1 : -ENOENT;
	row_fini(ret);
	return r;
}

/* Whether (1) a whole listing of ${dir} that was asked for later did not have
 * what has no row. */
static int
is_late(struct observe *o, uint64_t dir, int64_t sent_ms)
{
	AUTO(row_fini) struct row row = { 0 };
	int r;

	/* As for the name before: a page has a thousand of them. */
	if (o->open_dir == dir && o->open_ms == sent_ms)
		return 0;
	r = db_row_by_id(o->cache->db, dir, &row);
	/* No directory, no entry: it went away meanwhile. */
	if (r < 0)
		return r == -ENOENT ? 1 : r;
	if (row.kind != ROW_DIR || row.listed_ms > sent_ms)
		return 1;
	o->open_dir = dir;
	o->open_ms = sent_ms;
	return 0;
}

/* A row for a name that had none. */
static int
new_row(struct observe *o, uint64_t dir, const char *name, struct row *row)
{
	int r;

	*row = (struct row){
		.parent = dir,
		.uid = UINT32_MAX,
		.gid = UINT32_MAX,
		.name_state = NAME_PRESENT,
		.attr_state = ATTRS_CLEAN,
		.byte_state = BYTES_CLEAN,
	};
	row->name = strdup(name);
	if (row->name == NULL)
		return -ENOMEM;
	r = db_number(o->cache->db, &row->id);
	row->node = row->id;
	/* The kernel may have been told that there is none. */
	if (r == 0 && absent_drop(&o->cache->absent, dir, name))
		r = add_change(o, dir, name, 0);
	return r;
}

/* The row goes on to a new version. */
static int
new_version(struct observe *o, struct row *row)
{
	int r;

	r = add_change(o, row->parent, row->name, row->node);
	if (r == 0)
		r = db_number(o->cache->db, &row->node);
	fill_clear(row);
	return r;
}

/* Take over what the observation says, into a row that is open to it. */
static int
take_object(struct observe *o, struct row *row, const struct observation *seen)
{
	int r = fill_object(o->cache, row, seen);

	return r == 0 ? db_row_put(o->cache->db, row) : r;
}

/* A HEAD that a listing has overtaken: of the same version and time, it still
 * tells what the listing could not. */
static bool
is_late_head(const struct row *row, const struct observation *seen)
{
	return seen->head != NULL && row->seen_ms > seen->sent_ms &&
	       row->changed_ms < seen->sent_ms && !view_is_pending(row) &&
	       row->kind != ROW_DIR && row->attrs == ROW_ATTRS_NONE &&
	       fill_is_same(row, seen) && row->modified_ns == seen->modified_ns;
}

static int
fill_in(struct observe *o, struct row *row, const struct observation *seen)
{
	int r = fill_headers(o->cache, row, seen->head, seen->sent_wall_ns);

	return r == 0 ? db_row_put(o->cache->db, row) : r;
}

/* A name that had no row. */
static int
new_object(struct observe *o, uint64_t dir, const char *name,
    const struct observation *seen)
{
	AUTO(row_fini) struct row row = { 0 };
	int r = is_late(o, dir, seen->sent_ms);

	if (r == 0)
		r = is_being_sent(o, dir, name);
	if (r == 0)
		r = owed_is_leaving(o->cache, dir, name, false);
	if (r != 0)
		return r < 0 ? r : 0;
	r = new_row(o, dir, name, &row);
	row.kind = fill_kind(o->cache, seen);
	if (r == 0)
		r = fill_object(o->cache, &row, seen);
	return r == 0 ? db_row_add(o->cache->db, &row) : r;
}

/* The row is of another version, which it leaves. */
static int
other_version(
    struct observe *o, struct row *row, const struct observation *seen)
{
	int r = new_version(o, row);

	row->kind = fill_kind(o->cache, seen);
	return r == 0 ? take_object(o, row, seen) : r;
}

/* The row is of the version that was seen. */
static int
same_version(struct observe *o, struct row *row, const struct observation *seen)
{
	if (row->kind != ROW_DIR && fill_is_unchanged(row, seen))
		return db_row_seen(o->cache->db, row->id, seen->sent_ms);
	if (row->attrs == ROW_ATTRS_FRESH)
		fill_clear(row);
	return take_object(o, row, seen);
}

int
observe_object(struct observe *o, uint64_t dir, const char *name,
    const struct observation *seen, bool *ret_hidden)
{
	AUTO(row_fini) struct row row = { 0 };
	int r;

	r = row_for(o, dir, name, seen->sent_ms, &row);
	if (r == -ENOENT)
		return new_object(o, dir, name, seen);
	if (r != 0)
		return r < 0 ? r : 0;
	if (is_late_head(&row, seen))
		return fill_in(o, &row, seen);
	if (is_closed(&row, seen->sent_ms))
		return 0;
	/* Of directories, those that are made of this object. */
	if ((row.kind != ROW_DIR || row.etag != NULL) &&
	    fill_is_same(&row, seen))
		return same_version(o, &row, seen);
	r = is_being_sent(o, dir, name);
	if (r != 0)
		return r < 0 ? r : 0;
	if (row.kind != ROW_DIR)
		return other_version(o, &row, seen);
	if (ret_hidden != NULL) {
		*ret_hidden = true;
		return 0;
	}
	r = observe_absent(o, dir, name, seen->sent_ms);
	return r == 0 ? new_object(o, dir, name, seen) : r;
}

/* A row for a directory that was not known. */
static int
new_dir(struct observe *o, uint64_t dir, const char *name, int64_t sent_ms,
    uint64_t *ret_id)
{
	AUTO(row_fini) struct row row = { 0 };
	int r = new_row(o, dir, name, &row);

	if (r < 0)
		return r;
	row.kind = ROW_DIR;
	row.seen_ms = sent_ms;
	row.modified_ns = clock_wall_ns(o->cache->clock);
	*ret_id = row.id;
	return db_row_add(o->cache->db, &row);
}

/* The object of ${row} has no path: a directory has its name. */
static int
note_hidden(struct observe *o, const struct row *row)
{
	struct buf key = BUF_INIT(S3_KEY_MAX);
	int r = view_key(o->cache, row, &key);

	if (r == 0)
		r = observe_odd(o, row->parent, buf_str(&key), OBSERVE_HIDDEN,
		    row->seen_ms);
	buf_fini(&key);
	return r;
}

int
observe_dir(struct observe *o, uint64_t dir, const char *name, int64_t sent_ms,
    uint64_t *ret_id)
{
	AUTO(row_fini) struct row row = { 0 };
	uint64_t id;
	int r;

	if (ret_id == NULL)
		ret_id = &id;
	*ret_id = 0;
	r = row_for(o, dir, name, sent_ms, &row);
	if (r == -ENOENT) {
		r = is_late(o, dir, sent_ms);
		if (r == 0)
			r = is_being_sent(o, dir, name);
		if (r == 0)
			r = owed_is_leaving(o->cache, dir, name, true);
		if (r == 0)
			return new_dir(o, dir, name, sent_ms, ret_id);
	}
	if (r != 0)
		return r < 0 ? r : 0;
	if (row.kind == ROW_DIR && view_is_visible(&row))
		*ret_id = row.id;
	if (is_closed(&row, sent_ms))
		return 0;
	if (row.kind == ROW_DIR)
		return db_row_seen(o->cache->db, row.id, sent_ms);
	/* What was an object is a directory now, or hidden by one. */
	if (row.seen_ms == sent_ms)
		r = note_hidden(o, &row);
	if (r == 0)
		r = observe_absent(o, dir, name, sent_ms);
	return r == 0 ? new_dir(o, dir, name, sent_ms, ret_id) : r;
}

int
observe_folder(
    struct observe *o, uint64_t dir, const char *name, int64_t sent_ms)
{
	AUTO(row_fini) struct row row = { 0 };
	uint64_t id;
	int r;

	r = observe_dir(o, dir, name, sent_ms, &id);
	if (r < 0 || id == 0)
		return r;
	r = db_row_by_id(o->cache->db, id, &row);
	if (r < 0 || row.marker != ROW_MARKER_NONE)
		return r;
	row.marker = ROW_MARKER_FOLDER;
	return db_row_put(o->cache->db, &row);
}

/* Whether an answer about a marker comes after a newer one. */
static bool
is_older(const struct row *row, int64_t sent_ms)
{
	return view_is_pending(row) || row->changed_ms >= sent_ms ||
	       (row->attrs != ROW_ATTRS_NONE && row->seen_ms > sent_ms);
}

/* The row ${id}, if an answer of ${sent_ms} may change it: 1.  Else: 0: it does
 * not, or the row is gone; -errno. */
static int
row_to_change(struct observe *o, uint64_t id, int64_t sent_ms, struct row *ret)
{
	int r = db_row_by_id(o->cache->db, id, ret);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return is_older(ret, sent_ms) ? 0 : 1;
}

int
observe_marker(struct observe *o, uint64_t id, const struct s3_object *head,
    int64_t sent_ms)
{
	AUTO(row_fini) struct row row = { 0 };
	int r = row_to_change(o, id, sent_ms, &row);

	if (r <= 0)
		return r;
	r = 0;
	if (head != NULL)
		row.marker = ROW_MARKER_SLASH;
	else if (row.marker == ROW_MARKER_SLASH)
		row.marker = ROW_MARKER_NONE;
	if (head == NULL) {
		fill_clear(&row);
		row.attrs = ROW_ATTRS_KNOWN;
	} else {
		row.modified_ns = head->modified_ns;
		r = fill_headers(
		    o->cache, &row, head, clock_wall_ns(o->cache->clock));
	}
	if (row.seen_ms < sent_ms && head != NULL)
		row.seen_ms = sent_ms;
	return r == 0 ? db_row_put(o->cache->db, &row) : r;
}

int
observe_self(
    struct observe *o, uint64_t id, int64_t modified_ns, int64_t sent_ms)
{
	AUTO(row_fini) struct row row = { 0 };
	int r = row_to_change(o, id, sent_ms, &row);

	if (r <= 0)
		return r;
	if (row.marker == ROW_MARKER_SLASH && row.modified_ns == modified_ns)
		return 0;
	/* 0: stored by ourselves, its time is seen now for the first time.
	 * With attrs=list nobody asks what else it may say. */
	if (o->cache->config.attrs != CACHE_ATTRS_LIST &&
	    row.attrs != ROW_ATTRS_NONE &&
	    (row.marker != ROW_MARKER_SLASH || row.modified_ns != 0))
		fill_clear(&row);
	row.marker = ROW_MARKER_SLASH;
	row.modified_ns = modified_ns;
	return db_row_put(o->cache->db, &row);
}

/* Whether there is a row that keeps the directories above it. */
struct need {
	int64_t sent_ms;
	bool found;
};

static bool
find_need(void *arg, const struct row *row)
{
	struct need *need = arg;

	need->found =
	    view_is_pending(row) ||
	    (view_is_visible(row) && row->changed_ms >= need->sent_ms);
	return !need->found;
}

/* Whether something below the directory is not in S3 yet, or was not when the
 * observation was asked for: its key makes the directory again. */
static int
is_needed(struct observe *o, const struct row *row, int64_t sent_ms, bool *ret)
{
	struct need need = { .sent_ms = sent_ms };
	int r = 0;

	if (row->kind == ROW_DIR)
		r = db_rows_below(o->cache->db, row->id, find_need, &need);
	*ret = need.found;
	return r;
}

static int
note_removed(void *arg, const struct row *row)
{
	return add_change(
	    arg, row->parent, row->name, row->kind == ROW_DIR ? 0 : row->node);
}

int
observe_absent(
    struct observe *o, uint64_t dir, const char *name, int64_t sent_ms)
{
	AUTO(row_fini) struct row row = { 0 };
	struct change_times times = { .seen_ms = sent_ms };
	bool needed;
	int r;

	r = db_row_by_name(o->cache->db, dir, name, &row);
	if (r == -ENOENT)
		return 0;
	if (r < 0 || row.name_state == NAME_GONE || is_closed(&row, sent_ms))
		return r;
	r = is_being_sent(o, dir, name);
	if (r != 0)
		return r < 0 ? r : 0;
	r = is_needed(o, &row, sent_ms, &needed);
	if (r < 0 || needed)
		return r;
	o->open_dir = 0; /* it may go */
	return change_remove_row(o->cache, &row, &times, note_removed, o);
}

struct unseen {
	char **names; /* owned */
	size_t count;
	int r;
};

static bool
note_unseen(void *arg, const struct row *row)
{
	struct unseen *unseen = arg;
	void *p;

	/* Of that name there may be one that was seen: the next owner's. */
	if (!view_is_visible(row))
		return true;
	p = realloc(
	    unseen->names, (unseen->count + 1) * sizeof(*unseen->names));
	if (p != NULL)
		unseen->names = p;
	if (p != NULL)
		unseen->names[unseen->count] = strdup(row->name);
	if (p == NULL || unseen->names[unseen->count] == NULL) {
		unseen->r = -ENOMEM;
		return false;
	}
	unseen->count++;
	return true;
}

int
observe_listed(struct observe *o, uint64_t dir, int64_t sent_ms)
{
	struct unseen unseen = { 0 };
	int r;

	r = db_rows_purge(o->cache->db, dir, sent_ms, NAME_GONE);
	if (r < 0)
		return r;
	r = db_rows_unseen(o->cache->db, dir, sent_ms, note_unseen, &unseen);
	if (r == 0)
		r = unseen.r;
	for (size_t i = 0; i < unseen.count; i++) {
		if (r == 0)
			r = observe_absent(o, dir, unseen.names[i], sent_ms);
		free(unseen.names[i]);
	}
	free(unseen.names);
	o->open_dir = 0; /* it is known now */
	if (r == 0)
		r = db_odd_forget(o->cache->db, dir, sent_ms);
	return r == 0 ? db_row_listed(o->cache->db, dir, sent_ms) : r;
}

int
observe_odd(struct observe *o, uint64_t dir, const char *key,
    const char *reason, int64_t sent_ms)
{
	bool is_new;
	int r;

	r = db_odd_put(o->cache->db, key, reason, dir, sent_ms, &is_new);
	if (r == 0 && is_new)
		log_warn("key '%s' has no path: %s (pailctl odd lists these)",
		    key, reason);
	return r;
}

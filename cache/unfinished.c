/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unfinished.c - bytes that no close had covered when the last run was killed,
 * and those that one had covered, but that are not whole any more.
 *
 * States:  an existing file: REMOTE_NEW and RESOLVE of its bytes, and CREATE of
 *          the new one; a new file: REKEY, as nothing of it was ever sent.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cache/unfinished.h"

#include "cache/aside.h"
#include "cache/change.h"
#include "cache/chunk.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/facts.h"
#include "cache/fill.h"
#include "cache/scope.h"
#include "cache/stage.h"
#include "cache/view.h"
#include "cache/xattr.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/text.h"

/* Of the text that says what is lost: all metadata has 2048 bytes. */
#define LOST_MAX 1024

#define PATH_LIMIT ((size_t)64 << 10) /* of a path that is told */
#define NAMES_MAX  100 /* tried, where one of that second is taken */

/* A name beside ${row}, which is free here; ${what}: of aside.h. */
static int
choose_name(
    struct cache *c, const struct row *row, const char *what, char **ret)
{
	int64_t now = clock_wall_ns(c->clock);
	char host[ASIDE_HOST_MAX + 1];
	int r = -EEXIST;

	aside_host(host);
	for (int i = 0; r == -EEXIST && i < NAMES_MAX; i++) {
		AUTO(row_fini) struct row taken = { 0 };
		struct buf name = BUF_INIT(CACHE_NAME_MAX);

		r = aside_make(row->name, what, host,
		    now + i * INT64_C(1000000000), &name);
		if (r == 0)
			r = db_row_by_name(
			    c->db, row->parent, buf_str(&name), &taken);
		if (r == 0 && view_is_visible(&taken))
			r = -EEXIST;
		if (r == 0 || r == -ENOENT)
			r = buf_take(&name, ret);
		buf_fini(&name);
	}
	return r;
}

/* A name for what was being written of ${row}. */
static int
name_unfinished(
    struct cache *c, const struct row *row, const struct facts *f, char **ret)
{
	struct buf lost = BUF_INIT(LOST_MAX);
	int r = choose_name(c, row, ASIDE_UNFINISHED, ret);

	if (r < 0)
		return r;
	log_warn("'%s' was being written when the last mount ended without "
		 "unmounting: what was written is kept as '%s'",
	    row->name, *ret);
	if (!rangeset_is_empty(&f->lost) && facts_tell_lost(f, &lost) == 0)
		log_warn("bytes %s that were written of '%s' are not in the "
			 "cache folder any more",
		    buf_str(&lost), row->name);
	buf_fini(&lost);
	return 0;
}

/* It is to be sent, whatever comes. */
static int
put_intent(struct cache *c, uint64_t id)
{
	struct db_intent owed = {
		.entry = id, .kind = DB_INTENT_BYTES, .made_ms = cache_now_ms(c)
	};
	int r = db_intent_drop(c->db, id, DB_INTENT_BYTES);

	return r == 0 ? db_intent_put(c->db, &owed) : r;
}

/* ---- of a new file ---- */

/* The row itself gets ${name}, which is taken over; the one it was to have is
 * as S3 says. */
static int
rename_row(struct change *ch, const struct facts *facts, char *name)
{
	struct cache *c = ch->cache;
	int r = db_row_listed(c->db, ch->row.parent, 0);

	if (r == 0)
		r = put_intent(c, ch->row.id);
	if (r < 0) {
		free(name);
		return r;
	}
	change_name(ch, NAME_ON_REKEY);
	text_set(&ch->row.name, name);
	text_set(&ch->row.etag, NULL); /* of whom it was to replace */
	text_set(&ch->row.version_id, NULL);
	ch->row.size = facts->size;
	return 0;
}

/* ---- of a file that S3 has ---- */

/* Where the bytes under the changes lie: what was known of ${row}. */
static int
put_base(struct cache *c, const struct row *row, uint64_t id)
{
	struct db_intent base = { 0 };
	struct buf key = BUF_INIT(S3_KEY_MAX);
	int r = db_intent_get(c->db, row->id, DB_INTENT_BASE, &base);

	if (r == -ENOENT) {
		base.kind = DB_INTENT_BASE;
		r = view_key(c, row, &key);
		if (r == 0)
			r = buf_take(&key, &base.source_key);
		base.etag = text_copy(row->etag);
	}
	base.id = 0;
	base.entry = id;
	base.made_ms = cache_now_ms(c);
	if (r == 0)
		r = db_intent_put(c->db, &base);
	buf_fini(&key);
	db_intent_fini(&base);
	return r;
}

/* A new row ${name}, which is taken over, with the bytes of ${row}. */
static int
insert_beside(struct cache *c, const struct row *row, const struct facts *facts,
    char *name, uint64_t *ret_id)
{
	enum state_name name_state = NAME_ABSENT;
	enum state_bytes byte_state = BYTES_CLEAN;
	AUTO(row_fini) struct row beside = { 0 };
	int r = row_copy(&beside, row);

	if (r < 0) {
		free(name);
		return r;
	}
	(void)state_bytes_apply(&byte_state, BYTES_ON_WRITE); /* it can be */
	state_name_apply(&name_state, NAME_ON_CREATE);
	text_set(&beside.name, name);
	text_set(&beside.etag, NULL);
	text_set(&beside.version_id, NULL);
	text_set(&beside.base_key, NULL);
	beside.kind = ROW_FILE;
	beside.name_state = (int)name_state;
	beside.byte_state = (int)byte_state;
	beside.attr_state = ATTRS_METADIRTY;
	beside.attrs = ROW_ATTRS_KNOWN;
	beside.size = facts->size;
	beside.seen_ms = 0;
	r = change_insert_within(c, &beside);
	if (r == 0 && facts->base_size > 0)
		r = put_base(c, row, beside.id);
	if (r == 0)
		r = put_intent(c, beside.id);
	*ret_id = beside.id;
	return r;
}

/*
 * The name goes on to the version that was changed: the row tells of it still,
 * and of attributes that were set since and are owed, as no close has changed
 * it.
 */
static int
give_up_changes(struct change *ch)
{
	int r = change_bytes(ch, BYTES_ON_REMOTE_NEW); /* CONFLICT */

	if (r == 0)
		r = change_bytes(ch, BYTES_ON_RESOLVE);
	/* Never known: none was set. */
	if (ch->row.attrs == ROW_ATTRS_NONE)
		change_attrs(ch, ATTRS_ON_DROP);
	if (ch->row.name_state == NAME_PRESENT)
		ch->row.seen_ms = 0; /* believed no longer */
	return r;
}

/* The name goes on to a version that was not seen yet. */
static int
give_up_all(struct change *ch)
{
	int r;

	if (ch->row.byte_state == BYTES_UPLOADING)
		(void)change_bytes(ch, BYTES_ON_PUT_LOST);
	(void)change_bytes(ch, ch->row.byte_state == BYTES_UNSURE
				   ? BYTES_ON_SETTLED_OTHER
				   : BYTES_ON_REMOTE_NEW); /* CONFLICT */
	r = change_bytes(ch, BYTES_ON_RESOLVE);
	if (ch->row.attr_state == ATTRS_METADIRTY)
		change_attrs(ch, ATTRS_ON_DROP);
	fill_clear(&ch->row);
	text_set(&ch->row.etag, NULL);
	ch->row.seen_ms = 0; /* believed no longer */
	return r;
}

static int
give_up_bytes(struct change *ch)
{
	return ch->row.byte_state == BYTES_DIRTY ? give_up_changes(ch)
						 : give_up_all(ch);
}

/* The bytes of ${ch}, whose row was ${was}, get a row of their own, ${name},
 * which is taken over. */
static int
split(struct change *ch, const struct row *was, const struct facts *facts,
    char *name, uint64_t *ret_id)
{
	struct db *db = ch->cache->db;
	int r = db_number(db, &ch->row.node);

	/* One row a node: the old one lets go of it first. */
	if (r == 0)
		r = db_row_put(db, &ch->row);
	if (r < 0) {
		free(name);
		return r;
	}
	r = insert_beside(ch->cache, was, facts, name, ret_id);
	return r == 0 ? db_intent_drop(db, was->id, DB_INTENT_BASE) : r;
}

/* What was being written of a file that S3 has. */
static int
split_unfinished(struct change *ch, const struct facts *facts, uint64_t *ret_id)
{
	AUTO(row_fini) struct row was = { 0 };
	AUTO_FREE char *name = NULL;
	int r = row_copy(&was, &ch->row);

	if (r == 0)
		r = name_unfinished(ch->cache, &was, facts, &name);
	if (r == 0)
		r = give_up_bytes(ch);
	return r == 0 ? split(ch, &was, facts, TAKE(name), ret_id) : r;
}

/* The row goes on with the bytes of ${snapshot}; ${was} is what it was. */
static int
take_snapshot(struct change *ch, uint64_t snapshot, const struct facts *facts,
    struct row *was)
{
	int r = row_copy(was, &ch->row);

	ch->row.node = snapshot;
	ch->row.size = facts->size;
	if (r == 0 && ch->row.byte_state == BYTES_UPLOADING)
		r = change_bytes(ch, BYTES_ON_PUT_LOST);
	/* One row a node, as above. */
	if (r == 0)
		r = db_row_put(ch->cache->db, &ch->row);
	return r == 0 ? db_intent_drop(
			    ch->cache->db, ch->row.id, DB_INTENT_SNAPSHOT)
		      : r;
}

/* What was changed since, of the row that was ${was}. */
static int
keep_changed(struct cache *c, const struct row *was, uint64_t *ret_id)
{
	AUTO_FREE char *name = NULL;
	AUTO(facts_fini) struct facts changed;
	int r = facts_mend(c, was->node, &changed);

	if (r == 0 && changed.size == 0) {
		chunk_delete(c, was->node); /* it was emptied, and no more */
		return 0;
	}
	if (r == 0)
		r = name_unfinished(c, was, &changed, &name);
	return r == 0 ? insert_beside(c, was, &changed, TAKE(name), ret_id) : r;
}

int
unfinished_split(struct change *ch, uint64_t snapshot, struct facts *ret_facts,
    uint64_t *ret_id)
{
	AUTO(row_fini) struct row was = { 0 };
	struct cache *c = ch->cache;
	int r = facts_mend(c, snapshot, ret_facts);

	*ret_id = 0;
	if (r == 0 && !ret_facts->is_known)
		return 1;
	if (r == 0)
		r = take_snapshot(ch, snapshot, ret_facts, &was);
	if (r == 0)
		r = keep_changed(c, &was, ret_id);
	/* A base is of what was changed since: it was staged. */
	return r == 0 ? db_intent_drop(c->db, was.id, DB_INTENT_BASE) : r;
}

/* Whether (1) what was written of row ${id} lies in a staging object. */
static int
is_staged(struct cache *c, uint64_t id)
{
	struct db_intent base = { 0 };
	int r = db_intent_get(c->db, id, DB_INTENT_BASE, &base);

	if (r == 0)
		r = base.source_key != NULL &&
		    stage_has_key(c, base.source_key);
	db_intent_fini(&base);
	return r == -ENOENT ? 0 : r;
}

/* Nothing is kept. */
static int
let_go(struct change *ch)
{
	uint64_t node = ch->row.node;
	int r;

	log_warn("'%s' was being written when the last mount ended without "
		 "unmounting: it is as S3 has it",
	    ch->row.name);
	r = give_up_bytes(ch);
	if (r == 0)
		r = db_number(ch->cache->db, &ch->row.node);
	if (r == 0)
		r = db_intent_drop(ch->cache->db, ch->row.id, DB_INTENT_BASE);
	if (r == 0)
		chunk_delete(ch->cache, node);
	return r;
}

/* The bytes of a new file. */
static int
rename_unfinished(struct change *ch, const struct facts *facts)
{
	AUTO_FREE char *name = NULL;
	int r = name_unfinished(ch->cache, &ch->row, facts, &name);

	return r == 0 ? rename_row(ch, facts, TAKE(name)) : r;
}

int
unfinished_keep(struct change *ch, uint64_t *ret_id, bool *ret_gone)
{
	struct aside_name aside;
	AUTO(facts_fini) struct facts facts;
	bool is_new = ch->row.name_state == NAME_CREATING;
	bool is_cut, has_bytes;
	int r = facts_mend(ch->cache, ch->row.node, &facts);

	*ret_id = 0;
	if (r == 0)
		r = is_staged(ch->cache, ch->row.id);
	if (r < 0)
		return r;
	has_bytes = facts.has_dirty || (r == 1 && facts.base_size > 0);
	is_cut = facts.base_size > 0 && facts.size < ch->row.size;
	/* What a conflict keeps is not whole before it is covered: whom it is
	 * a copy of is kept, and makes another. */
	*ret_gone = is_new && (!has_bytes || aside_parse(ch->row.name, &aside));
	if (*ret_gone)
		return 0;
	if (is_new)
		return rename_unfinished(ch, &facts);
	return has_bytes || is_cut ? split_unfinished(ch, &facts, ret_id)
				   : let_go(ch);
}

/* ---- what was closed, and is not whole ---- */

static int
say_lost(
    struct cache *c, const struct row *row, const char *lost, const char *name)
{
	struct buf path = BUF_INIT(PATH_LIMIT);
	int r = scope_path(c, row, &path);

	if (r == 0)
		log_error("'%s' was closed, but bytes %s of it are not in the "
			  "cache folder any more, and S3 does not have them: "
			  "what is left is kept as '%s', with zeros in their "
			  "place",
		    buf_str(&path), lost, name);
	buf_fini(&path);
	return r;
}

static bool
is_partial(const struct row *row)
{
	struct aside_name aside;

	return row->name_state == NAME_CREATING &&
	       aside_parse(row->name, &aside) &&
	       strcmp(aside.what, ASIDE_PARTIAL) == 0;
}

/* ${row}, which is to be the partial one's, says what is missing. */
static int
set_missing(struct row *row, const struct buf *lost)
{
	const struct xattr_set x = { .name = "user.pailfs.missing",
		.value = buf_str(lost),
		.len = lost->len };
	int r = xattr_change(row, &x);

	return r == -ENOSPC ? 0 : r; /* its name and the log tell, too */
}

/* Nothing was ever sent under the key that it is to have. */
static void
forget_sent(struct change *ch)
{
	if (ch->row.byte_state == BYTES_UPLOADING)
		(void)change_bytes(ch, BYTES_ON_PUT_LOST);
	if (ch->row.byte_state == BYTES_UNSURE)
		(void)change_bytes(ch, BYTES_ON_SETTLED_OLD);
}

/* Likewise; and the name of a file that S3 has is as S3 has it. */
static int
keep_partial(struct change *ch, const struct facts *facts,
    const struct buf *lost, uint64_t *ret_id)
{
	struct cache *c = ch->cache;
	AUTO(row_fini) struct row was = { 0 };
	AUTO_FREE char *name = NULL;
	int r = choose_name(c, &ch->row, ASIDE_PARTIAL, &name);

	if (r == 0)
		r = say_lost(c, &ch->row, buf_str(lost), name);
	if (r == 0)
		r = row_copy(&was, &ch->row);
	if (r == 0 && ch->row.name_state == NAME_CREATING) {
		forget_sent(ch);
		r = set_missing(&ch->row, lost);
		return r == 0 ? rename_row(ch, facts, TAKE(name)) : r;
	}
	if (r == 0)
		r = set_missing(&was, lost);
	if (r == 0)
		r = give_up_all(ch);
	if (r == 0)
		r = db_intent_drop(c->db, was.id, DB_INTENT_BYTES);
	return r == 0 ? split(ch, &was, facts, TAKE(name), ret_id) : r;
}

int
unfinished_partial(struct change *ch, struct facts *facts, uint64_t *ret_id)
{
	struct buf lost = BUF_INIT(LOST_MAX);
	int r = facts_with_lost(ch->cache, facts);

	*ret_id = 0;
	if (r == 0)
		r = facts_tell_lost(facts, &lost);
	if (r == 0 && is_partial(&ch->row)) {
		/* That is known; it was killed at once. */
		forget_sent(ch);
		ch->row.size = facts->size;
	} else if (r == 0) {
		r = keep_partial(ch, facts, &lost, ret_id);
	}
	buf_fini(&lost);
	return r;
}

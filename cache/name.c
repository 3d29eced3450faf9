/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name.c - what all changes of names are made of.
 */
#include "cache/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/aside.h"
#include "cache/change.h"
#include "cache/core.h"
#include "cache/listing.h"
#include "cache/path.h"
#include "cache/view.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/text.h"

#define HOST_MAX  64
#define NAMES_MAX 100 /* tried, where one of that second is taken */

/* ${name} for the log: '?' for bytes that are no UTF-8. */
static void
show(const char *name, char ret[CACHE_NAME_MAX + 1])
{
	size_t n = 0, len;
	uint32_t c;

	while (*name != '\0' && n < CACHE_NAME_MAX) {
		len = text_char(name, &c);
		if (len > CACHE_NAME_MAX - n)
			break;
		if (len > 0)
			memcpy(ret + n, name, len);
		else
			ret[n] = '?';
		n += len > 0 ? len : 1;
		name += len > 0 ? len : 1;
	}
	ret[n] = '\0';
}

int
name_check_new(struct cache *c, const char *name)
{
	char shown[CACHE_NAME_MAX + 1];

	if (c->config.read_only)
		return -EROFS;
	if (text_is_utf8(name))
		return 0;
	show(name, shown);
	log_warn("the name '%s' is not UTF-8 ('?' stands for such bytes), as "
		 "keys of S3 have to be: nothing was made or renamed",
	    shown);
	return -EILSEQ;
}

int
name_dir(struct cache *c, uint64_t node, struct row *ret)
{
	int r;

	if (c->config.read_only)
		return -EROFS;
	r = view_dir(c, node, ret);
	if (r == 0 && !view_is_visible(ret)) {
		row_fini(ret);
		r = -ENOENT;
	}
	return r == -ESTALE ? -ENOENT : r;
}

int
name_key(struct cache *c, const struct row *dir, const char *name, bool is_dir,
    char **ret)
{
	struct buf prefix = BUF_INIT(S3_KEY_MAX);
	int r;

	r = path_check_name(name, dir->id == CACHE_ROOT);
	if (r == -EPERM)
		r = -EINVAL;
	if (r == 0)
		r = view_prefix(c, dir->id, &prefix);
	if (r == 0)
		r = path_join(buf_str(&prefix), name, is_dir, ret);
	buf_fini(&prefix);
	return r == -ESTALE ? -ENOENT : r;
}

int
name_key_of(struct cache *c, const struct row *row, char **ret)
{
	struct buf key = BUF_INIT(S3_KEY_MAX);
	int r = view_name_key(c, row, &key);

	if (r == 0)
		r = buf_take(&key, ret);
	buf_fini(&key);
	return r;
}

void
name_touch(struct cache *c, uint64_t id)
{
	/* Gone, or the times stay: no harm. */
	(void)db_row_touch(c->db, id, clock_wall_ns(c->clock), cache_now_ms(c));
}

bool
name_is_touched(const struct row *now, const struct row *sent)
{
	return now->kind == ROW_DIR && now->mtime_ns == now->ctime_ns &&
	       now->ctime_ns > sent->ctime_ns;
}

/* ---- entries of a directory ---- */

struct count {
	uint64_t but;
	int count;
};

static bool
count_one(void *arg, const struct row *row)
{
	struct count *count = arg;

	if (row->id != count->but && view_is_visible(row))
		count->count = 1;
	return count->count == 0;
}

int
name_count(struct cache *c, uint64_t id, uint64_t but)
{
	struct count count = { .but = but };
	int r;

	r = db_rows_after(c->db, id, 0, UINT32_MAX, count_one, &count);
	return r < 0 ? r : count.count;
}

static bool
find_pending(void *arg, const struct row *row)
{
	bool *found = arg;

	*found = state_name_is_pending((enum state_name)row->name_state);
	return !*found;
}

bool
name_is_owed_below(struct cache *c, uint64_t id)
{
	bool found = false;

	/* Where the database fails, what follows does, too. */
	return db_rows_below(c->db, id, find_pending, &found) < 0 || found;
}

int
name_check_empty(struct cache *c, const struct row *row, struct waiter *w)
{
	int r = listing_want(c, row, w);

	if (r == 0)
		r = name_count(c, row->id, 0);
	return r > 0 ? -ENOTEMPTY : r;
}

/* ---- rows ---- */

/* Whether ${now} is what ${row} was when its ${key} was made. */
static int
compare(struct cache *c, const struct row *row, const char *key,
    const struct row *now)
{
	AUTO_FREE char *is = NULL;
	int r;

	if (!view_is_visible(now) || now->node != row->node ||
	    now->kind != row->kind || now->parent != row->parent)
		return -ESTALE;
	r = name_key_of(c, now, &is);
	if (r < 0)
		return r;
	return strcmp(is, key) == 0 ? 0 : -ESTALE;
}

int
name_reread(
    struct cache *c, const struct row *row, const char *key, struct row *ret)
{
	int r = db_row_by_id(c->db, row->id, ret);

	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	r = compare(c, row, key, ret);
	if (r < 0)
		row_fini(ret);
	return r;
}

bool
name_has_moved(struct cache *c, const struct row *row, const char *key)
{
	AUTO_FREE char *now = NULL;

	return key != NULL && name_key_of(c, row, &now) == 0 &&
	       strcmp(now, key) != 0;
}

int
name_begin(
    struct cache *c, const struct row *row, const char *key, struct change *ret)
{
	int r = change_begin(c, row->id, ret);

	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	r = compare(c, row, key, &ret->row);
	return r < 0 ? change_end(ret, r) : 0;
}

int
name_take_aside(struct change *ch)
{
	struct cache *c = ch->cache;
	int64_t now = clock_wall_ns(c->clock);
	char host[HOST_MAX + 1];
	int r = -EEXIST;

	if (gethostname(host, sizeof(host)) < 0)
		(void)strcpy(host, "unknown");
	host[HOST_MAX] = '\0';
	for (int i = 0; r == -EEXIST && i < NAMES_MAX; i++) {
		AUTO(row_fini) struct row other = { 0 };
		struct buf name = BUF_INIT(CACHE_NAME_MAX);

		r = aside_make(ch->row.name, ASIDE_CONFLICT, host,
		    now + i * INT64_C(1000000000), &name);
		if (r == 0 && db_row_by_name(c->db, ch->row.parent,
				  buf_str(&name), &other) != -ENOENT)
			r = -EEXIST;
		if (r == 0)
			r = text_replace(&ch->row.name, buf_str(&name));
		buf_fini(&name);
	}
	return r;
}

int
name_event(struct cache *c, uint64_t id, enum state_name_event e)
{
	struct change ch;
	int r = change_begin(c, id, &ch);

	if (r < 0)
		return r;
	change_name(&ch, e);
	return change_end(&ch, 0);
}

int
name_doubt(struct cache *c, uint64_t id)
{
	return db_row_doubt(c->db, id, cache_now_ms(c) - 1);
}

int
name_doubt_absent(struct cache *c, uint64_t dir, const char *name)
{
	/* The kernel may believe that there is none, too. */
	if (absent_drop(&c->absent, dir, name) && c->hooks.changed != NULL)
		c->hooks.changed(c->hooks.arg, dir, name, 0);
	return db_row_listed(c->db, dir, 0);
}

int
name_doubt_node(struct cache *c, uint64_t node)
{
	AUTO(row_fini) struct row row = { 0 };
	int r = db_row_by_node(c->db, node, &row);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return name_doubt(c, row.id);
}

static bool
same_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

/* Whether row ${a} has the attributes still that headers say, those of ${b}. */
static bool
same_attrs(const struct row *a, const struct row *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       a->rdev == b->rdev && a->atime_ns == b->atime_ns &&
	       ((a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns) ||
		   name_is_touched(a, b)) &&
	       same_bytes(a->meta, a->meta_len, b->meta, b->meta_len);
}

void
name_folded(struct change *ch, const struct row *sent)
{
	enum state_attrs s = (enum state_attrs)ch->row.attr_state;

	/* What is unsure is settled by who sent it: the token says. */
	if (s != ATTRS_CLEAN && s != ATTRS_METADIRTY)
		return;
	change_attrs(ch, ATTRS_ON_FOLD);
	change_attrs(ch, same_attrs(&ch->row, sent) ? ATTRS_ON_SEND_OK
						    : ATTRS_ON_SEND_STALE);
}

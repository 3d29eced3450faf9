/* SPDX-License-Identifier: Apache-2.0 */
/*
 * salvage_names.c - what a damaged database tells of names owed to S3.
 */
#include "cache/salvage_names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/cache.h"
#include "cache/db.h"
#include "cache/state.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/s3.h"

#define DEPTH_MAX 512 /* directories above a file: keys have 1024 bytes */

struct names {
	struct db *db;
	const char *prefix;
	FILE *to;
	uint64_t count;
};

void
salvage_path(struct db *db, const struct row *row, struct buf *ret)
{
	uint64_t parent = row->parent;
	AUTO_FREE char *path = strdup(row->name);

	for (int i = 0; path != NULL && parent > CACHE_ROOT && i < DEPTH_MAX;
	     i++) {
		AUTO(row_fini) struct row dir = { 0 };
		char *longer = NULL;

		if (db_row_by_id(db, parent, &dir) < 0)
			dir.name = strdup("?");
		if (asprintf(&longer, "%s/%s",
			dir.name == NULL ? "?" : dir.name, path) < 0)
			break;
		free(path);
		path = longer;
		parent = dir.id == 0 ? CACHE_ROOT : dir.parent;
	}
	(void)buf_add_str(ret, path == NULL ? "?" : path); /* for a person */
}

/* What is made, as find(1) calls it. */
static const char *
type_of(const struct row *row)
{
	if (row->kind == ROW_DIR)
		return "directory";
	if (row->kind == ROW_SYMLINK)
		return "symlink";
	switch (row->mode & S_IFMT) {
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "character device";
	case S_IFBLK:
		return "block device";
	default:
		return "file";
	}
}

static const char *
or_unknown(const char *text)
{
	return text == NULL ? "?" : text;
}

/* ${row}: all 0 where it cannot be read. */
static void
tell(struct names *n, enum intent_kind kind, const char *key,
    const struct row *row)
{
	bool is_link = row->target != NULL;

	switch (kind) {
	case INTENT_PUT:
		(void)fprintf(n->to, "make\t%s\t%s%s%s\n", key,
		    row->id == 0 ? "?" : type_of(row), is_link ? "\t" : "",
		    is_link ? row->target : "");
		break;
	case INTENT_MARK:
		(void)fprintf(n->to, "mark\t%s\n", key);
		break;
	case INTENT_MOVE:
		(void)fprintf(
		    n->to, "rename\t%s\t%s\n", or_unknown(row->base_key), key);
		break;
	case INTENT_DELETE:
		(void)fprintf(
		    n->to, "delete\t%s\t%s\n", key, or_unknown(row->etag));
		break;
	}
	n->count++;
}

static bool
tell_intent(void *arg, const struct intent *it)
{
	AUTO(row_fini) struct row row = { 0 };
	struct names *n = arg;

	if (db_row_by_id(n->db, it->id, &row) < 0)
		row.id = 0;
	tell(n, it->kind, it->key, &row);
	return true;
}

/* What the state of ${row} says where its intent cannot be read.  A new file
 * is told of by its bytes. */
static bool
kind_of(const struct row *row, enum intent_kind *ret)
{
	switch (row->name_state) {
	case NAME_CREATING:
		*ret = INTENT_PUT;
		return row->kind == ROW_DIR || row->byte_state == BYTES_CLEAN;
	case NAME_MOVING:
		*ret = INTENT_MOVE;
		return row->base_key != NULL;
	case NAME_DELETING:
	case NAME_DELETE_SENT:
		*ret = INTENT_DELETE;
		return true;
	default:
		return false;
	}
}

static bool
tell_row(void *arg, const struct row *row)
{
	struct buf key = BUF_INIT(S3_KEY_MAX + CACHE_NAME_MAX);
	struct intent it = { 0 };
	struct names *n = arg;
	enum intent_kind kind;

	if (kind_of(row, &kind) && db_owed_get(n->db, row->id, &it) < 0) {
		(void)buf_add_str(&key, n->prefix); /* for a person */
		salvage_path(n->db, row, &key);
		if (row->kind == ROW_DIR)
			(void)buf_add_char(&key, '/');
		tell(n, kind, buf_str(&key), row);
	}
	intent_fini(&it);
	buf_fini(&key);
	return true;
}

uint64_t
salvage_names(struct db *db, const char *prefix, FILE *to)
{
	struct names n = { .db = db, .prefix = prefix, .to = to };

	if (db_owed_each(db, tell_intent, &n) == 0)
		return n.count;
	/* Those that were not told yet, and may be known by their rows. */
	(void)db_rows_pending(db, tell_row, &n);
	(void)fputs("?\n", to);
	return n.count + 1;
}

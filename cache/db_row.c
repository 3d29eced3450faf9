/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_row.c - the metadata database: rows of the tree.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "cache/db.h"
#include "cache/db_stmt.h"
#include "cache/path.h"
#include "cache/state.h"

/* A column's bytes with a '\0' after them; NULL where it is NULL. */
static int
copy_bytes(sqlite3_stmt *stmt, int col, char **ret, size_t *ret_len)
{
	const void *data;
	size_t len;
	char *copy;

	if (sqlite3_column_type(stmt, col) == SQLITE_NULL)
		return 0;
	data = sqlite3_column_blob(stmt, col);
	len = (size_t)sqlite3_column_bytes(stmt, col);
	if (data == NULL &&
	    sqlite3_errcode(sqlite3_db_handle(stmt)) == SQLITE_NOMEM)
		return -ENOMEM; /* not: it is empty */
	copy = malloc(len + 1);
	if (copy == NULL)
		return -ENOMEM;
	if (len > 0)
		memcpy(copy, data, len);
	copy[len] = '\0';
	*ret = copy;
	if (ret_len != NULL)
		*ret_len = len;
	return 0;
}

static uint32_t
column_u32(sqlite3_stmt *stmt, int col, uint32_t absent)
{
	if (sqlite3_column_type(stmt, col) == SQLITE_NULL)
		return absent;
	return (uint32_t)sqlite3_column_int64(stmt, col);
}

static uint64_t
column_u64(sqlite3_stmt *stmt, int col)
{
	return (uint64_t)sqlite3_column_int64(stmt, col);
}

/* Whether what leads to it is such as was written: no name with a "/" in it. */
static bool
has_place(const struct row *row, size_t name_len)
{
	if (row->name == NULL || strlen(row->name) != name_len)
		return false;
	if (row->id == CACHE_ROOT)
		return row->parent == 0 && name_len == 0;
	return path_check_name(row->name, false) == 0 && row->parent != row->id;
}

/* Whether its numbers are such as were written: the folder may be another's,
 * or its disk fail. */
static bool
is_sound(const struct row *row)
{
	return row->id != 0 && row->node != 0 &&
	       (int)row->kind >= ROW_UNKNOWN && row->kind <= ROW_SPECIAL &&
	       state_name_is_valid(row->name_state) &&
	       state_attrs_is_valid(row->attr_state) &&
	       state_bytes_is_valid(row->byte_state) &&
	       (int)row->attrs >= ROW_ATTRS_NONE &&
	       row->attrs <= ROW_ATTRS_FRESH &&
	       (int)row->marker >= ROW_MARKER_NONE &&
	       row->marker <= ROW_MARKER_FOLDER &&
	       row->size <= (uint64_t)INT64_MAX && row->seen_ms >= 0 &&
	       row->changed_ms >= 0 && row->listed_ms >= 0;
}

/* The columns in the order of ROW_COLUMNS. */
static int
read_row(struct db *db, sqlite3_stmt *stmt, struct row *row)
{
	size_t name_len = 0;
	char *meta = NULL;
	int r;

	*row = (struct row){
		.id = column_u64(stmt, 0),
		.node = column_u64(stmt, 1),
		.parent = column_u64(stmt, 2),
		.kind = (enum row_kind)sqlite3_column_int(stmt, 4),
		.name_state = sqlite3_column_int(stmt, 5),
		.attr_state = sqlite3_column_int(stmt, 6),
		.byte_state = sqlite3_column_int(stmt, 7),
		.size = column_u64(stmt, 8),
		.modified_ns = sqlite3_column_int64(stmt, 9),
		.attrs = (enum row_attrs)sqlite3_column_int(stmt, 13),
		.mode = column_u32(stmt, 14, 0),
		.uid = column_u32(stmt, 15, UINT32_MAX),
		.gid = column_u32(stmt, 16, UINT32_MAX),
		.rdev = column_u32(stmt, 17, 0),
		.atime_ns = sqlite3_column_int64(stmt, 18),
		.mtime_ns = sqlite3_column_int64(stmt, 19),
		.ctime_ns = sqlite3_column_int64(stmt, 20),
		.marker = (enum row_marker)sqlite3_column_int(stmt, 25),
		.seen_ms = sqlite3_column_int64(stmt, 26),
		.changed_ms = sqlite3_column_int64(stmt, 27),
		.listed_ms = sqlite3_column_int64(stmt, 28),
	};
	r = copy_bytes(stmt, 3, &row->name, &name_len);
	if (r == 0)
		r = copy_bytes(stmt, 10, &row->etag, NULL);
	if (r == 0)
		r = copy_bytes(stmt, 11, &row->version_id, NULL);
	if (r == 0)
		r = copy_bytes(stmt, 12, &row->storage_class, NULL);
	if (r == 0)
		r = copy_bytes(stmt, 21, &row->content_type, NULL);
	if (r == 0)
		r = copy_bytes(stmt, 22, &row->token, NULL);
	if (r == 0)
		r = copy_bytes(stmt, 23, &row->target, NULL);
	if (r == 0)
		r = copy_bytes(stmt, 24, &meta, &row->meta_len);
	row->meta = meta;
	if (r == 0)
		r = copy_bytes(stmt, 29, &row->base_key, NULL);
	if (r == 0 && (!has_place(row, name_len) || !is_sound(row))) {
		db_found_damage(db);
		r = -EBADMSG;
	}
	if (r < 0)
		row_fini(row);
	return r;
}

void
row_fini(struct row *row)
{
	free(row->name);
	free(row->etag);
	free(row->version_id);
	free(row->storage_class);
	free(row->content_type);
	free(row->token);
	free(row->target);
	free(row->meta);
	free(row->base_key);
	*row = (struct row){ 0 };
}

/* ${*field}, which is another's, as a copy of our own; false: no memory. */
static bool
own_text(char **field)
{
	if (*field == NULL)
		return true;
	*field = strdup(*field);
	return *field != NULL;
}

int
row_copy(struct row *dst, const struct row *src)
{
	struct row copy = *src;
	void *meta = NULL;
	bool ok = true;

	if (src->meta_len > 0) {
		meta = malloc(src->meta_len);
		ok = meta != NULL;
	}
	if (meta != NULL)
		memcpy(meta, src->meta, src->meta_len);
	copy.meta = meta;
	/* All of them, so that each is our own, or NULL. */
	ok = own_text(&copy.name) && ok;
	ok = own_text(&copy.etag) && ok;
	ok = own_text(&copy.version_id) && ok;
	ok = own_text(&copy.storage_class) && ok;
	ok = own_text(&copy.content_type) && ok;
	ok = own_text(&copy.token) && ok;
	ok = own_text(&copy.target) && ok;
	ok = own_text(&copy.base_key) && ok;
	if (!ok) {
		row_fini(&copy);
		return -ENOMEM;
	}
	*dst = copy;
	return 0;
}

/* The one row that the bound ${stmt} finds. */
static int
one_row(struct db *db, sqlite3_stmt *stmt, struct row *ret)
{
	int r = db_step(db, stmt);

	if (r == 1)
		r = read_row(db, stmt, ret);
	else if (r == 0)
		r = -ENOENT;
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	return r;
}

static int
row_by_number(
    struct db *db, enum db_stmt which, uint64_t number, struct row *ret)
{
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(db->stmt[which], 1, (int64_t)number);
	r = one_row(db, db->stmt[which], ret);
	db_leave(db);
	return r;
}

int
db_row_by_id(struct db *db, uint64_t id, struct row *ret)
{
	return row_by_number(db, DB_ROW_BY_ID, id, ret);
}

int
db_row_by_node(struct db *db, uint64_t node, struct row *ret)
{
	int r = row_by_number(db, DB_ROW_BY_OWN_NODE, node, ret);

	if (r == -ENOENT)
		r = row_by_number(db, DB_ROW_BY_OTHER_NODE, node, ret);
	return r;
}

int
db_row_by_name(
    struct db *db, uint64_t parent, const char *name, struct row *ret)
{
	sqlite3_stmt *stmt = db->stmt[DB_ROW_BY_NAME];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)parent);
	(void)sqlite3_bind_blob(
	    stmt, 2, name, (int)strlen(name), SQLITE_STATIC);
	r = one_row(db, stmt, ret);
	(void)sqlite3_clear_bindings(stmt); /* name is the caller's */
	db_leave(db);
	return r;
}

static void
bind_text(sqlite3_stmt *stmt, int col, const char *text)
{
	if (text != NULL)
		(void)sqlite3_bind_text(stmt, col, text, -1, SQLITE_STATIC);
}

static void
bind_blob(sqlite3_stmt *stmt, int col, const void *data, size_t len)
{
	if (data != NULL)
		(void)sqlite3_bind_blob64(stmt, col, data, len, SQLITE_STATIC);
}

/* 0 and its like stay NULL: a byte each in the file. */
static void
bind_i64(sqlite3_stmt *stmt, int col, int64_t value, int64_t absent)
{
	if (value != absent)
		(void)sqlite3_bind_int64(stmt, col, value);
}

static void
bind_attrs(sqlite3_stmt *stmt, const struct row *row)
{
	(void)sqlite3_bind_int(stmt, 14, (int)row->attrs);
	bind_i64(stmt, 15, row->mode, 0);
	bind_i64(stmt, 16, row->uid, UINT32_MAX);
	bind_i64(stmt, 17, row->gid, UINT32_MAX);
	bind_i64(stmt, 18, row->rdev, 0);
	bind_i64(stmt, 19, row->atime_ns, 0);
	bind_i64(stmt, 20, row->mtime_ns, 0);
	bind_i64(stmt, 21, row->ctime_ns, 0);
	bind_text(stmt, 22, row->content_type);
	bind_text(stmt, 23, row->token);
	if (row->target != NULL)
		bind_blob(stmt, 24, row->target, strlen(row->target));
	bind_blob(stmt, 25, row->meta, row->meta_len);
}

static int
store(struct db *db, sqlite3_stmt *stmt, const struct row *row)
{
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)row->id);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)row->node);
	(void)sqlite3_bind_int64(stmt, 3, (int64_t)row->parent);
	bind_blob(stmt, 4, row->name, strlen(row->name));
	(void)sqlite3_bind_int(stmt, 5, (int)row->kind);
	(void)sqlite3_bind_int(stmt, 6, row->name_state);
	(void)sqlite3_bind_int(stmt, 7, row->attr_state);
	(void)sqlite3_bind_int(stmt, 8, row->byte_state);
	(void)sqlite3_bind_int64(stmt, 9, (int64_t)row->size);
	(void)sqlite3_bind_int64(stmt, 10, row->modified_ns);
	bind_text(stmt, 11, row->etag);
	bind_text(stmt, 12, row->version_id);
	bind_text(stmt, 13, row->storage_class);
	bind_attrs(stmt, row);
	bind_i64(stmt, 26, (int64_t)row->marker, 0);
	(void)sqlite3_bind_int64(stmt, 27, row->seen_ms);
	bind_i64(stmt, 28, row->changed_ms, 0);
	bind_i64(stmt, 29, row->listed_ms, 0);
	if (row->base_key != NULL)
		bind_blob(stmt, 30, row->base_key, strlen(row->base_key));
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_row_put(struct db *db, const struct row *row)
{
	return store(db, db->stmt[DB_ROW_PUT], row);
}

int
db_row_add(struct db *db, const struct row *row)
{
	return store(db, db->stmt[DB_ROW_ADD], row);
}

int
db_row_update(struct db *db, const struct row *row)
{
	int r;

	db_enter(db);
	r = store(db, db->stmt[DB_ROW_UPDATE], row);
	if (r == 0 && sqlite3_changes(db->sql) == 0)
		r = store(db, db->stmt[DB_ROW_PUT], row);
	db_leave(db);
	return r;
}

static int
set_i64(struct db *db, enum db_stmt which, uint64_t id, int64_t value)
{
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(db->stmt[which], 1, (int64_t)id);
	(void)sqlite3_bind_int64(db->stmt[which], 2, value);
	r = db_run(db, db->stmt[which]);
	db_leave(db);
	return r;
}

int
db_row_seen(struct db *db, uint64_t id, int64_t seen_ms)
{
	return set_i64(db, DB_ROW_SEEN, id, seen_ms);
}

int
db_row_doubt(struct db *db, uint64_t id, int64_t before_ms)
{
	return set_i64(db, DB_ROW_DOUBT, id, before_ms);
}

int
db_row_listed(struct db *db, uint64_t id, int64_t listed_ms)
{
	return set_i64(db, DB_ROW_LISTED, id, listed_ms);
}

int
db_row_touch(struct db *db, uint64_t id, int64_t now_ns, int64_t now_ms)
{
	sqlite3_stmt *stmt = db->stmt[DB_ROW_TOUCH];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)id);
	(void)sqlite3_bind_int64(stmt, 2, now_ns);
	(void)sqlite3_bind_int64(stmt, 3, now_ms);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

int
db_row_delete(struct db *db, uint64_t id)
{
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(db->stmt[DB_ROW_DELETE], 1, (int64_t)id);
	r = db_run(db, db->stmt[DB_ROW_DELETE]);
	db_leave(db);
	return r;
}

static int
each_row(struct db *db, sqlite3_stmt *stmt, db_row_fn *fn, void *arg)
{
	struct row row;
	bool more = true;
	int r;

	while (more && (r = db_step(db, stmt)) == 1) {
		r = read_row(db, stmt, &row);
		if (r < 0)
			break;
		more = fn(arg, &row);
		row_fini(&row);
	}
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	return r < 0 ? r : 0;
}

int
db_rows_after(struct db *db, uint64_t parent, uint64_t after, unsigned max,
    db_row_fn *fn, void *arg)
{
	sqlite3_stmt *stmt = db->stmt[DB_ROWS_AFTER];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)parent);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)after);
	(void)sqlite3_bind_int64(stmt, 3, max);
	r = each_row(db, stmt, fn, arg);
	db_leave(db);
	return r;
}

int
db_rows_named_after(struct db *db, uint64_t parent, const char *name,
    unsigned max, db_row_fn *fn, void *arg)
{
	sqlite3_stmt *stmt = db->stmt[DB_ROWS_NAMED_AFTER];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)parent);
	(void)sqlite3_bind_blob(
	    stmt, 2, name, (int)strlen(name), SQLITE_STATIC);
	(void)sqlite3_bind_int64(stmt, 3, max);
	r = each_row(db, stmt, fn, arg);
	(void)sqlite3_clear_bindings(stmt); /* name is the caller's */
	db_leave(db);
	return r;
}

int
db_rows_unseen(
    struct db *db, uint64_t parent, int64_t ms, db_row_fn *fn, void *arg)
{
	sqlite3_stmt *stmt = db->stmt[DB_ROWS_UNSEEN];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)parent);
	(void)sqlite3_bind_int64(stmt, 2, ms);
	r = each_row(db, stmt, fn, arg);
	db_leave(db);
	return r;
}

int
db_rows_below(struct db *db, uint64_t id, db_row_fn *fn, void *arg)
{
	sqlite3_stmt *stmt = db->stmt[DB_ROWS_BELOW];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)id);
	r = each_row(db, stmt, fn, arg);
	db_leave(db);
	return r;
}

int
db_rows_from(
    struct db *db, uint64_t after, unsigned max, db_row_fn *fn, void *arg)
{
	sqlite3_stmt *stmt = db->stmt[DB_ROWS_FROM];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)after);
	(void)sqlite3_bind_int64(stmt, 2, max);
	r = each_row(db, stmt, fn, arg);
	db_leave(db);
	return r;
}

int
db_rows_aside(
    struct db *db, uint64_t after, uint64_t end, db_row_fn *fn, void *arg)
{
	sqlite3_stmt *stmt = db->stmt[DB_ROWS_ASIDE];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)after);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)end);
	r = each_row(db, stmt, fn, arg);
	db_leave(db);
	return r;
}

int
db_row_window(struct db *db, uint64_t after, unsigned count, uint64_t *ret_end)
{
	sqlite3_stmt *stmt = db->stmt[DB_ROW_WINDOW];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)after);
	(void)sqlite3_bind_int64(stmt, 2, count);
	r = db_step(db, stmt);
	*ret_end = r == 1 ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
	(void)sqlite3_reset(stmt); /* repeats the step's error */
	db_leave(db);
	return r < 0 ? r : 0;
}

int
db_rows_pending(struct db *db, db_row_fn *fn, void *arg)
{
	int r;

	db_enter(db);
	r = each_row(db, db->stmt[DB_ROWS_PENDING], fn, arg);
	db_leave(db);
	return r;
}

int
db_rows_purge(struct db *db, uint64_t parent, int64_t ms, int name_state)
{
	sqlite3_stmt *stmt = db->stmt[DB_ROWS_PURGE];
	int r;

	db_enter(db);
	(void)sqlite3_bind_int64(stmt, 1, (int64_t)parent);
	(void)sqlite3_bind_int64(stmt, 2, ms);
	(void)sqlite3_bind_int(stmt, 3, name_state);
	r = db_run(db, stmt);
	db_leave(db);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db.c - a database whose tables are as they should be and whose values are
 * not: opened, recovered, listed, read, sent, closed.
 *
 * An input is a list of changes: a byte for the table and the row, one for the
 * column, one for the type and length of the value, and the value.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/cache_names.h"

#include <sqlite3.h>
#include <unistd.h>

#define DEPTH_MAX 4

static const char *const tables[] = { "entry", "chunk", "crc", "odd",
	"setting" };
static char memory[] = "/dev/shm/pailfs-fuzz-XXXXXX";
static char db_path[256];
static uint8_t *template; /* the database file as it was made */
static size_t template_len;

static void
write_template(void)
{
	char name[300];
	FILE *f;

	(void)snprintf(name, sizeof(name), "%s-wal", db_path);
	(void)unlink(name);
	(void)snprintf(name, sizeof(name), "%s-shm", db_path);
	(void)unlink(name);
	f = fopen(db_path, "w");
	want(f != NULL);
	want(fwrite(template, 1, template_len, f) == template_len);
	want(fclose(f) == 0);
}

static void
read_template(void)
{
	FILE *f = fopen(db_path, "r");

	want(f != NULL && fseek(f, 0, SEEK_END) == 0);
	template_len = (size_t)ftell(f);
	rewind(f);
	template = malloc(template_len);
	want(template != NULL);
	want(fread(template, 1, template_len, f) == template_len);
	want(fclose(f) == 0);
}

/* Some of everything: clean, dirty, refused, renamed, with and without
 * attributes, chunks, keys that have no path. */
static void
fill(void)
{
	static char text[200000];
	struct cache_set set = { .what = CACHE_SET_MODE, .mode = 0600 };
	struct cache_attr attr;
	struct cache_file *f;

	fake_put(s3, "a/one", 300000, 1);
	fake_put_text(s3, "a/sub/two", "two");
	fake_put_text(s3, "b//odd", "odd");
	fake_put_text(s3, "three", "three");
	memset(text, 'x', sizeof(text) - 1);
	list_dir(ROOT);
	list_dir(get(ROOT, "a").node);
	list_dir(get(get(ROOT, "a").node, "sub").node);
	f = open_file(get(ROOT, "a").node, "one");
	(void)cache_file_write(f, 7, "7", 1, false, NULL);
	(void)cache_file_flush(f, NULL);
	cache_file_close(f);
	(void)make_dir(ROOT, "dir");
	fake_fail(s3, S3_PUT_OBJECT, -EACCES, 100);
	f = create(ROOT, "refused", text);
	(void)cache_file_flush(f, NULL);
	cache_file_close(f);
	fake_fail(s3, S3_PUT_OBJECT, 0, 0);
	attr = get(ROOT, "three");
	(void)cache_setattr(cache, attr.node, NULL, &set, NULL, &attr);
}

static void
remove_folders(void)
{
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	(void)nftw(memory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	void *state = NULL;

	(void)argc;
	(void)argv;
	want(set_up_names(&state) == 0);
	close_cache();
	if (mkdtemp(memory) != NULL)
		config.dir = memory; /* no disk to wait for */
	open_cache();
	fill();
	(void)atexit(remove_folders);
	(void)snprintf(db_path, sizeof(db_path), "%s/meta.db", cache->dir);
	close_cache();
	read_template();
	log_set_level(LOG_LEVEL_ERROR);
	want(freopen("/dev/null", "w", stdout) != NULL);
	return 0;
}

/* One value in place of another. */
static void
apply(sqlite3 *sql, const uint8_t **data, size_t *len)
{
	const uint8_t *p = *data;
	const char *table = tables[p[0] % COUNT(tables)];
	unsigned row = p[0] / COUNT(tables), column = p[1], n = p[2] & 0x3f;
	sqlite3_stmt *stmt, *info;
	char text[256];
	int64_t number = 0;

	*data += 3;
	*len -= 3;
	if (n > *len)
		n = (unsigned)*len;
	(void)snprintf(text, sizeof(text),
	    "SELECT name FROM pragma_table_info('%s') LIMIT 1 OFFSET %u %%"
	    " (SELECT count(*) FROM pragma_table_info('%s'))",
	    table, column, table);
	want(sqlite3_prepare_v2(sql, text, -1, &info, NULL) == SQLITE_OK);
	want(sqlite3_step(info) == SQLITE_ROW);
	(void)snprintf(text, sizeof(text),
	    "UPDATE OR IGNORE %s SET %s = ?1 WHERE rowid = (SELECT rowid FROM"
	    " %s LIMIT 1 OFFSET %u %% max(1, (SELECT count(*) FROM %s)))",
	    table, (const char *)sqlite3_column_text(info, 0), table, row,
	    table);
	(void)sqlite3_finalize(info);
	if (sqlite3_prepare_v2(sql, text, -1, &stmt, NULL) != SQLITE_OK)
		return; /* a table without row ids */
	memcpy(&number, *data, n < sizeof(number) ? n : sizeof(number));
	if (p[2] >> 6 == 0)
		(void)sqlite3_bind_int64(stmt, 1, number);
	else if (p[2] >> 6 == 1)
		(void)sqlite3_bind_blob(stmt, 1, *data, (int)n, SQLITE_STATIC);
	else if (p[2] >> 6 == 2)
		(void)sqlite3_bind_text(
		    stmt, 1, (const char *)*data, (int)n, SQLITE_STATIC);
	(void)sqlite3_step(stmt); /* some are refused */
	(void)sqlite3_finalize(stmt);
	*data += n;
	*len -= n;
}

static void
mutate(const uint8_t *data, size_t len)
{
	sqlite3 *sql;

	want(sqlite3_open(db_path, &sql) == SQLITE_OK);
	want(sqlite3_exec(sql, "PRAGMA synchronous=OFF", NULL, NULL, NULL) ==
	     SQLITE_OK);
	while (len >= 3)
		apply(sql, &data, &len);
	want(sqlite3_close(sql) == SQLITE_OK);
}

/* ---- what a mount does with it ---- */

struct found {
	char name[16][256];
	uint64_t node[16];
	bool is_dir[16];
	unsigned count;
};

static bool
note(void *arg, const char *name, const struct cache_attr *attr, uint64_t next)
{
	struct found *f = arg;

	(void)next;
	want(strlen(name) > 0 && strlen(name) <= 255);
	want(strchr(name, '/') == NULL);
	want(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
	(void)snprintf(f->name[f->count], 256, "%s", name);
	f->node[f->count] = attr->node;
	f->is_dir[f->count] = S_ISDIR(attr->mode);
	return ++f->count < 16;
}

static void
use_file(uint64_t node)
{
	struct buf b = BUF_INIT(1 << 16);
	struct cache_bytes bytes;
	struct cache_file *f;

	(void)cache_listxattr(cache, node, NULL, &b);
	buf_fini(&b);
	(void)cache_readlink(cache, node, NULL, &b);
	buf_fini(&b);
	if (cache_file_open(cache, node, O_RDWR, NULL, &f) < 0)
		return;
	if (cache_file_read(f, 0, 4096, NULL, &bytes) == 0)
		cache_bytes_put(cache, &bytes);
	(void)cache_file_write(f, 1, "x", 1, false, NULL);
	(void)cache_file_flush(f, NULL);
	cache_file_close(f);
}

static void
use(uint64_t node, unsigned depth)
{
	struct found *f = calloc(1, sizeof(*f));
	struct cache_attr attr;
	struct cache_dir *d;

	want(f != NULL);
	if (depth < DEPTH_MAX && cache_opendir(cache, node, NULL, &d) == 0) {
		(void)cache_readdir(d, 0, note, f);
		cache_closedir(d);
	}
	for (unsigned i = 0; i < f->count; i++) {
		(void)cache_lookup(cache, node, f->name[i], NULL, &attr);
		(void)cache_getattr(cache, f->node[i], NULL, NULL, &attr);
		if (f->is_dir[i])
			use(f->node[i], depth + 1);
		else
			use_file(f->node[i]);
	}
	free(f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct cache_hooks hooks = { .changed = on_changed };
	char message[512];
	uint64_t left;

	write_template();
	mutate(data, len);
	if (cache_open(&config, s3, &hooks, &cache, message, sizeof(message)) <
	    0) {
		want(message[0] != '\0');
		return 0;
	}
	use(ROOT, 0);
	(void)cache_rename(cache, &AT(ROOT, "a"), &AT(ROOT, "moved"), 0, NULL);
	(void)cache_unlink(cache, ROOT, "three", NULL);
	(void)cache_drain(cache, NULL, &left);
	close_cache();
	return 0;
}

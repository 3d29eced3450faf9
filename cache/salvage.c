/* SPDX-License-Identifier: Apache-2.0 */
/*
 * salvage.c - a damaged database goes aside, and with it what only it knew of.
 */
#include "cache/salvage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/rangeset.h"
#include "cache/salvage_names.h"
#include "cache/state.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

#define OWING    "owing"
#define LINE_MAX (64U << 10)

/* One salvage. */
struct job {
	struct cache *cache;
	struct db *db; /* owned; NULL: it cannot be read at all */
	char name[40]; /* of the folder */
	int dir;       /* owned */
	int chunks;    /* owned: its chunks/ */
	FILE *list;    /* owned */
	bool is_owing; /* something may be owed */
	uint64_t kept;
	uint64_t names; /* changes of them, that S3 was not told of */
};

static int
folder_of(const struct cache *c)
{
	int fd = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int
salvage_set_owing(struct cache *c, bool owing)
{
	int dir = folder_of(c), fd, r = 0;

	if (dir < 0)
		return dir;
	if (owing) {
		fd = openat(dir, OWING, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		r = fd < 0 ? -errno : 0;
		if (fd >= 0)
			(void)close(fd); /* its name is all */
		if (r == 0 && fsync(dir) < 0)
			r = -errno;
	} else if (unlinkat(dir, OWING, 0) < 0 && errno != ENOENT) {
		r = -errno;
	}
	(void)close(dir); /* nothing written to it */
	return r;
}

static bool
is_owing(const struct cache *c)
{
	int dir = folder_of(c);
	bool there = dir >= 0 && faccessat(dir, OWING, F_OK, 0) == 0;

	if (dir >= 0)
		(void)close(dir); /* nothing written */
	return there;
}

/* ---- the files ---- */

typedef void each_fn(struct job *j, int folder, const char *name);

/* Call ${fn} for each file of the folder ${name} of ${top}. */
static void
each_in(struct job *j, int top, const char *name, each_fn *fn)
{
	int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *one;

	if (d == NULL) {
		if (fd >= 0)
			(void)close(fd); /* nothing written */
		return;
	}
	while ((one = readdir(d)) != NULL) {
		if (one->d_name[0] != '.')
			fn(j, fd, one->d_name);
	}
	(void)closedir(d);
}

static void
each_chunk(struct job *j, each_fn *fn)
{
	for (unsigned i = 0; i < 256; i++) {
		char name[3];

		(void)snprintf(name, sizeof(name), "%02x", i);
		each_in(j, j->cache->chunks_fd, name, fn);
	}
}

static void
count_file(struct job *j, int folder, const char *name)
{
	struct stat st;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_blocks > 0)
		j->kept++;
}

bool
salvage_is_lost(struct cache *c)
{
	struct job j = { .cache = c };

	int dir = folder_of(c);
	struct stat st = { 0 };
	bool empty;

	if (dir < 0)
		return false;
	empty = fstatat(dir, "meta.db", &st, 0) < 0 ? errno == ENOENT
						    : st.st_size == 0;
	(void)close(dir); /* nothing written */
	if (!empty || !is_owing(c))
		return false;
	each_chunk(&j, count_file);
	return j.kept > 0;
}

/* ---- what is known of one ---- */

static void
ranges_of(const struct db_chunk *facts, struct buf *ret)
{
	struct rangeset dirty;

	rangeset_init(&dirty);
	if (rangeset_unpack(facts->dirty, facts->dirty_len, &dirty) < 0) {
		(void)buf_add_str(ret, "?"); /* for a person */
	} else {
		for (size_t i = 0; i < dirty.count; i++)
			(void)buf_printf(ret, "%s%" PRIu64 "-%" PRIu64,
			    i == 0 ? "" : " ", dirty.ranges[i].off,
			    dirty.ranges[i].end);
	}
	rangeset_fini(&dirty);
}

/* Describe chunk file ${node}, if it may hold what S3 does not have; false: it
 * does not. */
static bool
describe(struct job *j, uint64_t node, struct buf *ret)
{
	AUTO(row_fini) struct row row = { 0 };
	struct db_chunk facts = { 0 };
	int row_err = -EIO, facts_err = -EIO;
	bool clean;

	if (j->db != NULL) {
		row_err = db_row_by_node(j->db, node, &row);
		facts_err = db_chunk_get(j->db, node, &facts);
	}
	clean =
	    (row_err == -ENOENT ||
		(row_err == 0 && row.byte_state == BYTES_CLEAN)) &&
	    (facts_err == -ENOENT || (facts_err == 0 && facts.dirty_len == 0));
	(void)buf_printf(ret, "%" PRIu64 "\t", node); /* for a person */
	if (row_err == 0)
		salvage_path(j->db, &row, ret);
	(void)buf_printf(
	    ret, row_err == 0 ? "\t%" PRIu64 "\t" : "?\t?\t", row.size);
	if (facts_err == 0)
		ranges_of(&facts, ret);
	else
		(void)buf_add_str(ret, "?");
	db_chunk_fini(&facts);
	return !clean;
}

static void
sort_file(struct job *j, int folder, const char *name)
{
	uint64_t node = strtoull(name, NULL, 10);
	struct buf line = BUF_INIT(LINE_MAX);
	bool keep;

	keep = describe(j, node, &line) && j->is_owing;
	if (!keep) {
		(void)unlinkat(folder, name, 0); /* it only takes room */
	} else if (renameat(folder, name, j->chunks, name) == 0) {
		j->kept++;
		(void)fprintf(j->list, "%s\n", buf_str(&line));
	} else {
		log_error("cannot move '%s' to '%s': %s", name, j->name,
		    strerror(errno));
	}
	buf_fini(&line);
}

/* ---- all of it ---- */

/* Open, or make, folder ${name} of ${top}: its number or -errno. */
static int
make_folder(int top, const char *name)
{
	int fd;

	if (mkdirat(top, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A list of what is kept. */
static int
open_list(struct job *j, const char *name, FILE **ret)
{
	int fd = openat(
	    j->dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	*ret = fd < 0 ? NULL : fdopen(fd, "a");
	return *ret == NULL ? -errno : 0;
}

static int
move_db(struct job *j, int top)
{
	static const char *const names[] = { "meta.db", "meta.db-wal",
		"meta.db-shm" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (renameat(top, names[i], j->dir, names[i]) < 0 &&
		    errno != ENOENT)
			return -errno;
	return 0;
}

static int
open_folder(struct job *j)
{
	struct cache *c = j->cache;
	int64_t now = clock_wall_ns(c->clock) / 1000000000;
	int top = folder_of(c), r = 0;

	if (top < 0)
		return top;
	(void)snprintf(j->name, sizeof(j->name), "damaged-%" PRId64, now);
	j->dir = make_folder(top, j->name);
	if (j->dir >= 0)
		j->chunks = make_folder(j->dir, "chunks");
	if (j->dir < 0 || j->chunks < 0)
		r = j->dir < 0 ? j->dir : j->chunks;
	if (r == 0)
		r = open_list(j, "LIST", &j->list);
	if (r == 0)
		r = move_db(j, top);
	(void)close(top); /* nothing written to it */
	return r;
}

/* What of it can be read, tells what is owed. */
static void
open_db(struct job *j)
{
	struct buf path = BUF_INIT(PATH_MAX);
	bool cold = false;

	if (buf_printf(&path, "%s/%s/meta.db", j->cache->dir, j->name) == 0 &&
	    db_open(buf_str(&path), &j->db, &cold) < 0)
		j->db = NULL;
	if (cold) { /* it was empty, and says nothing */
		db_close(j->db);
		j->db = NULL;
	}
	buf_fini(&path);
}

/* Names are owed by what the database says only. */
static int
list_names(struct job *j)
{
	FILE *to;
	int r = open_list(j, "NAMES", &to);

	if (r < 0)
		return r;
	if (j->db != NULL && j->is_owing)
		j->names = salvage_names(j->db, j->cache->config.prefix, to);
	r = fclose(to) != 0 ? -errno : 0;
	if (r == 0 && j->names == 0 && unlinkat(j->dir, "NAMES", 0) < 0)
		r = -errno;
	return r;
}

static void
say(const struct job *j, char *message, size_t len)
{
	int n = snprintf(message, len,
	    "the database in cache folder '%s' is damaged: moved aside as %s, "
	    "starting cold",
	    j->cache->dir, j->name);

	if (j->kept > 0 && n > 0 && (size_t)n < len)
		n += snprintf(message + n, len - (size_t)n,
		    "; %" PRIu64 " files that S3 may not have are in "
		    "%s/chunks, LIST tells their names",
		    j->kept, j->name);
	if (j->names > 0 && n > 0 && (size_t)n < len)
		(void)snprintf(message + n, len - (size_t)n,
		    "; %" PRIu64 " changes of names that S3 was not told of "
		    "are in %s/NAMES",
		    j->names, j->name);
}

int
salvage_run(struct cache *c, char *message, size_t len)
{
	struct job j = { .cache = c, .dir = -1, .chunks = -1 };
	int r;

	j.is_owing = is_owing(c);
	r = open_folder(&j);
	if (r == 0) {
		open_db(&j);
		each_chunk(&j, sort_file);
		r = list_names(&j);
		db_close(j.db);
	}
	if (j.list != NULL && fclose(j.list) != 0 && r == 0)
		r = -errno;
	if (j.chunks >= 0)
		(void)close(j.chunks); /* its files have other names only */
	if (j.dir >= 0)
		(void)close(j.dir); /* likewise */
	if (r == 0)
		say(&j, message, len);
	return r;
}

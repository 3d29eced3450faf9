/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.c - the cache folder: found or made, ours alone, of this bucket.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/entry.h"
#include "cache/lockfile.h"
#include "cache/salvage.h"
#include "cache/state.h"
#include "cache/store.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

#define NAME_HEX 16

#define DAMAGED "damaged" /* a file of this name: see leave_word() */

/* Less than this over free_space is not worth starting with. */
#define ROOM_MIN ((uint64_t)2 << 20)

/* FNV-1a, 64 bits: names a folder; what is recorded inside decides. */
static uint64_t
hash_text(uint64_t hash, const char *s)
{
	do {
		hash ^= (uint8_t)*s;
		hash *= UINT64_C(0x100000001b3);
	} while (*s++ != '\0');
	return hash;
}

static int
say(char *message, size_t len, int r, const char *path, const char *what)
{
	(void)snprintf(message, len, "cache folder '%s' %s (%s)", path, what,
	    strerror(-r));
	return r;
}

/* Make a folder, if it is not there; its name is on the disk then. */
static int
make_folder(const char *path)
{
	AUTO_FREE char *above = NULL;
	int fd, r;

	if (mkdir(path, 0700) < 0)
		return errno == EEXIST ? 0 : -errno;
	if (asprintf(&above, "%s/..", path) < 0) {
		above = NULL;
		return -ENOMEM;
	}
	fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? 0 : -errno; /* not ours to sync */
	r = fsync(fd) < 0 ? -errno : 0;
	(void)close(fd); /* nothing was written */
	return r;
}

/* Make the folder ${path} and those above it. */
static int
make_folders(const char *path)
{
	AUTO_FREE char *copy = strdup(path);
	int r = 0;

	if (copy == NULL)
		return -ENOMEM;
	for (char *p = copy + 1; r == 0 && *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		r = make_folder(copy);
		*p = '/';
	}
	return r == 0 ? make_folder(copy) : r;
}

static int
path_in(const struct cache *c, const char *name, char **ret)
{
	struct buf b = BUF_INIT(PATH_MAX);
	int r;

	r = buf_printf(&b, "%s/%s", c->dir, name);
	if (r == 0)
		r = buf_take(&b, ret);
	buf_fini(&b);
	return r;
}

static int
name_folder(struct cache *c)
{
	struct buf b = BUF_INIT(PATH_MAX);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	int r;

	hash = hash_text(hash, c->config.endpoint);
	hash = hash_text(hash, c->config.bucket);
	hash = hash_text(hash, c->config.prefix);
	r = buf_printf(&b, "%s/%0*" PRIx64, c->config.dir, NAME_HEX, hash);
	if (r == 0)
		r = buf_take(&b, &c->dir);
	buf_fini(&b);
	return r;
}

/* Folder and lock. */
static int
open_folder(struct cache *c, char *message, size_t len)
{
	AUTO_FREE char *lock = NULL;
	AUTO_FREE char *chunks = NULL;
	int r;

	r = make_folders(c->dir);
	if (r < 0)
		return say(message, len, r, c->dir,
		    "cannot be made: choose another with cache=");
	r = path_in(c, "lock", &lock);
	if (r == 0)
		r = path_in(c, "chunks", &chunks);
	if (r < 0)
		return r;
	r = lockfile_take(c, lock, message, len);
	if (r < 0)
		return r;
	if (mkdir(chunks, 0700) < 0 && errno != EEXIST)
		return say(message, len, -errno, c->dir, "is not writable");
	c->chunks_fd = open(chunks, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->chunks_fd < 0)
		return say(message, len, -errno, chunks, "cannot be opened");
	return 0;
}

/* Whether there is room to work in at all. */
static int
check_room(struct cache *c, uint64_t used, char *message, size_t len)
{
	struct statvfs vfs;
	uint64_t avail;

	if (fstatvfs(c->chunks_fd, &vfs) < 0)
		return say(message, len, -errno, c->dir, "does not answer");
	avail = (uint64_t)vfs.f_bavail * vfs.f_frsize + used;
	if (avail >= c->config.free_space + ROOM_MIN)
		return 0;
	(void)snprintf(message, len,
	    "cache folder '%s' has %" PRIu64
	    " MiB free, and free_space=%" PRIu64
	    "M is to be left: free some, choose another with cache=, "
	    "or lower free_space=",
	    c->dir, avail >> 20, c->config.free_space >> 20);
	return -ENOSPC;
}

static int
open_db(struct cache *c, char *message, size_t len)
{
	AUTO_FREE char *path = NULL;
	bool cold;
	int r;

	r = path_in(c, "meta.db", &path);
	if (r == 0)
		r = db_open(path, &c->db, &cold);
	if (r == -EPROTO)
		return say(message, len, r, c->dir,
		    "was written by a newer pailfs: use that, or another "
		    "cache=");
	return r;
}

/* What the folder is of, recorded inside. */
static int
check_identity(struct cache *c, char *message, size_t len)
{
	struct buf have = BUF_INIT(8192), want = BUF_INIT(8192);
	int r;

	r = buf_printf(&want, "%s\n%s\n%s", c->config.endpoint,
	    c->config.bucket, c->config.prefix);
	if (r == 0)
		r = db_get_setting(c->db, "identity", &have);
	if (r == -ENOENT)
		r = db_set_setting(c->db, "identity", buf_str(&want));
	else if (r == 0 && strcmp(buf_str(&have), buf_str(&want)) != 0)
		r = say(message, len, -EEXIST, c->dir,
		    "belongs to another bucket: choose another with cache=");
	buf_fini(&have);
	buf_fini(&want);
	return r;
}

static int64_t
number_setting(struct cache *c, const char *name)
{
	struct buf text = BUF_INIT(64);
	int64_t n = 0;

	if (db_get_setting(c->db, name, &text) == 0)
		n = strtoll(buf_str(&text), NULL, 10);
	buf_fini(&text);
	return n;
}

static int
set_number(struct cache *c, const char *name, int64_t n)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRId64, n);
	return db_set_setting(c->db, name, text);
}

void
store_tick(struct cache *c)
{
	/* Ahead of all rows, also after a crash: their times are not to lie
	 * in the future of the next run. */
	(void)set_number(c, "clock_ms", cache_now_ms(c) + STORE_TICK_MS);
}

/* The root's row, in a new database. */
static int
make_root(struct cache *c)
{
	struct row row = { .id = CACHE_ROOT,
		.node = CACHE_ROOT,
		.kind = ROW_DIR,
		.name_state = NAME_PRESENT,
		.uid = UINT32_MAX,
		.gid = UINT32_MAX,
		.attrs = ROW_ATTRS_KNOWN };
	struct row have = { 0 };
	char name[] = "";
	int r;

	r = db_row_by_id(c->db, CACHE_ROOT, &have);
	row_fini(&have);
	if (r != -ENOENT)
		return r;
	row.name = name;
	row.modified_ns = clock_wall_ns(c->clock);
	return db_row_put(c->db, &row);
}

/* Whether the machine has run since the last mount; from now on, it has. */
static int
compare_boot(struct cache *c)
{
	struct buf before = BUF_INIT(64);
	char now[40] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	int r;

	if (fd >= 0 && read(fd, now, sizeof(now) - 1) < 0)
		now[0] = '\0';
	if (fd >= 0)
		(void)close(fd); /* nothing written */
	now[strcspn(now, "\n")] = '\0';
	r = db_get_setting(c->db, "boot", &before);
	c->is_same_boot =
	    r == 0 && now[0] != '\0' && strcmp(buf_str(&before), now) == 0;
	buf_fini(&before);
	return r == 0 && c->is_same_boot ? 0
					 : db_set_setting(c->db, "boot", now);
}

/* Numbers begin anew in a new folder: a random one tells it from those that
 * were in its place. */
static int
choose_generation(struct cache *c)
{
	c->generation = (uint32_t)number_setting(c, "generation");
	if (c->generation != 0)
		return 0;
	if (getrandom(&c->generation, sizeof(c->generation), 0) !=
	    sizeof(c->generation))
		return -EIO;
	c->generation |= 1;
	return set_number(c, "generation", c->generation);
}

/* Clock, numbers and sums go on from the last run. */
static int
go_on(struct cache *c, uint64_t *ret_used)
{
	int64_t wall_ms = clock_wall_ns(c->clock) / 1000000;
	int64_t last_ms = number_setting(c, "clock_ms");
	int r;

	c->epoch_ms = (wall_ms > last_ms ? wall_ms : last_ms + 1) -
		      clock_mono_ms(c->clock);
	r = db_number(c->db, &c->boot_number);
	if (r == 0)
		r = make_root(c);
	if (r == 0)
		r = compare_boot(c);
	if (r == 0)
		r = choose_generation(c);
	if (r < 0)
		return r;
	c->was_clean = number_setting(c, "clean") == 1;
	if (c->was_clean) {
		*ret_used = (uint64_t)number_setting(c, "used");
	} else {
		r = db_chunks_bytes(c->db, ret_used);
		if (r == 0)
			r = set_number(c, "doubt_ms", cache_now_ms(c));
	}
	c->doubt_ms = number_setting(c, "doubt_ms");
	if (r == 0)
		r = set_number(c, "clean", 0);
	if (r == 0)
		store_tick(c);
	return r;
}

/* The database and what it says of the folder. */
static int
open_facts(struct cache *c, uint64_t *ret_used, char *message, size_t len)
{
	int r = open_db(c, message, len);

	if (r == 0)
		r = check_identity(c, message, len);
	return r == 0 ? go_on(c, ret_used) : r;
}

/* Whether the last run left word that the database is damaged. */
static bool
was_damaged(struct cache *c)
{
	AUTO_FREE char *path = NULL;

	return path_in(c, DAMAGED, &path) == 0 && unlink(path) == 0;
}

/* Leave that word: the next start moves it aside. */
static void
leave_word(struct cache *c)
{
	AUTO_FREE char *path = NULL;
	int fd;

	log_error("the database in cache folder '%s' is damaged: the next "
		  "mount moves it aside",
	    c->dir);
	if (path_in(c, DAMAGED, &path) < 0)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)close(fd); /* its name is all */
}

int
store_open(struct cache *c, char *message, size_t len)
{
	uint64_t used = 0;
	int r;

	r = name_folder(c);
	if (r == 0)
		r = open_folder(c, message, len);
	if (r < 0)
		return r;
	r = was_damaged(c) || salvage_is_lost(c)
		? -EBADMSG
		: open_facts(c, &used, message, len);
	if (r == -EBADMSG) {
		db_close(c->db);
		c->db = NULL;
		r = salvage_run(c, message, len);
		if (r < 0)
			return say(message, len, r, c->dir,
			    "is damaged and cannot be moved aside");
		r = open_facts(c, &used, message, len);
	}
	if (r == 0) /* from here on it was not clean, whatever happens */
		r = db_sync(c->db);
	if (r == 0 && !c->config.read_only)
		r = salvage_set_owing(c, true);
	if (r == -EPROTO || r == -EEXIST || r == -EBUSY)
		return r;
	if (r < 0)
		return say(message, len, r, c->dir, "cannot be used");
	atomic_store(&c->space.present, used);
	return check_room(c, used, message, len);
}

static bool
note_owed(void *arg, const struct row *row)
{
	(void)row;
	*(bool *)arg = true;
	return false;
}

/* Nothing of the folder is worth keeping, whatever becomes of the database. */
static bool
owes_nothing(struct cache *c)
{
	bool owes = false;

	return db_rows_pending(c->db, note_owed, &owes) == 0 && !owes;
}

void
store_close(struct cache *c, int is_clean)
{
	if (c->db != NULL && is_clean) {
		/* Without these the next start counts and mends. */
		(void)set_number(c, "clock_ms", cache_now_ms(c));
		(void)set_number(
		    c, "used", (int64_t)atomic_load(&c->space.present));
		(void)set_number(c, "clean", 1);
		if (!c->config.read_only && owes_nothing(c))
			(void)salvage_set_owing(c, false); /* kept: harmless */
	}
	if (c->db != NULL && db_is_damaged(c->db))
		leave_word(c);
	db_close(c->db);
	if (c->chunks_fd >= 0)
		(void)close(c->chunks_fd);
	if (c->lock_fd >= 0)
		(void)close(c->lock_fd); /* gives the lock back */
	free(c->dir);
}

static bool
is_open(struct cache *c, uint64_t node)
{
	struct entry *e = entry_find(c, node);

	entry_put(e);
	return e != NULL;
}

static void
sweep_folder(struct cache *c, const char *name)
{
	struct dirent *d;
	DIR *dir;
	int fd = openat(c->chunks_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL) {
		uint64_t node = strtoull(d->d_name, NULL, 10);
		struct db_chunk chunk = { 0 };

		if (node == 0 || node >= c->boot_number || is_open(c, node))
			continue;
		if (db_chunk_get(c->db, node, &chunk) == -ENOENT &&
		    unlinkat(fd, d->d_name, 0) == 0)
			log_debug("swept chunk=%" PRIu64, node);
		db_chunk_fini(&chunk);
	}
	(void)closedir(dir);
}

void
store_sweep(struct cache *c, unsigned number)
{
	char name[3];

	(void)snprintf(name, sizeof(name), "%02x", number & 0xffU);
	sweep_folder(c, name);
}

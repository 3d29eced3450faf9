/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_synced.c - what is on the disk when fsync returns, and in which order.
 *
 * Role:    test of sync=local in cache/sync.c, snapshot.c, dir.c, chunk.c,
 * db.c: what survives the loss of power.  The program's own fsync() and
 *          fdatasync() note what they are given, and do it.
 */
#include "tests/unit/cache_names.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS_MAX 64

/* Of each call: 'c' a chunk file, 'd' a folder, 'w' the log of the database,
 * 'o' another; and how long the file was. */
static struct {
	pthread_mutex_t mutex;
	char kinds[EVENTS_MAX];
	off_t sizes[EVENTS_MAX];
	size_t count;
	char failing; /* of this kind all fail */
} seen = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static char
kind_of(int fd, const struct stat *st)
{
	char link[64], path[512] = "";

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		return 'o';
	if (S_ISDIR(st->st_mode))
		return 'd';
	if (strstr(path, "/chunks/") != NULL)
		return 'c';
	return strstr(path, "meta.db-wal") != NULL ? 'w' : 'o';
}

static int
note(int fd, long call)
{
	struct stat st = { 0 };
	char kind;
	bool fails;

	(void)fstat(fd, &st);
	kind = kind_of(fd, &st);
	pthread_mutex_lock(&seen.mutex);
	fails = kind == seen.failing;
	if (seen.count < EVENTS_MAX - 1) {
		seen.kinds[seen.count] = kind;
		seen.sizes[seen.count++] = st.st_size;
	}
	pthread_mutex_unlock(&seen.mutex);
	if (fails) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(call, fd);
}

/* In place of libc's. */
int
fsync(int fd)
{
	return note(fd, SYS_fsync);
}

int
fdatasync(int fd)
{
	return note(fd, SYS_fdatasync);
}

static void
forget(char failing)
{
	pthread_mutex_lock(&seen.mutex);
	memset(seen.kinds, 0, sizeof(seen.kinds));
	seen.count = 0;
	seen.failing = failing;
	pthread_mutex_unlock(&seen.mutex);
}

static off_t
log_size(void)
{
	char path[1024];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/meta.db-wal", cache->dir);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

/* The last was of the log, when all that is in it now was. */
static void
assert_log_last(void)
{
	assert_true(seen.count > 0);
	assert_int_equal(seen.kinds[seen.count - 1], 'w');
	assert_int_equal(seen.sizes[seen.count - 1], log_size());
}

/* First the bytes, all ${size} of them; then the folders; the log last, which
 * tells of both. */
static void
assert_in_order(off_t size)
{
	const char *log = strchr(seen.kinds, 'w');

	assert_int_equal(seen.kinds[0], 'c');
	assert_int_equal(seen.sizes[0], size);
	assert_non_null(strchr(seen.kinds, 'd'));
	assert_true(log > strrchr(seen.kinds, 'd'));
	assert_log_last();
}

static int
set_up_local(void **state)
{
	int r = set_up_names(state);

	if (r < 0)
		return r;
	close_cache();
	config.sync = CACHE_SYNC_LOCAL;
	open_cache();
	forget(0);
	return 0;
}

static struct cache_file *
make_file(const char *name)
{
	const struct cache_new what = { .flags = O_RDWR | O_CREAT,
		.mode = S_IFREG | 0644 };
	struct cache_attr attr;
	struct cache_file *f;

	assert_int_equal(
	    cache_create(cache, &AT(ROOT, name), &what, NULL, &f, &attr), 0);
	return f;
}

static void
write_at(struct cache_file *f, uint64_t off, const char *text)
{
	assert_int_equal(
	    cache_file_write(f, off, text, strlen(text), false, NULL), 0);
}

static void
test_fsync(void **state)
{
	struct cache_file *f = make_file("f");

	(void)state;
	write_at(f, 0, "some bytes");
	forget(0);
	assert_int_equal(cache_file_sync(f, false, NULL), 0);
	assert_in_order(10);
	write_at(f, 10, ", and more");
	forget(0);
	assert_int_equal(cache_file_sync(f, true, NULL), 0);
	assert_in_order(20);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
}

/* A close need not outlive the loss of power. */
static void
test_close(void **state)
{
	struct cache_file *f = make_file("f");

	(void)state;
	write_at(f, 0, "some bytes");
	forget(0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	assert_int_equal(seen.count, 0);
	cache_file_close(f);
}

/* What the disk refuses is told. */
static void
test_errors(void **state)
{
	struct cache_file *f = make_file("f");

	(void)state;
	write_at(f, 0, "some bytes");
	for (const char *kind = "cdw"; *kind != '\0'; kind++) {
		forget(*kind);
		assert_int_equal(cache_file_sync(f, false, NULL), -EIO);
		assert_non_null(strchr(seen.kinds, *kind));
	}
	forget(0);
	assert_int_equal(cache_file_sync(f, false, NULL), 0);
	assert_in_order(10);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
}

/* What was synced stays on the disk while it is written again: a copy of it is
 * synced before the first byte changes. */
static void
test_snapshot(void **state)
{
	struct cache_file *f = make_file("f");
	off_t before;

	(void)state;
	write_at(f, 0, "some bytes");
	assert_int_equal(cache_file_sync(f, false, NULL), 0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	before = log_size();
	forget(0);
	write_at(f, 0, "S");
	assert_string_equal(seen.kinds, "cddw");
	assert_int_equal(seen.sizes[0], 10);
	assert_true(seen.sizes[3] > before);
	forget(0);
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
}

static void
test_directory(void **state)
{
	struct cache_file *f = make_file("f");
	struct cache_dir *d;

	(void)state;
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	assert_int_equal(cache_unlink(cache, ROOT, "f", NULL), 0);
	assert_int_equal(cache_opendir(cache, ROOT, NULL, &d), 0);
	forget(0);
	assert_int_equal(cache_dir_sync(d, NULL), 0);
	assert_log_last();
	forget('w');
	assert_int_equal(cache_dir_sync(d, NULL), -EIO);
	forget(0);
	cache_closedir(d);
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_local, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_fsync),
		T(test_close),
		T(test_errors),
		T(test_snapshot),
		T(test_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

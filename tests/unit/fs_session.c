/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_session.c - operations that read, through the kernel: a mount of a fake
 * cache.
 */
#include "tests/unit/fake_mount.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define READERS 100

static int
set_up_read_only(void **state)
{
	return set_up_mount(state, true);
}

static void
test_attributes(void **state)
{
	struct fixture *f = need_fuse(state);
	struct statvfs vfs;
	struct stat st;

	assert_int_equal(stat(path_of(f, "small"), &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(st.st_blocks, 1);
	assert_int_equal(st.st_ino, FAKE_SMALL);
	assert_int_equal(st.st_mtim.tv_sec, 1700000000);
	assert_int_equal(st.st_mtim.tv_nsec, 500000000);
	assert_int_equal(lstat(path_of(f, "link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path_of(f, "none"), &st), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(statvfs(f->folder, &vfs), 0);
	assert_int_equal(vfs.f_blocks * vfs.f_frsize, 1 << 30);
	assert_int_equal(vfs.f_namemax, 255);
}

static void
test_links_and_xattrs(void **state)
{
	struct fixture *f = need_fuse(state);
	char text[64];

	assert_int_equal(readlink(path_of(f, "link"), text, sizeof(text)), 5);
	assert_memory_equal(text, "small", 5);
	assert_int_equal(
	    getxattr(path_of(f, "small"), "user.a", text, sizeof(text)), 5);
	assert_memory_equal(text, "value", 5);
	assert_int_equal(getxattr(path_of(f, "small"), "user.a", NULL, 0), 5);
	assert_int_equal(getxattr(path_of(f, "small"), "user.a", text, 2), -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(getxattr(path_of(f, "big"), "user.a", text, 2), -1);
	assert_int_equal(errno, ENODATA);
	assert_int_equal(listxattr(path_of(f, "small"), text, sizeof(text)), 7);
}

static void
test_bytes(void **state)
{
	struct fixture *f = need_fuse(state);
	unsigned char *data = malloc(FAKE_BIG + 1);
	ssize_t n, got = 0;
	int fd;

	assert_non_null(data);
	fd = open(path_of(f, "big"), O_RDONLY);
	assert_true(fd >= 0);
	while ((n = read(fd, data + got, FAKE_BIG + 1 - (size_t)got)) > 0)
		got += n;
	assert_int_equal(n, 0);
	assert_int_equal(got, FAKE_BIG);
	for (size_t i = 0; i < FAKE_BIG; i++)
		assert_true(data[i] == (unsigned char)(i >> 12));
	assert_int_equal(pread(fd, data, 10, (off_t)FAKE_BIG - 4), 4);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(close(fd), 0);
	free(data);
}

static void
test_read_only(void **state)
{
	struct fixture *f = need_fuse(state);

	assert_int_equal(open(path_of(f, "small"), O_RDWR), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(open(path_of(f, "new"), O_WRONLY | O_CREAT, 0600), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(mkdir(path_of(f, "new"), 0700), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(unlink(path_of(f, "small")), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(rmdir(path_of(f, "many")), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(symlink("x", path_of(f, "new")), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(chmod(path_of(f, "small"), 0600), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(truncate(path_of(f, "small"), 0), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(
	    setxattr(path_of(f, "small"), "user.b", "x", 1, 0), -1);
	assert_int_equal(errno, EROFS);
}

/* Each entry once, of the right type; what the listing knew needs no lookup. */
static void
test_a_large_directory(void **state)
{
	struct fixture *f = need_fuse(state);
	static bool seen[FAKE_MANY];
	unsigned n, count = 0, dots = 0;
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(path_of(f, "many"));

	assert_non_null(d);
	memset(seen, 0, sizeof(seen));
	f->cache->lookups = 0;
	f->cache->getattrs = 0;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.') {
			dots++;
			continue;
		}
		assert_int_equal(sscanf(e->d_name, "f%u", &n), 1);
		assert_false(seen[n]);
		seen[n] = true;
		count++;
		assert_int_equal(e->d_type, DT_REG);
		assert_int_equal(e->d_ino, FAKE_FIRST + n);
		assert_int_equal(fstatat(dirfd(d), e->d_name, &st, 0), 0);
		assert_int_equal(st.st_size, 1);
	}
	assert_int_equal(closedir(d), 0);
	assert_int_equal(count, FAKE_MANY);
	assert_int_equal(dots, 2);
	assert_int_equal(f->cache->lookups, 0);
	assert_int_equal(f->cache->getattrs, 0);
}

/* READDIRPLUS always: who reads all names first has their attributes, too. */
static void
test_stat_after_the_listing(void **state)
{
	struct fixture *f = need_fuse(state);
	struct stat st;
	DIR *d = opendir(path_of(f, "many"));
	char name[16];

	assert_non_null(d);
	while (readdir(d) != NULL)
		continue;
	f->cache->lookups = 0;
	for (unsigned i = 0; i < FAKE_MANY; i++) {
		(void)snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(fstatat(dirfd(d), name, &st, 0), 0);
	}
	assert_int_equal(f->cache->lookups, 0);
	assert_int_equal(closedir(d), 0);
}

static void
test_seek_in_a_directory(void **state)
{
	struct fixture *f = need_fuse(state);
	struct dirent *e;
	char name[256];
	long where = 0;
	DIR *d = opendir(path_of(f, "many"));

	assert_non_null(d);
	for (int i = 0; i < 3000; i++) {
		where = telldir(d);
		e = readdir(d);
		assert_non_null(e);
		(void)snprintf(name, sizeof(name), "%s", e->d_name);
	}
	rewinddir(d);
	e = readdir(d);
	assert_non_null(e);
	assert_string_equal(e->d_name, ".");
	seekdir(d, where);
	e = readdir(d);
	assert_non_null(e);
	assert_string_equal(e->d_name, name);
	assert_int_equal(closedir(d), 0);
}

static void
test_a_type_not_known_yet(void **state)
{
	struct fixture *f = need_fuse(state);
	struct dirent *e;
	struct stat st;
	bool found = false;
	DIR *d = opendir(f->folder);

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, "later") != 0)
			continue;
		found = true;
		assert_int_equal(e->d_type, DT_UNKNOWN);
		assert_int_equal(fstatat(dirfd(d), "later", &st, 0), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0600);
	}
	assert_true(found);
	assert_int_equal(closedir(d), 0);
}

static void
on_signal(int signal_number)
{
	(void)signal_number;
}

/* A timer does not end what waits for S3; who wants the program to end does. */
static void
test_interrupt(void **state)
{
	const struct timespec pause = { 0, 300000000 };
	struct fixture *f = need_fuse(state);
	struct sigaction action = { .sa_handler = on_signal };
	uint64_t waiting = f->cache->waiting;
	struct timespec begin, end;
	struct stat st;
	pid_t pid;

	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(sigaction(SIGINT, &action, NULL), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	pid = fork();
	if (pid == 0) {
		(void)nanosleep(&pause, NULL);
		(void)kill(getppid(), SIGALRM);
		(void)nanosleep(&pause, NULL);
		_exit(kill(getppid(), SIGINT));
	}
	assert_int_equal(stat(path_of(f, "wait"), &st), -1);
	assert_int_equal(errno, EINTR);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true((end.tv_sec - begin.tv_sec) * 1000 +
			(end.tv_nsec - begin.tv_nsec) / 1000000 >=
		    600);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(f->cache->waiting, waiting);
}

static void
start_readers(struct fixture *f, pid_t pids[READERS])
{
	const struct timespec pause = { 0, 10000000 };

	for (int i = 0; i < READERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			char c;
			int fd = open(path_of(f, "hang"), O_RDONLY);

			/* Each its own page, so that each has a request. */
			_exit(pread(fd, &c, 1, (off_t)i << 30) == 1 ? 0 : 1);
		}
	}
	for (int i = 0; f->cache->waiting < READERS && i < WAIT_S * 100; i++)
		(void)nanosleep(&pause, NULL);
	assert_true(f->cache->waiting >= READERS);
}

static void
reap(pid_t pids[READERS])
{
	for (int i = 0; i < READERS; i++) {
		int status;

		(void)kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
	}
}

/* With many readers that hang the rest is served at once. */
static void
test_others_are_served(void **state)
{
	struct fixture *f = need_fuse(state);
	pid_t pids[READERS];

	start_readers(f, pids);
	test_bytes(state);
	test_a_large_directory(state);
	test_attributes(state);
	test_interrupt(state);
	reap(pids);
}

/* Told to end, the daemon does, though readers hang. */
static void
test_ends_while_readers_hang(void **state)
{
	struct fixture *f = need_fuse(state);
	pid_t pids[READERS];
	struct mountinfo info;

	start_readers(f, pids);
	assert_int_equal(end_daemon(f), 0);
	assert_int_equal(mountinfo_find(f->folder, &info), -ENOENT);
	reap(pids);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_attributes),
		TEST(test_links_and_xattrs),
		TEST(test_bytes),
		cmocka_unit_test_setup_teardown(
		    test_read_only, set_up_read_only, tear_down),
		TEST(test_a_large_directory),
		TEST(test_stat_after_the_listing),
		TEST(test_seek_in_a_directory),
		TEST(test_a_type_not_known_yet),
		TEST(test_interrupt),
		TEST(test_others_are_served),
		TEST(test_ends_while_readers_hang),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

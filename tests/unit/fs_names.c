/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_names.c - operations that change names and attributes, through the
 * kernel: a mount of a fake cache.
 */
#include "tests/unit/fake_mount.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* What is there as ${name} in the root, as the daemon sees it. */
static struct fake_new *
made(const struct fixture *f, const char *name)
{
	return fake_find(f->cache, CACHE_ROOT, name);
}

static void
make_file(const struct fixture *f, const char *name)
{
	assert_int_equal(mknod(path_of(f, name), S_IFREG | 0644, 0), 0);
	assert_non_null(made(f, name));
}

static void
fails(int r, int want)
{
	int error = errno;

	assert_int_equal(r, -1);
	assert_int_equal(error, want);
}

static void
test_directories(void **state)
{
	struct fixture *f = need_fuse(state);
	mode_t mask = umask(022);
	struct stat st;

	assert_int_equal(mkdir(path_of(f, "d"), 0777), 0);
	(void)umask(mask);
	assert_int_equal(made(f, "d")->attr.mode, S_IFDIR | 0755);
	assert_int_equal(made(f, "d")->attr.uid, geteuid());
	fails(mkdir(path_of(f, "d"), 0777), EEXIST);
	fails(mkdir(path_of(f, "denied"), 0777), EACCES);
	assert_int_equal(mkdir(path_of(f, "d/e"), 0700), 0);
	fails(rmdir(path_of(f, "d")), ENOTEMPTY);
	fails(unlink(path_of(f, "d")), EISDIR);
	assert_int_equal(rmdir(path_of(f, "d/e")), 0);
	assert_int_equal(rmdir(path_of(f, "d")), 0);
	assert_null(made(f, "d"));
	fails(stat(path_of(f, "d"), &st), ENOENT);
	make_file(f, "f");
	fails(rmdir(path_of(f, "f")), ENOTDIR);
}

static void
test_special_files(void **state)
{
	struct fixture *f = need_fuse(state);
	char text[32];
	struct stat st;

	assert_int_equal(symlink("some/where", path_of(f, "link")), -1);
	assert_int_equal(symlink("some/where", path_of(f, "l")), 0);
	assert_int_equal(readlink(path_of(f, "l"), text, sizeof(text)), 10);
	assert_memory_equal(text, "some/where", 10);
	assert_int_equal(made(f, "l")->attr.mode, S_IFLNK | 0777);
	assert_int_equal(mkfifo(path_of(f, "p"), 0600), 0);
	assert_int_equal(stat(path_of(f, "p"), &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	if (geteuid() != 0)
		return;
	assert_int_equal(
	    mknod(path_of(f, "c"), S_IFCHR | 0600, makedev(12, 34)), 0);
	assert_int_equal(stat(path_of(f, "c"), &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(st.st_rdev, makedev(12, 34));
}

/* What is made in such a directory has its group; a directory passes it on. */
static void
test_a_set_group_id_directory(void **state)
{
	struct fixture *f = need_fuse(state);
	struct stat st;
	int fd;

	f->cache->dir_sgid = true;
	fd = open(path_of(f, "f"), O_WRONLY | O_CREAT, 0644);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(close(fd), 0);
	assert_int_equal(mkdir(path_of(f, "d"), 0755), 0);
	assert_int_equal(made(f, "d")->attr.gid, 4321);
	assert_int_equal(made(f, "d")->attr.mode, S_IFDIR | S_ISGID | 0755);
}

static int
rename_in(const struct fixture *f, const char *a, const char *b, unsigned flags)
{
	char from[128];

	(void)snprintf(from, sizeof(from), "%s", path_of(f, a));
	return renameat2(AT_FDCWD, from, AT_FDCWD, path_of(f, b), flags);
}

static void
test_rename(void **state)
{
	struct fixture *f = need_fuse(state);
	struct stat a, b;

	make_file(f, "a");
	make_file(f, "b");
	assert_int_equal(mkdir(path_of(f, "d"), 0755), 0);
	assert_int_equal(stat(path_of(f, "a"), &a), 0);
	fails(rename_in(f, "a", "b", RENAME_NOREPLACE), EEXIST);
	assert_int_equal(rename_in(f, "a", "c", RENAME_NOREPLACE), 0);
	assert_int_equal(f->cache->rename_flags, RENAME_NOREPLACE);
	fails(rename_in(f, "c", "b", RENAME_EXCHANGE), EINVAL);
	assert_int_equal(rename_in(f, "c", "b", 0), 0);
	assert_int_equal(f->cache->rename_flags, 0);
	assert_int_equal(rename_in(f, "b", "d/x", 0), 0);
	assert_null(made(f, "b"));
	assert_int_equal(stat(path_of(f, "d/x"), &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	fails(rename_in(f, "none", "e", 0), ENOENT);
}

/* S3 has none: link(2) has an errno for that. */
static void
test_hard_links(void **state)
{
	struct fixture *f = need_fuse(state);
	char from[128];

	make_file(f, "a");
	(void)snprintf(from, sizeof(from), "%s", path_of(f, "a"));
	fails(link(from, path_of(f, "b")), EPERM);
}

static void
test_chmod_and_chown(void **state)
{
	struct fixture *f = need_fuse(state);
	struct stat st;

	make_file(f, "a");
	assert_int_equal(chmod(path_of(f, "a"), 01640), 0);
	assert_int_equal(f->cache->set.what, CACHE_SET_MODE);
	assert_int_equal(f->cache->set.mode, 01640);
	assert_int_equal(stat(path_of(f, "a"), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 01640);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(path_of(f, "a"), 11, (gid_t)-1), 0);
	assert_int_equal(f->cache->set.what, CACHE_SET_UID);
	assert_int_equal(chown(path_of(f, "a"), (uid_t)-1, 12), 0);
	assert_int_equal(f->cache->set.what, CACHE_SET_GID);
	assert_int_equal(stat(path_of(f, "a"), &st), 0);
	assert_int_equal(st.st_uid, 11);
	assert_int_equal(st.st_gid, 12);
	/* Nothing is to be changed. */
	f->cache->set.what = 0;
	assert_int_equal(chown(path_of(f, "a"), (uid_t)-1, (gid_t)-1), 0);
	assert_int_equal(f->cache->set.what, 0);
}

static void
set_times(struct fixture *f, time_t a_s, long a_ns, time_t m_s, long m_ns)
{
	const struct timespec times[2] = { { a_s, a_ns }, { m_s, m_ns } };

	f->cache->set.what = 0;
	assert_int_equal(utimensat(AT_FDCWD, path_of(f, "a"), times, 0), 0);
}

static void
test_times(void **state)
{
	struct fixture *f = need_fuse(state);
	const struct cache_set *set = &f->cache->set;
	int64_t now_s = time(NULL), second = INT64_C(1000000000);
	struct stat st;

	make_file(f, "a");
	set_times(f, 1000, 1, -5, 999999999);
	assert_int_equal(set->what, CACHE_SET_ATIME | CACHE_SET_MTIME);
	assert_int_equal(set->atime_ns, 1000 * second + 1);
	assert_int_equal(set->mtime_ns, -5 * second + 999999999);
	assert_int_equal(stat(path_of(f, "a"), &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, -5);
	assert_int_equal(st.st_mtim.tv_nsec, 999999999);
	set_times(f, 0, UTIME_OMIT, 7, 0);
	assert_int_equal(set->what, CACHE_SET_MTIME);
	assert_int_equal(set->mtime_ns, 7 * second);
	set_times(f, 0, UTIME_NOW, 0, UTIME_OMIT);
	assert_int_equal(set->what, CACHE_SET_ATIME);
	assert_true(set->atime_ns >= (now_s - 1) * second);
	assert_true(set->atime_ns < (now_s + 60) * second);
	set_times(f, 0, UTIME_NOW, 0, UTIME_NOW);
	assert_int_equal(set->what, CACHE_SET_ATIME | CACHE_SET_MTIME);
	assert_true(set->mtime_ns >= (now_s - 1) * second);
	/* What 64 bits of nanoseconds do not hold. */
	set_times(f, 0, UTIME_OMIT, INT64_C(1) << 40, 0);
	assert_true(set->mtime_ns > INT64_MAX / 2);
}

static void
test_xattrs(void **state)
{
	struct fixture *f = need_fuse(state);
	const char *path;
	char value[16];

	make_file(f, "a");
	path = path_of(f, "a");
	assert_int_equal(setxattr(path, "user.x", "a\0b", 3, 0), 0);
	assert_int_equal(getxattr(path, "user.x", value, sizeof(value)), 3);
	assert_memory_equal(value, "a\0b", 3);
	fails(setxattr(path, "user.x", "c", 1, XATTR_CREATE), EEXIST);
	fails(setxattr(path, "trusted.x", "c", 1, 0), EOPNOTSUPP);
	fails(setxattr(path, "user.y", path, 100, 0), ENOSPC);
	assert_int_equal(removexattr(path, "user.x"), 0);
	fails(removexattr(path, "user.x"), ENODATA);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_directories),
		TEST(test_special_files),
		TEST(test_a_set_group_id_directory),
		TEST(test_rename),
		TEST(test_hard_links),
		TEST(test_chmod_and_chown),
		TEST(test_times),
		TEST(test_xattrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

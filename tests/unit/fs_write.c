/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_write.c - operations that change files, through the kernel: a mount of a
 * fake cache.
 */
#include "tests/unit/fake_mount.h"

#include <linux/capability.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define CAP_FSETID_NUMBER 4 /* linux/capability.h has it, too */

/* What was made as ${name} in the root, as the daemon sees it. */
static struct fake_new *
made(const struct fixture *f, const char *name)
{
	struct fake_new *one = fake_find(f->cache, CACHE_ROOT, name);

	assert_non_null(one);
	return one;
}

static int
make_file(const struct fixture *f, const char *name, const char *text)
{
	int fd = open(path_of(f, name), O_RDWR | O_CREAT | O_EXCL, 0666);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void
check_text(int fd, off_t off, const char *want)
{
	char text[64];

	assert_int_equal(
	    pread(fd, text, sizeof(text), off), (ssize_t)strlen(want));
	assert_memory_equal(text, want, strlen(want));
}

/* RELEASE comes some time after close(2). */
static void
wait_for_release(const struct fake_new *one)
{
	const struct timespec pause = { 0, 1000000 };

	for (int i = 0; i < 10000; i++) {
		if (*(volatile const unsigned *)&one->handles == 0)
			return;
		(void)nanosleep(&pause, NULL);
	}
	fail_msg("no release");
}

static void
test_create_and_write(void **state)
{
	struct fixture *f = need_fuse(state);
	mode_t mask = umask(027);
	int fd = make_file(f, "new", "hello");
	struct stat st;

	(void)umask(mask);
	assert_true(f->cache->open_flags & O_EXCL);
	assert_int_equal(made(f, "new")->attr.mode, S_IFREG | 0640);
	assert_int_equal(made(f, "new")->attr.uid, geteuid());
	assert_int_equal(made(f, "new")->attr.gid, getegid());
	check_text(fd, 0, "hello");
	assert_int_equal(pwrite(fd, "XY", 2, 3), 2);
	check_text(fd, 0, "helXY");
	assert_memory_equal(made(f, "new")->bytes, "helXY", 5);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(f->cache->flushes, 0);
	assert_int_equal(close(fd), 0);
	/* The answer of close was that of the flush. */
	assert_int_equal(made(f, "new")->flushed, 2);
	wait_for_release(made(f, "new"));
	assert_int_equal(
	    open(path_of(f, "new"), O_WRONLY | O_CREAT | O_EXCL, 0600), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(
	    open(path_of(f, "denied"), O_WRONLY | O_CREAT, 0600), -1);
	assert_int_equal(errno, EACCES);
}

static void
test_append(void **state)
{
	struct fixture *f = need_fuse(state);
	int a = make_file(f, "log", "one "), b;

	assert_false(f->cache->append);
	b = open(path_of(f, "log"), O_WRONLY | O_APPEND);
	assert_true(b >= 0);
	assert_int_equal(write(b, "two ", 4), 4);
	assert_true(f->cache->append);
	assert_int_equal(pwrite(a, "ONE", 3, 0), 3);
	assert_false(f->cache->append);
	assert_int_equal(write(b, "three", 5), 5);
	check_text(a, 0, "ONE two three");
	assert_int_equal(close(a), 0);
	assert_int_equal(close(b), 0);
}

static void
test_truncate(void **state)
{
	struct fixture *f = need_fuse(state);
	int fd = make_file(f, "cut", "0123456789");
	struct stat st;

	assert_int_equal(ftruncate(fd, 4), 0);
	assert_int_equal(f->cache->set.size, 4);
	assert_true(f->cache->set.what & CACHE_SET_SIZE);
	check_text(fd, 0, "0123");
	assert_int_equal(truncate(path_of(f, "cut"), 6), 0);
	assert_int_equal(pread(fd, &st, sizeof(st), 0), 6);
	assert_int_equal(close(fd), 0);
	f->cache->set.what = 0;
	fd = open(path_of(f, "cut"), O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	/* It came with the open. */
	assert_true(f->cache->open_flags & O_TRUNC);
	assert_int_equal(f->cache->set.what, 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(close(fd), 0);
}

/* Errors of a write and of what close sends reach the program. */
static void
test_errors(void **state)
{
	struct fixture *f = need_fuse(state);
	int fd = open(path_of(f, "nospace"), O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(close(fd), 0);
	fd = make_file(f, "quota", "x");
	assert_int_equal(fsync(fd), -1);
	assert_int_equal(errno, EDQUOT);
	assert_int_equal(close(fd), -1);
	assert_int_equal(errno, EDQUOT);
}

static void
test_sync(void **state)
{
	struct fixture *f = need_fuse(state);
	int fd = make_file(f, "new", "x"), dir;

	assert_int_equal(fsync(fd), 0);
	assert_int_equal(f->cache->syncs, 1);
	assert_int_equal(made(f, "new")->flushed, 1);
	assert_int_equal(write(fd, "y", 1), 1);
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(f->cache->syncs, 1);
	assert_int_equal(made(f, "new")->flushed, 2);
	dir = open(f->folder, O_RDONLY | O_DIRECTORY);
	assert_int_equal(fsync(dir), 0);
	assert_int_equal(close(dir), 0);
	assert_int_equal(close(fd), 0);
}

/* Each close of a descriptor is a flush, the last one a release, too. */
static void
test_closes(void **state)
{
	struct fixture *f = need_fuse(state);
	int fd = make_file(f, "new", "x"), status;
	struct fake_new *one = made(f, "new");
	pid_t pid;

	assert_int_equal(close(dup(fd)), 0);
	assert_int_equal(f->cache->flushes, 1);
	pid = fork();
	if (pid == 0)
		_exit(write(fd, "y", 1) == 1 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(f->cache->flushes, 2);
	assert_int_equal(one->flushed, 2);
	assert_int_equal(one->handles, 1);
	assert_int_equal(close(fd), 0);
	wait_for_release(one);
}

/* What a mapping changed after the close is there before the release. */
static void
test_mapping(void **state)
{
	struct fixture *f = need_fuse(state);
	int fd = make_file(f, "new", "0123456789");
	struct fake_new *one = made(f, "new");
	unsigned char *map =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_true(map != MAP_FAILED);
	map[0] = 'a';
	assert_int_equal(msync(map, 4096, MS_SYNC), 0);
	assert_int_equal(one->bytes[0], 'a');
	assert_int_equal(one->flushed, one->writes);
	assert_int_equal(close(fd), 0);
	map[9] = 'b';
	assert_int_equal(munmap(map, 4096), 0);
	wait_for_release(one);
	assert_memory_equal(one->bytes, "a12345678b", 10);
	assert_int_equal(one->attr.size, 10);
	assert_int_equal(one->closed, one->writes);
	assert_true(one->flushed < one->writes);
}

static void
test_unlinked_but_open(void **state)
{
	struct fixture *f = need_fuse(state);
	int fd = make_file(f, "gone", "abc");
	struct stat st;

	assert_int_equal(unlink(path_of(f, "gone")), 0);
	assert_int_equal(stat(path_of(f, "gone"), &st), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(write(fd, "def", 3), 3);
	check_text(fd, 0, "abcdef");
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 6);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(close(fd), 0);
}

/* No page of the target that the kernel had is shown afterwards. */
static void
test_copy_file_range(void **state)
{
	struct fixture *f = need_fuse(state);
	static char data[20000], back[20000];
	int from = make_file(f, "from", ""), to = make_file(f, "to", "");
	loff_t in = 100, out = 5000;
	size_t left = 15000;
	struct stat st;

	memset(data, 'o', sizeof(data));
	assert_int_equal(write(to, data, sizeof(data)), sizeof(data));
	assert_int_equal(pread(to, back, sizeof(back), 0), sizeof(back));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i >> 6);
	assert_int_equal(write(from, data, sizeof(data)), sizeof(data));
	while (left > 0) {
		ssize_t n = copy_file_range(from, &in, to, &out, left, 0);

		assert_int_equal(f->cache->copied, left);
		assert_int_equal(n, left < 8192 ? left : 8192);
		left -= (size_t)n;
	}
	assert_int_equal(pread(to, back, sizeof(back), 0), sizeof(back));
	assert_memory_equal(back + 5000, data + 100, 15000);
	assert_int_equal(back[4999], 'o');
	in = sizeof(data);
	assert_int_equal(copy_file_range(from, &in, to, &out, 1, 0), 0);
	in = 0, out = 30000;
	assert_int_equal(copy_file_range(from, &in, to, &out, 10, 0), 10);
	assert_int_equal(fstat(to, &st), 0);
	assert_int_equal(st.st_size, 30010);
	assert_int_equal(close(from), 0);
	assert_int_equal(close(to), 0);
}

static void
test_allocate(void **state)
{
	struct fixture *f = need_fuse(state);
	int fd = make_file(f, "new", "0123456789");
	char text[10];
	struct stat st;

	check_text(fd, 0, "0123456789");
	assert_int_equal(
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 4), 0);
	assert_int_equal(pread(fd, text, 10, 0), 10);
	assert_memory_equal(text, "01\0\0\0\0006789", 10);
	assert_int_equal(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100), 0);
	assert_int_equal(f->cache->allocate_mode, FALLOC_FL_KEEP_SIZE);
	assert_int_equal(fallocate(fd, 0, 0, 100), 0);
	assert_int_equal(f->cache->allocate_mode, 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 100);
	assert_int_equal(close(fd), 0);
}

/* The kernel asks for a capability before each write: that costs no call. */
static void
test_writes_ask_for_no_xattr(void **state)
{
	struct fixture *f = need_fuse(state);
	int fd = make_file(f, "new", "x");
	uint64_t getattrs;
	char value[8];

	getattrs = f->cache->getattrs;
	for (int i = 0; i < 100; i++)
		assert_int_equal(write(fd, "y", 1), 1);
	assert_int_equal(f->cache->getxattrs, 0);
	assert_int_equal(f->cache->getattrs, getattrs);
	assert_int_equal(
	    fgetxattr(fd, "system.posix_acl_access", value, 8), -1);
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(fgetxattr(fd, "security.capability", value, 8), -1);
	assert_int_equal(errno, ENODATA);
	assert_int_equal(f->cache->getxattrs, 0);
	/* Others are asked for, for they may be there. */
	assert_int_equal(fgetxattr(fd, "user.none", value, 8), -1);
	assert_int_equal(errno, ENODATA);
	assert_int_equal(f->cache->getxattrs, 1);
	assert_int_equal(close(fd), 0);
}

static void
drop_capability(int number)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &head, caps) != 0)
		_exit(2);
	caps[0].effective &= ~(1U << number);
	caps[0].permitted &= ~(1U << number);
	if (syscall(SYS_capset, &head, caps) != 0)
		_exit(3);
}

/* As on a disk: a write takes suid away, but not from who may keep it. */
static void
test_suid(void **state)
{
	struct fixture *f = need_fuse(state);
	int fd = make_file(f, "new", "x"), status;
	struct fake_new *one = made(f, "new");
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(fchmod(fd, 06755), 0);
	assert_int_equal(one->attr.mode, S_IFREG | 06755);
	assert_int_equal(write(fd, "y", 1), 1);
	assert_int_equal(one->attr.mode, S_IFREG | 06755);
	pid = fork();
	if (pid == 0) {
		drop_capability(CAP_FSETID_NUMBER);
		_exit(write(fd, "z", 1) == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(one->attr.mode, S_IFREG | 0755);
	assert_int_equal(fchmod(fd, 04755), 0);
	assert_int_equal(fchown(fd, 1, 2), 0);
	assert_int_equal(one->attr.mode, S_IFREG | 0755);
	assert_int_equal(one->attr.uid, 1);
	assert_int_equal(one->attr.gid, 2);
	assert_int_equal(close(fd), 0);
}

static void
on_alarm(int signal_number)
{
	(void)signal_number;
}

/* Close what is slow in a child, which catches SIGALRM and SIGINT, and send it
 * two signals meanwhile. */
static pid_t
close_in_child(struct fixture *f, int fd, int first, int second)
{
	const struct timespec pause = { 0, 300000000 };
	struct sigaction action = { .sa_handler = on_alarm };
	uint64_t flushes = f->cache->flushes;
	pid_t pid = fork();

	if (pid == 0) {
		(void)sigaction(SIGALRM, &action, NULL);
		(void)sigaction(SIGINT, &action, NULL);
		_exit(close(fd) == 0 ? 0 : errno);
	}
	while (f->cache->flushes == flushes)
		(void)nanosleep(&pause, NULL);
	(void)kill(pid, first);
	(void)nanosleep(&pause, NULL);
	(void)kill(pid, second);
	return pid;
}

/* A timer does not end a close that waits for S3; who wants the program to end
 * does, even if it was told of a timer before. */
static void
test_interrupted_close(void **state)
{
	struct fixture *f = need_fuse(state);
	int fd = make_file(f, "slow", "x"), status;
	const struct timespec pause = { 0, 300000000 };
	pid_t pid;

	pid = close_in_child(f, fd, SIGALRM, 0);
	(void)nanosleep(&pause, NULL);
	assert_int_equal(f->cache->waiting, 1);
	(void)kill(pid, SIGINT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, W_EXITCODE(EINTR, 0));
	pid = close_in_child(f, fd, SIGINT, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, W_EXITCODE(EINTR, 0));
	pid = close_in_child(f, fd, SIGCHLD, SIGUSR2);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, W_EXITCODE(0, SIGUSR2));
	pid = close_in_child(f, fd, SIGALRM, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, W_EXITCODE(0, SIGKILL));
	assert_int_equal(f->cache->waiting, 0);
	f->cache->made[0].name[0] = 'f'; /* no longer slow */
	assert_int_equal(close(fd), 0);
}

/* Told to end, the daemon does, though a close waits and files are open. */
static void
test_ends_while_a_close_hangs(void **state)
{
	const struct timespec pause = { 0, 10000000 };
	struct fixture *f = need_fuse(state);
	int fd = make_file(f, "slow", "x"), status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(close(fd) == 0 ? 0 : errno);
	while (f->cache->waiting == 0)
		(void)nanosleep(&pause, NULL);
	assert_int_equal(end_daemon(f), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, W_EXITCODE(EINTR, 0));
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, ENOTCONN);
	(void)close(fd); /* what it says of a mount that is gone */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_create_and_write),
		TEST(test_append),
		TEST(test_truncate),
		TEST(test_errors),
		TEST(test_sync),
		TEST(test_closes),
		TEST(test_mapping),
		TEST(test_unlinked_but_open),
		TEST(test_copy_file_range),
		TEST(test_allocate),
		TEST(test_writes_ask_for_no_xattr),
		TEST(test_suid),
		TEST(test_interrupted_close),
		TEST(test_ends_while_a_close_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_mountinfo.c - what the kernel says of mount points.
 *
 * Role:    unit test of fs/mountinfo.c and fs/mountpoint.c.  Where nothing
 *          may be mounted (no root, a locked container) what needs a mount is
 *          skipped.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs/mountinfo.h"
#include "fs/mountpoint.h"

static char folder[64];
static char point[128]; /* with what mountinfo escapes in its name */
static char message[512];

static int
set_up(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/pailfs-unit-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(point, sizeof(point), "%s/a b\tc\\040d", folder);
	message[0] = '\0';
	return mkdir(point, 0700);
}

static int
tear_down(void **state)
{
	(void)state;
	while (umount2(point, MNT_DETACH) == 0)
		continue;
	(void)rmdir(point);
	return rmdir(folder);
}

static void
mount_or_skip(void)
{
	if (mount("none", point, "tmpfs", 0, "size=64k") < 0)
		skip();
}

static void
test_proc(void **state)
{
	struct mountinfo info;
	struct stat st;

	(void)state;
	assert_int_equal(stat("/proc", &st), 0);
	assert_int_equal(mountinfo_find("/proc", &info), 0);
	assert_int_equal(info.major, major(st.st_dev));
	assert_int_equal(info.minor, minor(st.st_dev));
	assert_false(info.is_pailfs);
}

static void
test_none(void **state)
{
	struct mountinfo info;

	(void)state;
	assert_int_equal(mountinfo_find(point, &info), -ENOENT);
	assert_int_equal(mountinfo_find("/no/such/path", &info), -ENOENT);
	assert_int_equal(mountinfo_find("", &info), -ENOENT);
	assert_int_equal(mountinfo_unmount(point), -EINVAL);
}

static void
test_escapes(void **state)
{
	struct mountinfo info;
	struct stat st;

	(void)state;
	mount_or_skip();
	assert_int_equal(stat(point, &st), 0);
	assert_int_equal(mountinfo_find(point, &info), 0);
	assert_int_equal(info.major, major(st.st_dev));
	assert_int_equal(info.minor, minor(st.st_dev));
	assert_false(info.is_pailfs);
	assert_int_equal(mountinfo_unmount(point), 0);
	assert_int_equal(mountinfo_find(point, &info), -ENOENT);
}

/* The file system's own flag, which remounting changes; not the mount's. */
static void
test_read_only(void **state)
{
	struct mountinfo info;

	(void)state;
	mount_or_skip();
	assert_int_equal(
	    mount(NULL, point, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL),
	    0);
	assert_int_equal(mountinfo_find(point, &info), 0);
	assert_false(info.is_read_only);
	assert_int_equal(
	    mount("none", point, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(mountinfo_find(point, &info), 0);
	assert_true(info.is_read_only);
}

/* Of two on top of each other, the one that is seen. */
static void
test_stacked(void **state)
{
	struct mountinfo below, above;
	struct stat st;

	(void)state;
	mount_or_skip();
	assert_int_equal(mountinfo_find(point, &below), 0);
	mount_or_skip();
	assert_int_equal(mountinfo_find(point, &above), 0);
	assert_int_equal(stat(point, &st), 0);
	assert_int_equal(above.minor, minor(st.st_dev));
	assert_int_not_equal(above.minor, below.minor);
	assert_int_equal(mountinfo_unmount(point), 0);
	assert_int_equal(mountinfo_find(point, &above), 0);
	assert_int_equal(above.minor, below.minor);
}

/* In use: only what is for the dead takes it away. */
static void
test_busy(void **state)
{
	struct mountinfo info;
	char path[160];
	FILE *f;

	(void)state;
	mount_or_skip();
	(void)snprintf(path, sizeof(path), "%s/f", point);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(mountinfo_unmount(point), -EBUSY);
	assert_int_equal(mountinfo_find(point, &info), 0);
	assert_int_equal(mountinfo_clear(point, &info), 0);
	assert_int_equal(mountinfo_find(point, &info), -ENOENT);
	assert_int_equal(fclose(f), 0);
}

static void
test_canonical(void **state)
{
	char path[256], *got = NULL;

	(void)state;
	assert_int_equal(mountinfo_canonical(point, &got), 0);
	assert_string_equal(got, point);
	free(got);
	(void)snprintf(path, sizeof(path), "%s/../%s//./%s", folder,
	    strrchr(folder, '/') + 1, strrchr(point, '/') + 1);
	assert_int_equal(mountinfo_canonical(path, &got), 0);
	assert_string_equal(got, point);
	free(got);
	(void)snprintf(path, sizeof(path), "%s/", point);
	assert_int_equal(mountinfo_canonical(path, &got), 0);
	assert_string_equal(got, point);
	free(got);
	assert_int_equal(mountinfo_canonical("/", &got), 0);
	assert_string_equal(got, "/");
	free(got);
	assert_int_equal(mountinfo_canonical("/no/such/path", &got), -ENOENT);
}

static void
test_prepare(void **state)
{
	char path[160];
	FILE *f;

	(void)state;
	assert_int_equal(
	    mountpoint_prepare(point, message, sizeof(message)), 0);
	(void)snprintf(path, sizeof(path), "%s/no", folder);
	assert_int_equal(
	    mountpoint_prepare(path, message, sizeof(message)), -ENOENT);
	assert_non_null(strstr(message, path));
	assert_non_null(strstr(message, "mkdir"));
	(void)snprintf(path, sizeof(path), "%s/file", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(
	    mountpoint_prepare(path, message, sizeof(message)), -ENOTDIR);
	assert_non_null(strstr(message, path));
	assert_int_equal(unlink(path), 0);
}

/* Somebody else's mount is no obstacle: one may mount on top of it. */
static void
test_prepare_mounted(void **state)
{
	struct mountinfo info;

	(void)state;
	mount_or_skip();
	assert_int_equal(
	    mountpoint_prepare(point, message, sizeof(message)), 0);
	assert_int_equal(mountinfo_find(point, &info), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_proc),
		T(test_none),
		T(test_escapes),
		T(test_read_only),
		T(test_stacked),
		T(test_busy),
		T(test_canonical),
		T(test_prepare),
		T(test_prepare_mounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

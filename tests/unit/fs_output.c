/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_output.c - a file that is there whole in the end, or as before.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/output.h"

static char folder[] = "/tmp/pailfs-output-XXXXXX";
static char file[64];

static int
set_up(void **state)
{
	(void)state;
	(void)strcpy(strrchr(folder, '-'), "-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(file, sizeof(file), "%s/file", folder);
	return 0;
}

static unsigned
count_files(void)
{
	unsigned count = 0;
	DIR *dir = opendir(folder);
	const struct dirent *one;

	assert_non_null(dir);
	while ((one = readdir(dir)) != NULL)
		count += one->d_name[0] != '.';
	(void)closedir(dir);
	return count;
}

static int
tear_down(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command);
}

static void
make_file(const char *text, mode_t mode)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	assert_int_equal(fclose(f), 0);
}

static void
assert_file(const char *text)
{
	char found[64] = "";
	FILE *f = fopen(file, "r");

	assert_non_null(f);
	found[fread(found, 1, sizeof(found) - 1, f)] = '\0';
	(void)fclose(f);
	assert_string_equal(found, text);
}

static void
test_a_new_file(void **state)
{
	struct output o;
	struct stat st;

	(void)state;
	assert_int_equal(output_open(file, &o), 0);
	assert_true(output_is_unfinished(&o));
	assert_int_equal(output_write(&o, "hello", 5), 0);
	assert_int_equal(stat(file, &st), -1);
	assert_int_equal(output_end(&o, 0), 0);
	assert_false(output_is_unfinished(&o));
	assert_file("hello");
	assert_int_equal(count_files(), 1);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0600, 0600);
}

static void
test_failure_leaves_nothing(void **state)
{
	struct output o;

	(void)state;
	assert_int_equal(output_open(file, &o), 0);
	assert_int_equal(output_write(&o, "hello", 5), 0);
	assert_int_equal(output_end(&o, -EIO), -EIO);
	assert_int_equal(count_files(), 0);
	make_file("old", 0600);
	assert_int_equal(output_open(file, &o), 0);
	assert_int_equal(output_write(&o, "hello", 5), 0);
	assert_int_equal(output_end(&o, -EIO), -EIO);
	assert_file("old");
	assert_int_equal(count_files(), 1);
}

/* The file behind a link is replaced, with its permissions. */
static void
test_an_old_file(void **state)
{
	char link[80];
	struct output o;
	struct stat st;

	(void)state;
	make_file("old", 0604);
	(void)snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(symlink(file, link), 0);
	assert_int_equal(output_open(link, &o), 0);
	assert_int_equal(output_write(&o, "new", 3), 0);
	assert_file("old");
	assert_int_equal(output_end(&o, 0), 0);
	assert_file("new");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0604);
}

static void
test_what_is_no_file(void **state)
{
	struct output o;
	char absent[80];

	(void)state;
	assert_int_equal(output_open("/dev/full", &o), 0);
	assert_false(output_is_unfinished(&o));
	assert_int_equal(output_write(&o, "x", 1), -ENOSPC);
	assert_int_equal(output_end(&o, -ENOSPC), -ENOSPC);
	assert_int_equal(access("/dev/full", F_OK), 0);
	assert_int_equal(output_open(folder, &o), -EISDIR);
	(void)snprintf(absent, sizeof(absent), "%s/no/file", folder);
	assert_int_equal(output_open(absent, &o), -ENOENT);
	assert_int_equal(count_files(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_new_file),
		TEST(test_failure_leaves_nothing),
		TEST(test_an_old_file),
		TEST(test_what_is_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

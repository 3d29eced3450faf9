/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_path.c - keys to names, and back.
 *
 * Role:    unit test of cache/path.c.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cache/path.h"
#include "s3/s3.h"

#define A50  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A250 A50 A50 A50 A50 A50

struct line {
	const char *prefix;
	const char *key;
	const char *name; /* NULL: none */
	const char *rest; /* NULL: none */
	enum path_kind kind;
	uint64_t size;
	bool is_prefix;
	bool has_reason;
};

static void
classify(const char *prefix, bool at_root, const char *key, size_t key_len,
    uint64_t size, struct path *ret)
{
	/* A copy of the exact size, so that a sanitizer sees each step. */
	char *copy = malloc(key_len + 1);
	struct s3_listed listed = {
		.key = copy, .key_len = key_len, .size = size
	};

	assert_non_null(copy);
	memcpy(copy, key, key_len);
	copy[key_len] = '\0';
	path_classify(prefix, at_root, &listed, ret);
	ret->name = ret->name != NULL ? key + (ret->name - copy) : NULL;
	ret->rest = ret->rest != NULL ? key + (ret->rest - copy) : NULL;
	free(copy);
}

static void
check_line(const struct line *line, bool at_root)
{
	char key[2000];
	struct s3_listed listed = { .key = key,
		.key_len = strlen(line->key),
		.is_prefix = line->is_prefix,
		.size = line->size };
	struct path path;

	strcpy(key, line->key);
	path_classify(line->prefix, at_root, &listed, &path);
	if (path.kind != line->kind)
		print_error("prefix=%s key=%s\n", line->prefix, line->key);
	assert_int_equal(path.kind, line->kind);
	assert_int_equal(path.reason != NULL, line->has_reason);
	if (line->name != NULL) {
		assert_int_equal(path.name_len, strlen(line->name));
		assert_memory_equal(path.name, line->name, path.name_len);
	} else {
		assert_null(path.name);
		assert_int_equal(path.name_len, 0);
	}
	if (line->rest != NULL)
		assert_string_equal(path.rest, line->rest);
	else
		assert_null(path.rest);
}

static void
test_root(void **state)
{
	static const struct line lines[] = {
		{ "", "b", "b", NULL, PATH_FILE, 3, false, false },
		{ "", "b/", "b", "", PATH_DIRECTORY, 0, true, false },
		{ "", "b/", "b", "", PATH_DIRECTORY, 0, false, false },
		{ "", "b/", "b", "", PATH_DIRECTORY, 7, false, true },
		{ "", "b/c/d", "b", "c/d", PATH_DIRECTORY, 9, false, false },
		{ "", "b//d", "b", "/d", PATH_DIRECTORY, 9, false, false },
		{ "", "b_$folder$", "b", NULL, PATH_FOLDER_MARKER, 0, false,
		    false },
		{ "", "b_$folder$", "b_$folder$", NULL, PATH_FILE, 1, false,
		    false },
		{ "", "_$folder$", "_$folder$", NULL, PATH_FILE, 0, false,
		    false },
		{ "", ".._$folder$", NULL, NULL, PATH_ODD, 0, false, true },
		{ "", "\xff\n %+", "\xff\n %+", NULL, PATH_FILE, 1, false,
		    false },
		{ "", "...", "...", NULL, PATH_FILE, 1, false, false },
		{ "", A250 "bbbbb", A250 "bbbbb", NULL, PATH_FILE, 1, false,
		    false },
		{ "", A250 "bbbbbb", NULL, NULL, PATH_ODD, 1, false, true },
		{ "", A250 "bbbbbb/", NULL, NULL, PATH_ODD, 0, true, true },
		{ "", "", NULL, NULL, PATH_ODD, 1, false, true },
		{ "", "/", NULL, NULL, PATH_ODD, 0, true, true },
		{ "", "/b", NULL, NULL, PATH_ODD, 1, false, true },
		{ "", ".", NULL, NULL, PATH_ODD, 1, false, true },
		{ "", "..", NULL, NULL, PATH_ODD, 1, false, true },
		{ "", "./b", NULL, NULL, PATH_ODD, 1, false, true },
		{ "", "../", NULL, NULL, PATH_ODD, 0, true, true },
		{ "", "b", NULL, NULL, PATH_ODD, 0, true, true },
		{ "", ".pailfs/", NULL, NULL, PATH_HIDDEN, 0, true, false },
		{ "", ".pailfs/x", NULL, NULL, PATH_HIDDEN, 1, false, false },
		{ "", ".pailfs_$folder$", NULL, NULL, PATH_HIDDEN, 0, false,
		    false },
		{ "", ".pailfs", NULL, NULL, PATH_ODD, 1, false, true },
		{ "", ".pailfs2", ".pailfs2", NULL, PATH_FILE, 1, false,
		    false },
		{ "m/", "m/", NULL, NULL, PATH_SELF, 0, false, false },
		{ "m/", "m/.pailfs/x", NULL, NULL, PATH_HIDDEN, 1, false,
		    false },
		{ "m/", "m//x", NULL, NULL, PATH_ODD, 1, false, true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		check_line(&lines[i], true);
}

static void
test_below(void **state)
{
	static const struct line lines[] = {
		{ "a/", "a/", NULL, NULL, PATH_SELF, 0, false, false },
		{ "a/", "a/", NULL, NULL, PATH_SELF, 5, false, true },
		{ "a/", "a/b", "b", NULL, PATH_FILE, 0, false, false },
		{ "a/", "a/b/", "b", "", PATH_DIRECTORY, 0, true, false },
		{ "a/", "a/b/c", "b", "c", PATH_DIRECTORY, 1, false, false },
		{ "a/", "a/b_$folder$", "b", NULL, PATH_FOLDER_MARKER, 0, false,
		    false },
		{ "a/", "a//", NULL, NULL, PATH_ODD, 0, true, true },
		{ "a/", "a//b", NULL, NULL, PATH_ODD, 1, false, true },
		{ "a/", "a/../b", NULL, NULL, PATH_ODD, 1, false, true },
		{ "a/", "a/.", NULL, NULL, PATH_ODD, 1, false, true },
		{ "a/", "a", NULL, NULL, PATH_ODD, 1, false, true },
		{ "a/", "b/c", NULL, NULL, PATH_ODD, 1, false, true },
		{ "a/", "a/.pailfs/x", ".pailfs", "x", PATH_DIRECTORY, 1, false,
		    false },
		{ "a/", "a/.pailfs", ".pailfs", NULL, PATH_FILE, 1, false,
		    false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		check_line(&lines[i], false);
}

static void
test_reasons(void **state)
{
	struct path path;
	char key[1026];

	(void)state;
	classify("", true, "/b", 2, 1, &path);
	assert_string_equal(path.reason, "the key starts with a slash");
	classify("a/", true, "a//b", 4, 1, &path);
	assert_string_equal(path.reason, "a component is empty");
	classify("", true, "a/../b", 6, 1, &path);
	assert_int_equal(path.kind, PATH_DIRECTORY);
	classify("a/", false, "a/../b", 6, 1, &path);
	assert_string_equal(path.reason, "a component is \"..\"");
	classify("", true, "a\0b", 3, 1, &path);
	assert_int_equal(path.kind, PATH_ODD);
	assert_string_equal(path.reason, "a component holds a NUL byte");
	classify("", true, "a\0b/c", 5, 1, &path);
	assert_int_equal(path.kind, PATH_ODD);
	/* In its own directory, not before: as a delimited listing has it. */
	classify("", true, "x/a\0b", 5, 1, &path);
	assert_int_equal(path.kind, PATH_DIRECTORY);
	classify("x/", false, "x/a\0b", 5, 1, &path);
	assert_int_equal(path.kind, PATH_ODD);
	/* Longer than a key may be. */
	memset(key, 'a', sizeof(key));
	key[1] = '/';
	classify("", true, key, 1025, 1, &path);
	assert_int_equal(path.kind, PATH_ODD);
	classify("", true, key, 1024, 1, &path);
	assert_int_equal(path.kind, PATH_DIRECTORY);
}

/* Random keys: walked down, each is odd or gives itself when joined. */
static void
test_walk(void **state)
{
	static const char parts[] = "a./b\xc3.//a$_ ";
	uint64_t seed = 5;
	size_t i, k, len, odd = 0, good = 0;

	(void)state;
	for (i = 0; i < 50000; i++) {
		char key[24], prefix[24] = "", name[24];
		struct path path = { .kind = PATH_DIRECTORY };
		char *joined;

		seed = seed * UINT64_C(6364136223846793005) + 1;
		len = 1 + (seed >> 33) % 20;
		for (k = 0; k < len; k++) {
			seed = seed * UINT64_C(6364136223846793005) + 1;
			key[k] = parts[(seed >> 33) % (sizeof(parts) - 1)];
		}
		key[len] = '\0';
		for (;;) {
			classify(prefix, prefix[0] == '\0', key, len, 1, &path);
			if (path.kind != PATH_DIRECTORY)
				break;
			memcpy(name, path.name, path.name_len);
			name[path.name_len] = '\0';
			assert_int_equal(path_check_name(name, true), 0);
			assert_int_equal(
			    path_join(prefix, name, true, &joined), 0);
			assert_memory_equal(joined, key, strlen(joined));
			strcpy(prefix, joined);
			free(joined);
		}
		if (path.kind == PATH_FILE) {
			assert_int_equal(
			    path_join(prefix, path.name, false, &joined), 0);
			assert_string_equal(joined, key);
			free(joined);
			good++;
		} else if (path.kind == PATH_SELF) {
			assert_string_equal(prefix, key);
		} else {
			assert_int_equal(path.kind, PATH_ODD);
			odd++;
		}
	}
	assert_true(odd > 1000 && good > 1000);
}

static void
test_check_name(void **state)
{
	(void)state;
	assert_int_equal(path_check_name("a", true), 0);
	assert_int_equal(path_check_name(A250 "bbbbb", true), 0);
	assert_int_equal(path_check_name(A250 "bbbbbb", true), -ENAMETOOLONG);
	assert_int_equal(path_check_name("", true), -EINVAL);
	assert_int_equal(path_check_name(".", true), -EINVAL);
	assert_int_equal(path_check_name("..", true), -EINVAL);
	assert_int_equal(path_check_name("a/b", true), -EINVAL);
	assert_int_equal(path_check_name(".pailfs", true), -EPERM);
	assert_int_equal(path_check_name(".pailfs", false), 0);
}

static void
test_join(void **state)
{
	char prefix[1024];
	char *key = NULL;

	(void)state;
	assert_int_equal(path_join("", "a", false, &key), 0);
	assert_string_equal(key, "a");
	free(key);
	assert_int_equal(path_join("a/", "b", true, &key), 0);
	assert_string_equal(key, "a/b/");
	free(key);
	memset(prefix, 'p', sizeof(prefix));
	prefix[1022] = '/';
	prefix[1023] = '\0';
	assert_int_equal(path_join(prefix, "a", false, &key), 0);
	assert_int_equal(strlen(key), S3_KEY_MAX);
	free(key);
	key = NULL;
	assert_int_equal(path_join(prefix, "a", true, &key), -ENAMETOOLONG);
	assert_int_equal(path_join(prefix, "ab", false, &key), -ENAMETOOLONG);
	assert_null(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_below),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_check_name),
		cmocka_unit_test(test_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

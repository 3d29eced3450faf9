/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_mime.c - content types by name, from tables good and bad.
 *
 * Role:    unit test of cache/mime.c.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/mime.h"

#define NOWHERE "/nonexistent/table"

static const char globs[] = "# made by a tool\n"
			    "#50:text/bad:*.comment\n"
			    "80:text/html:*.html\n"
			    "80:application/first:*.two\n"
			    "50:application/second:*.two\n"
			    "50:application/gzip:*.gz\n"
			    "50:application/x-compressed-tar:*.tar.gz\n"
			    "50:text/x-csrc:*.c:cs\n"
			    "50:text/x-c++src:*.C:cs\n"
			    "50:text/x-upper:*.UP\n"
			    "50:text/x-flags:*.F:new,cs\n"
			    "50:text/x-makefile:makefile\n"
			    "50:text/x-plain:makefile.gz\n"
			    "50:application/x-core:core:cs\n"
			    "50:text/x-readme:readme*\n"
			    "50:application/x-so:*.so.[0-9]*\n"
			    "50:application/x-trash:*~\n"
			    "50:text/nothing:*.\n"
			    "50:text/none:\n"
			    "50:text/short\n"
			    "50\n"
			    "\n"
			    "::\n"
			    "50:notype:*.bad1\n"
			    "50:text/:*.bad2\n"
			    "50:/plain:*.bad3\n"
			    "50:text/x y:*.bad4\n"
			    "50:text/a/b:*.bad5\n"
			    "50:text/x\x01:*.bad6\n"
			    "50:text/x\xc3\xa9:*.bad7\n"
			    "50:text/crlf:*.crlf\r\n"
			    "50:text/last:*.last";

static const char types[] = "# text/bad comment\n"
			    "text/plain\t\t\ttxt TEXT  asc # rest\n"
			    "text/x-none\n"
			    "  text/x-blank blank\n"
			    "application/one same\n"
			    "application/two same\n"
			    "notype bad\n"
			    "\n"
			    "video/mp4 mp4";

/* A file of its own with ${text} in it; ${path} ends in XXXXXX. */
static void
put(char *path, const char *text, size_t len)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(close(fd), 0);
}

/* Read a table of globs2 and one of mime.types; NULL: there is none. */
static struct mime *
open_texts(const char *globs_text, const char *types_text)
{
	char globs_path[] = "/tmp/pailfs-globs-XXXXXX";
	char types_path[] = "/tmp/pailfs-types-XXXXXX";
	struct mime *m = NULL;

	if (globs_text != NULL)
		put(globs_path, globs_text, strlen(globs_text));
	if (types_text != NULL)
		put(types_path, types_text, strlen(types_text));
	assert_int_equal(mime_open_files(globs_text ? globs_path : NOWHERE,
			     types_text ? types_path : NOWHERE, &m),
	    0);
	if (globs_text != NULL)
		assert_int_equal(unlink(globs_path), 0);
	if (types_text != NULL)
		assert_int_equal(unlink(types_path), 0);
	assert_non_null(m);
	return m;
}

struct expected {
	const char *name;
	const char *type;
};

static void
check(const struct mime *m, const struct expected *expected, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_string_equal(
		    mime_of(m, expected[i].name), expected[i].type);
}

#define CHECK(m, list) check(m, list, sizeof(list) / sizeof((list)[0]))

static void
test_globs(void **state)
{
	static const struct expected list[] = {
		{ "a.html", "text/html" },
		{ "A.HTML", "text/html" },
		{ "a.b.html", "text/html" },
		{ ".html", "text/html" },
		{ "html", MIME_DEFAULT },
		{ "ahtml", MIME_DEFAULT },
		{ "a.html.", MIME_DEFAULT },
		{ "a.html.x", MIME_DEFAULT },
		{ "a.htm", MIME_DEFAULT },
		{ "a.htmll", MIME_DEFAULT },
		/* The first of two; the longest of two. */
		{ "a.two", "application/first" },
		{ "a.gz", "application/gzip" },
		{ "a.tar.gz", "application/x-compressed-tar" },
		{ "a.TAR.Gz", "application/x-compressed-tar" },
		{ "tar.gz", "application/gzip" },
		/* Where case matters. */
		{ "a.c", "text/x-csrc" },
		{ "a.C", "text/x-c++src" },
		{ "a.up", "text/x-upper" },
		{ "a.Up", "text/x-upper" },
		{ "a.F", "text/x-flags" },
		{ "a.f", MIME_DEFAULT },
		{ "core", "application/x-core" },
		{ "Core", MIME_DEFAULT },
		/* Names in full. */
		{ "makefile", "text/x-makefile" },
		{ "Makefile", "text/x-makefile" },
		{ "makefile.gz", "text/x-plain" },
		{ "a.makefile", MIME_DEFAULT },
		{ "makefil", MIME_DEFAULT },
		/* Other patterns do not count. */
		{ "readme", MIME_DEFAULT },
		{ "readme*", MIME_DEFAULT },
		{ "a.so.1", MIME_DEFAULT },
		{ "a~", MIME_DEFAULT },
		{ "a.crlf", "text/crlf" },
		{ "a.last", "text/last" },
	};
	struct mime *m = open_texts(globs, types);

	(void)state;
	CHECK(m, list);
	mime_close(m);
}

static void
test_globs_bad(void **state)
{
	static const struct expected list[] = {
		{ "a.comment", MIME_DEFAULT },
		{ "", MIME_DEFAULT },
		{ ".", MIME_DEFAULT },
		{ "..", MIME_DEFAULT },
		{ "a.", MIME_DEFAULT },
		{ "a.bad1", MIME_DEFAULT },
		{ "a.bad2", MIME_DEFAULT },
		{ "a.bad3", MIME_DEFAULT },
		{ "a.bad4", MIME_DEFAULT },
		{ "a.bad5", MIME_DEFAULT },
		{ "a.bad6", MIME_DEFAULT },
		{ "a.bad7", MIME_DEFAULT },
		{ "\xff\xfe.\xff", MIME_DEFAULT },
	};
	struct mime *m = open_texts(globs, NULL);

	(void)state;
	CHECK(m, list);
	mime_close(m);
}

static const struct expected by_types[] = {
	{ "a.txt", "text/plain" },
	{ "a.text", "text/plain" },
	{ "a.TXT", "text/plain" },
	{ "a.asc", "text/plain" },
	{ "a.b.asc", "text/plain" },
	{ "txt", MIME_DEFAULT },
	{ "a.rest", MIME_DEFAULT },
	{ "a.comment", MIME_DEFAULT },
	{ "a.blank", "text/x-blank" },
	{ "a.same", "application/one" },
	{ "a.bad", MIME_DEFAULT },
	{ "a.mp4", "video/mp4" },
};

static void
test_types(void **state)
{
	struct mime *m = open_texts(NULL, types);

	(void)state;
	CHECK(m, by_types);
	mime_close(m);
	/* A globs2 without anything of use is as none. */
	m = open_texts("", types);
	CHECK(m, by_types);
	mime_close(m);
	m = open_texts("# nothing\n50:a/b:*~\n", types);
	CHECK(m, by_types);
	mime_close(m);
}

static void
test_none(void **state)
{
	struct mime *m = open_texts(NULL, NULL);

	(void)state;
	assert_string_equal(mime_of(m, "a.html"), MIME_DEFAULT);
	assert_string_equal(mime_of(m, ""), MIME_DEFAULT);
	mime_close(m);
	mime_close(NULL);
}

/* What is no regular file, or a huge one, is as none, and nobody waits. */
static void
test_odd_files(void **state)
{
	char path[] = "/tmp/pailfs-types-XXXXXX";
	char pipe[] = "/tmp/pailfs-pipe-XXXXXX";
	struct mime *m = NULL;

	(void)state;
	put(path, types, strlen(types));
	put(pipe, "", 0);
	assert_int_equal(unlink(pipe), 0);
	assert_int_equal(mkfifo(pipe, 0600), 0);
	assert_int_equal(mime_open_files(pipe, path, &m), 0);
	CHECK(m, by_types);
	mime_close(m);
	assert_int_equal(mime_open_files("/tmp", path, &m), 0);
	CHECK(m, by_types);
	mime_close(m);
	assert_int_equal(truncate(path, 4 << 20), 0);
	assert_int_equal(mime_open_files(NOWHERE, path, &m), 0);
	assert_string_equal(mime_of(m, "a.txt"), "text/plain");
	mime_close(m);
	assert_int_equal(truncate(path, (4 << 20) + 1), 0);
	assert_int_equal(mime_open_files(NOWHERE, path, &m), 0);
	assert_string_equal(mime_of(m, "a.txt"), MIME_DEFAULT);
	mime_close(m);
	assert_int_equal(unlink(pipe), 0);
	assert_int_equal(unlink(path), 0);
}

static char *
make_random(unsigned *seed)
{
	static const char letters[] = "a.*:/\n \tC#s~[0-\x80";
	size_t len = (size_t)rand_r(seed) % 200;
	char *text = malloc(len + 1);

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = letters[(size_t)rand_r(seed) % (sizeof(letters) - 1)];
	text[len] = '\0';
	return text;
}

/* Any bytes are a table, and every type that comes out fit for a header. */
static void
test_random(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		char *text = make_random(&seed);
		char *name = make_random(&seed);
		struct mime *m = open_texts(
		    i % 2 == 0 ? text : NULL, i % 2 == 0 ? NULL : text);
		const char *type = mime_of(m, name);

		assert_non_null(strchr(type, '/'));
		assert_null(strpbrk(type, " \t\r\n:\x80"));
		mime_close(m);
		free(text);
		free(name);
	}
}

/* All of a large table is found again. */
static void
test_large(void **state)
{
	char path[] = "/tmp/pailfs-globs-XXXXXX", name[32], type[32];
	struct mime *m = NULL;
	FILE *f;

	(void)state;
	put(path, "", 0);
	f = fopen(path, "w");
	assert_non_null(f);
	for (unsigned i = 0; i < 20000; i++)
		assert_true(fprintf(f, "50:type/t%u:*.x%u\n", i * 7 % 20000,
				i * 7 % 20000) > 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(mime_open_files(path, NOWHERE, &m), 0);
	for (unsigned i = 0; i < 20000; i++) {
		(void)snprintf(name, sizeof(name), "a.X%u", i);
		(void)snprintf(type, sizeof(type), "type/t%u", i);
		assert_string_equal(mime_of(m, name), type);
	}
	mime_close(m);
	assert_int_equal(unlink(path), 0);
}

/* Where the system has tables, they know what everybody knows. */
static void
test_system(void **state)
{
	struct mime *m = NULL;

	(void)state;
	assert_int_equal(mime_open(&m), 0);
	if (access("/usr/share/mime/globs2", R_OK) == 0 ||
	    access("/etc/mime.types", R_OK) == 0) {
		assert_string_equal(mime_of(m, "index.html"), "text/html");
		assert_string_equal(mime_of(m, "a.PNG"), "image/png");
		assert_string_equal(mime_of(m, "film.mp4"), "video/mp4");
		assert_string_equal(mime_of(m, "a.json"), "application/json");
	}
	assert_string_equal(mime_of(m, "a.no-such-suffix"), MIME_DEFAULT);
	mime_close(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_globs_bad),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_odd_files),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

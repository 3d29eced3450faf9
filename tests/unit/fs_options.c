/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_options.c - the command line: every option, alias, and what is refused.
 *
 * Role:    unit test of fs/options.c, fs/option_value.c and the table.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/option_table.h"
#include "fs/options.h"

#define ARGS_MAX 12
#define MIB      (UINT64_C(1) << 20)

static struct options o;
static char message[512];

/* Parse the words, up to NULL, of ${program}. */
static int
parse_as(const char *program, const char *const *words)
{
	char *argv[ARGS_MAX + 1] = { NULL };
	int argc = 0, r;

	argv[argc++] = strdup(program);
	for (; *words != NULL; words++) {
		assert_true(argc < ARGS_MAX);
		argv[argc++] = strdup(*words);
	}
	r = options_parse(argc, argv, &o, message, sizeof(message));
	while (argc > 0)
		free(argv[--argc]);
	return r;
}

#define PARSE(...)                                                             \
	parse_as("pailfs", (const char *const[]){ __VA_ARGS__, NULL })
#define HELPER(...)                                                            \
	parse_as(                                                              \
	    "/sbin/mount.pailfs", (const char *const[]){ __VA_ARGS__, NULL })

/* "-o ${list}" with bucket and mount point. */
static int
parse_list(const char *list)
{
	return PARSE("bucket", "/mnt", "-o", list);
}

static void
refused(int r, const char *a, const char *b, const char *c)
{
	const char *const wants[] = { a, b, c };

	assert_int_equal(r, -EINVAL);
	for (int i = 0; i < 3; i++) {
		if (wants[i] != NULL && strstr(message, wants[i]) == NULL)
			fail_msg("'%s' lacks '%s'", message, wants[i]);
	}
	options_fini(&o);
}

/* ---- every row of the table ---- */

/* What is known of an option: transcribed from the man page's words. */
struct known {
	const char *name;
	const char *preset; /* as number, or text; NULL: none */
	const char *good[3];
	const char *want[3]; /* what the field then holds, as preset */
	const char *bad[4];
	const char *range; /* the message of a bad value says this */
};

#define NOT_GIVEN "18446744073709551615"

/* clang-format off */
static const struct known known[] = {
	{ "endpoint", NULL, { "http://h:1", "https://x/" }, { "http://h:1", "https://x/" },
	  { "us-east-1", "ftp://x", "http://", "" }, "http" },
	{ "region", NULL, { "eu" }, { "eu" }, { "" }, "region" },
	{ "path_style", "0", { "yes", "no", "auto" }, { "2", "1", "0" }, { "maybe", "2" }, "auto, no, yes" },
	{ "profile", NULL, { "p" }, { "p" }, { "" }, "profile" },
	{ "passwd_file", NULL, { "/a b" }, { "/a b" }, { "" }, "FILE" },
	{ "no_sign", "0", { "1", "no", "true" }, { "1", "0", "1" }, { "2", "maybe" }, "0" },
	{ "sign_payload", "0", { "yes", "0", "on" }, { "1", "0", "1" }, { "x" }, "0" },
	{ "checksum", "1", { "0", "off", "1" }, { "0", "0", "1" }, { "2" }, "0" },
	{ "cache", NULL, { "/c" }, { "/c" }, { "" }, "DIR" },
	{ "cache_size", "10737418240", { "4M", "1G", "5000000KiB" }, { "4194304", "1073741824", "5120000000" },
	  { "3M", "1X", "-1", "99999999E" }, "4M to 8E" },
	{ "free_space", "1073741824", { "0", "1K", "2T" }, { "0", "1024", "2199023255552" }, { "x", "1 K", "1KK" }, "0 to 8E" },
	{ "memory", "33554432", { "4M", "64m" }, { "4194304", "67108864" }, { "1M", "2T", "" }, "4M to 1T" },
	{ "ttl", "10000", { "0", "0.5", "2592000" }, { "0", "500", "2592000000" }, { "2592001", "-1", "1s", "." }, "0 to 2592000 seconds" },
	{ "negative_ttl", NOT_GIVEN, { "7", "1.25" }, { "7000", "1250" }, { "x", "99999999999999999999" }, "0 to 2592000 seconds" },
	{ "attrs", "0", { "list", "posix" }, { "1", "0" }, { "none", "li" }, "posix, list" },
	{ "sync", "0", { "close", "fsync", "local" }, { "0", "1", "2" }, { "open", "async", "0" }, "close, fsync, local" },
	{ "write_delay", "100", { "0", "60000" }, { "0", "60000" }, { "60001", "1.5", "1s" }, "0 to 60000 milliseconds" },
	{ "max_dirty_age", "0", { "0", "2592000" }, { "0", "2592000" }, { "2592001", "-1", "1m" }, "0 to 2592000 seconds" },
	{ "part_size", "0", { "0", "5M", "5G" }, { "0", "5242880", "5368709120" }, { "1", "4M", "6G", "5X" }, "0, or 5M to 5G" },
	{ "timeout", "120", { "1", "86400" }, { "1", "86400" }, { "0", "86401", "1.5" }, "1 to 86400 seconds" },
	{ "connections", "64", { "1", "256" }, { "1", "256" }, { "0", "257", "0x10" }, "1 to 256" },
	{ "max_upload", "0", { "0", "1K", "10M" }, { "0", "1024", "10485760" }, { "1", "2T", "-1" }, "0, or 1K to 1T" },
	{ "max_download", "0", { "0", "1K", "1T" }, { "0", "1024", "1099511627776" }, { "1000", "5X" }, "0, or 1K to 1T" },
	{ "max_requests", "0", { "0", "1000000" }, { "0", "1000000" }, { "1000001", "1K", "0.5" }, "0 to 1000000" },
	{ "threads", "4096", { "8", "65536" }, { "8", "65536" }, { "7", "65537" }, "8 to 65536" },
	{ "uid", NOT_GIVEN, { "0", "4294967294" }, { "0", "4294967294" }, { "4294967295", "root", "-1" }, "0 to 4294967294" },
	{ "gid", NOT_GIVEN, { "0", "100" }, { "0", "100" }, { "4294967296", "+1" }, "0 to 4294967294" },
	{ "umask", NOT_GIVEN, { "022", "0", "777" }, { "18", "0", "511" }, { "1000", "8", "rwx" }, "octal, 0 to 0777" },
	{ "file_mode", "420", { "600", "07777" }, { "384", "4095" }, { "10000", "9" }, "octal, 0 to 07777" },
	{ "dir_mode", "493", { "700" }, { "448" }, { "10000", "u=rwx" }, "octal, 0 to 07777" },
	{ "ro", "0", { "1", "0" }, { "1", "0" }, { "x" }, "0" },
	{ "allow_other", "0", { "1", "0" }, { "1", "0" }, { "x" }, "0" },
	{ "bucket_size", "1125899906842624", { "1M", "8E" }, { "1048576", "9223372036854775808" }, { "1K", "9E" }, "1M to 8E" },
	{ "log_level", "1", { "error", "info", "dbg" }, { "0", "2", "3" }, { "loud", "warni" }, "error, warning, info, debug" },
	{ "log_file", NULL, { "/l" }, { "/l" }, { "" }, "FILE" },
};
/* clang-format on */

#define KNOWN (sizeof(known) / sizeof(known[0]))

static const struct option_row *
row_of(const char *name)
{
	const struct option_row *row = option_rows;

	while (row->name != NULL && strcmp(row->name, name) != 0)
		row++;
	assert_non_null(row->name);
	return row;
}

static void
check_field(const char *name, const char *want)
{
	const struct option_row *row = row_of(name);
	void *field = (char *)&o + row->offset;

	if (row->type == OPTION_TEXT || row->type == OPTION_URL) {
		const char *text = *(char **)field;

		if (want == NULL)
			assert_null(text);
		else
			assert_string_equal(text, want);
	} else if (row->type == OPTION_FLAG) {
		assert_int_equal(*(bool *)field, want[0] == '1');
	} else {
		uint64_t n = *(uint64_t *)field;

		if (n != strtoull(want, NULL, 10))
			fail_msg("%s is %llu, not %s", name,
			    (unsigned long long)n, want);
	}
}

static void
test_presets(void **state)
{
	(void)state;
	assert_int_equal(PARSE("bucket", "/mnt"), 0);
	assert_string_equal(message, "");
	for (size_t i = 0; i < KNOWN; i++)
		check_field(known[i].name, known[i].preset);
	assert_null(o.fuse_options);
	assert_false(o.foreground || o.debug || o.help || o.version);
	options_fini(&o);
}

/* The table has no option that is not known here. */
static void
test_all_known(void **state)
{
	size_t count = 0;

	(void)state;
	while (option_rows[count].name != NULL)
		count++;
	assert_int_equal(count, KNOWN);
	for (size_t i = 0; i < KNOWN; i++)
		(void)row_of(known[i].name);
}

static void
test_good(void **state)
{
	char list[128], dashed[132];

	(void)state;
	for (size_t i = 0; i < KNOWN; i++) {
		const struct known *k = &known[i];

		for (int n = 0; n < 3 && k->good[n] != NULL; n++) {
			(void)snprintf(
			    list, sizeof(list), "%s=%s", k->name, k->good[n]);
			(void)snprintf(dashed, sizeof(dashed), "--%s", list);
			if (parse_list(list) != 0)
				fail_msg("%s: %s", list, message);
			check_field(k->name, k->want[n]);
			options_fini(&o);
			assert_int_equal(PARSE(dashed, "bucket", "/mnt"), 0);
			check_field(k->name, k->want[n]);
			options_fini(&o);
		}
	}
}

/* The message names the option, the value, and what it may be. */
static void
test_bad(void **state)
{
	char list[128];

	(void)state;
	for (size_t i = 0; i < KNOWN; i++) {
		const struct known *k = &known[i];

		for (int n = 0; n < 4 && k->bad[n] != NULL; n++) {
			(void)snprintf(
			    list, sizeof(list), "%s=%s", k->name, k->bad[n]);
			refused(parse_list(list), k->name, k->bad[n], k->range);
		}
		if (row_of(k->name)->type != OPTION_FLAG &&
		    row_of(k->name)->bare == NULL)
			refused(parse_list(k->name), k->name, "value", NULL);
	}
}

/* ---- forms ---- */

static void
test_forms(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--cache-size", "1G", "b", "/m", "--ro",
			     "--log_level=info", "-oregion=x,no_sign"),
	    0);
	assert_int_equal(o.cache_size, 1024 * MIB);
	assert_true(o.ro);
	assert_int_equal(o.log_level, 2);
	assert_string_equal(o.region, "x");
	assert_true(o.no_sign);
	assert_string_equal(o.bucket, "b");
	options_fini(&o);
	/* A flag that is shown with a value takes the next word. */
	assert_int_equal(PARSE("--checksum", "0", "b", "/m", "--ro"), 0);
	assert_true(!o.checksum && o.ro);
	options_fini(&o);
	/* The last one wins. */
	assert_int_equal(
	    PARSE("b", "/m", "-o", "ttl=1,ttl=2", "-o", "ttl=3"), 0);
	assert_int_equal(o.ttl, 3000);
	options_fini(&o);
	assert_int_equal(PARSE("-f", "-d", "b", "/m"), 0);
	assert_true(o.foreground && o.debug);
	options_fini(&o);
	refused(PARSE("b", "/m", "-o"), "-o", NULL, NULL);
	refused(PARSE("b", "/m", "-q"), "-q", "--help", NULL);
	refused(PARSE("b", "/m", "--cache"), "cache", "value", NULL);
	refused(PARSE("b", "/m", "--ttl"), "ttl", "value", "seconds");
	/* A server without its http:// is not taken for a region. */
	refused(
	    PARSE("b", "/m", "--endpoint=h:9000"), "h:9000", "http://", NULL);
	assert_null(strstr(message, "region"));
}

static void
test_commas(void **state)
{
	(void)state;
	assert_int_equal(
	    parse_list("cache=/a\\,b\\\\c,,ro,passwd_file=/x=y,"), 0);
	assert_string_equal(o.cache, "/a,b\\c");
	assert_string_equal(o.passwd_file, "/x=y");
	assert_true(o.ro);
	options_fini(&o);
}

static void
test_aliases(void **state)
{
	(void)state;
	assert_int_equal(
	    parse_list("url=http://h,use_path_request_style,use_cache=/c,"
		       "ensure_diskfree=5,stat_cache_expire=7,"
		       "readwrite_timeout=9,multireq_max=11,public_bucket=1,"
		       "logfile=/l,dbglevel=err"),
	    0);
	assert_string_equal(o.endpoint, "http://h");
	assert_int_equal(o.path_style, 2);
	assert_string_equal(o.cache, "/c");
	assert_int_equal(o.free_space, 5 * MIB);
	assert_int_equal(o.ttl, 7000);
	assert_int_equal(o.timeout, 9);
	assert_int_equal(o.connections, 11);
	assert_true(o.no_sign);
	assert_string_equal(o.log_file, "/l");
	assert_int_equal(o.log_level, 0);
	options_fini(&o);
	refused(parse_list("parallel_count=0"), "connections", "0", "256");
	assert_int_equal(parse_list("multipart_size=16"), 0);
	assert_int_equal(o.part_size, 16 * MIB);
	options_fini(&o);
	/* Each names an option that is there. */
	for (const struct option_alias *a = option_aliases; a->alias != NULL;
	     a++)
		(void)row_of(a->name);
}

/* As mount(8) runs it: mount.pailfs SOURCE TARGET [-sfnv] [-o OPTIONS]. */
static void
test_mount(void **state)
{
	(void)state;
	assert_int_equal(
	    HELPER("bucket:/p", "/mnt", "-sfnv", "-o",
		"rw,sync,_netdev,nofail,x-systemd.automount,nosuid,"
		"nodev,user,defaults,comment=x,noatime"),
	    0);
	assert_string_equal(o.bucket, "bucket");
	assert_string_equal(o.prefix, "p/");
	assert_false(o.ro);
	assert_true(o.fake);
	assert_false(o.foreground);
	assert_string_equal(o.fuse_options, "nosuid,nodev,noatime");
	options_fini(&o);
	assert_int_equal(
	    HELPER("b", "/m", "-r", "-N", "/proc/1/ns/mnt", "-t", "pailfs"), 0);
	assert_true(o.ro);
	options_fini(&o);
	assert_int_equal(parse_list("ro,rw"), 0);
	assert_false(o.ro);
	options_fini(&o);
}

/* mount -o remount: with what the kernel shows, in any order; only then. */
static void
test_remount(void **state)
{
	(void)state;
	assert_int_equal(
	    HELPER("b:/d", "/mnt", "-o", "user_id=0,ttl=3", "-o", "remount,ro"),
	    0);
	assert_string_equal(o.remount, "user_id=0,ttl=3,remount,ro");
	assert_string_equal(o.source, "b:/d");
	assert_true(o.ro);
	assert_true(options_is_given(&o, "ttl"));
	assert_true(options_is_given(&o, "ro"));
	assert_false(options_is_given(&o, "negative_ttl"));
	assert_false(options_is_given(&o, "cache_size"));
	options_fini(&o);
	assert_int_equal(
	    PARSE("b", "/mnt", "-w", "-o", "stat_cache_expire=1"), 0);
	assert_null(o.remount);
	assert_true(options_is_given(&o, "ttl"));
	assert_true(options_is_given(&o, "ro"));
	options_fini(&o);
	refused(parse_list("user_id=0"), "user_id", NULL, NULL);
}

static void
test_unknown(void **state)
{
	(void)state;
	refused(parse_list("cachesize=1G"), "'cachesize'",
	    "did you mean 'cache_size'?", NULL);
	refused(parse_list("endpiont=http://h"), "'endpoint'?", NULL, NULL);
	refused(PARSE("--regoin=x", "b", "/m"), "'region'?", NULL, NULL);
	refused(parse_list("xyzzyplugh"), "xyzzyplugh", "--help", NULL);
	assert_null(strstr(message, "did you mean"));
}

/* ---- bucket and mount point ---- */

static void
check_bucket(const char *word, const char *bucket, const char *prefix)
{
	assert_int_equal(PARSE(word, "/mnt"), 0);
	assert_string_equal(o.bucket, bucket);
	assert_string_equal(o.prefix, prefix);
	options_fini(&o);
}

static void
test_bucket(void **state)
{
	(void)state;
	check_bucket("b", "b", "");
	check_bucket("b:/", "b", "");
	check_bucket("b:/a/b", "b", "a/b/");
	check_bucket("b:a/b/", "b", "a/b/");
	check_bucket("s3://b", "b", "");
	check_bucket("s3://b/", "b", "");
	check_bucket("s3://b/a", "b", "a/");
	refused(PARSE("", "/mnt"), "bucket", NULL, NULL);
	refused(PARSE("s3:///a", "/mnt"), "s3:///a", NULL, NULL);
	refused(PARSE("a/b", "/mnt"), "'a/b'", "BUCKET", NULL);
	refused(PARSE("b:/a//b", "/mnt"), "a//b", NULL, NULL);
	refused(PARSE("b:/../x", "/mnt"), "../x", NULL, NULL);
	refused(PARSE("b"), "mount point", "MOUNTPOINT", NULL);
	refused(PARSE("-f"), "bucket", NULL, NULL);
	refused(PARSE("b", "/m", "more"), "'more'", NULL, NULL);
}

static void
test_mountpoint(void **state)
{
	(void)state;
	assert_int_equal(PARSE("b", "/a/b//"), 0);
	assert_string_equal(o.mountpoint, "/a/b");
	options_fini(&o);
	assert_int_equal(PARSE("b", "/"), 0);
	assert_string_equal(o.mountpoint, "/");
	options_fini(&o);
	assert_int_equal(PARSE("b", "rel"), 0);
	assert_int_equal(o.mountpoint[0], '/');
	assert_string_equal(strrchr(o.mountpoint, '/'), "/rel");
	options_fini(&o);
	assert_int_equal(PARSE("--", "b", "-m"), 0);
	assert_string_equal(strrchr(o.mountpoint, '/'), "/-m");
	options_fini(&o);
}

static void
test_help(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	(void)state;
	assert_int_equal(PARSE("--help"), 0);
	assert_true(o.help);
	options_fini(&o);
	assert_int_equal(PARSE("-V"), 0);
	assert_true(o.version);
	options_fini(&o);
	f = open_memstream(&text, &len);
	assert_non_null(f);
	options_help(f);
	assert_int_equal(fclose(f), 0);
	for (size_t i = 0; i < KNOWN; i++)
		assert_non_null(strstr(text, known[i].name));
	/* No line is too wide for a terminal. */
	for (char *line = text; line != NULL && *line != '\0';) {
		char *end = strchr(line, '\n');

		if (end - line > 80)
			print_error("%.*s\n", (int)(end - line), line);
		assert_true(end - line <= 80);
		line = end + 1;
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_all_known),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_commas),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_mount),
		cmocka_unit_test(test_remount),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_mountpoint),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

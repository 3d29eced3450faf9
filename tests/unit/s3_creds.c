/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_creds.c - tests of where credentials come from.  The EC2 role is tested
 * by tests/sys/test_creds.py.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/base/buf.h"
#include "s3/creds.h"

static char folder[] = "/tmp/pailfs-creds-XXXXXX";
static char path[3][128];
static struct buf note = BUF_INIT(8192);

static void
write_file(const char *name, unsigned mode, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_return_code(chmod(name, mode), 0);
}

static int
setup(void **state)
{
	static const char *const drop[] = { "AWS_ACCESS_KEY_ID",
		"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
		"AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE" };
	char aws[128];

	(void)state;
	for (size_t i = 0; i < sizeof(drop) / sizeof(*drop); i++)
		(void)unsetenv(drop[i]);
	(void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	(void)memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	assert_non_null(mkdtemp(folder));
	(void)setenv("HOME", folder, 1);
	(void)snprintf(aws, sizeof(aws), "%s/.aws", folder);
	assert_return_code(mkdir(aws, 0700), 0);
	(void)snprintf(path[0], sizeof(path[0]), "%s/.aws/credentials", folder);
	(void)snprintf(path[1], sizeof(path[1]), "%s/.aws/config", folder);
	(void)snprintf(path[2], sizeof(path[2]), "%s/.passwd-s3fs", folder);
	buf_clear(&note);
	return 0;
}

static int
teardown(void **state)
{
	char aws[128];

	(void)state;
	for (int i = 0; i < 3; i++)
		(void)unlink(path[i]);
	(void)snprintf(aws, sizeof(aws), "%s/.aws", folder);
	(void)rmdir(aws);
	return rmdir(folder);
}

/* Open with ${q}, and expect these keys; ${access} NULL: none. */
static void
expect(struct creds_query *q, const char *access, const char *secret,
    const char *token)
{
	struct creds *c = NULL;
	struct creds_keys *keys = NULL;

	q->clock = &clock_system;
	buf_clear(&note);
	if (access == NULL) {
		assert_int_equal(creds_open(q, &c, &note), -EACCES);
		assert_true(note.len > 0);
		return;
	}
	assert_int_equal(creds_open(q, &c, &note), 0);
	assert_int_equal(creds_get(c, &keys), 0);
	assert_string_equal(keys->access, access);
	assert_string_equal(keys->secret, secret);
	if (token == NULL)
		assert_null(keys->token);
	else
		assert_string_equal(keys->token, token);
	creds_keys_put(keys);
	creds_close(c);
}

static void
test_the_environment(void **state)
{
	struct creds_query q = { .bucket = "b" };

	(void)state;
	(void)setenv("AWS_ACCESS_KEY_ID", "A", 1);
	expect(&q, NULL, NULL, NULL);
	assert_non_null(strstr(buf_str(&note), "AWS_SECRET_ACCESS_KEY is not"));
	(void)setenv("AWS_SECRET_ACCESS_KEY", "S", 1);
	expect(&q, "A", "S", NULL);
	(void)setenv("AWS_SESSION_TOKEN", "T", 1);
	expect(&q, "A", "S", "T");
	write_file(path[0], 0600,
	    "[p]\naws_access_key_id=PA\naws_secret_access_key=PS\n");
	q.profile = "p";
	expect(&q, "PA", "PS", NULL);
	q.profile = "q";
	expect(&q, NULL, NULL, NULL);
	assert_non_null(strstr(buf_str(&note), "profile q is in neither"));
}

static void
test_nothing_at_all(void **state)
{
	struct creds_query q = { .bucket = "b" };

	(void)state;
	expect(&q, NULL, NULL, NULL);
	assert_non_null(strstr(buf_str(&note), "no_sign"));
}

static void
test_anonymous(void **state)
{
	struct creds_query q = { .no_sign = true, .clock = &clock_system };
	struct creds *c = NULL;
	struct creds_keys *keys;

	(void)state;
	(void)setenv("AWS_ACCESS_KEY_ID", "A", 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", "S", 1);
	assert_int_equal(creds_open(&q, &c, &note), 0);
	assert_int_equal(creds_get(c, &keys), 0);
	assert_null(keys);
	creds_close(c);
}

static void
test_a_passwd_file(void **state)
{
	struct creds_query q = { .bucket = "mine", .passwd_file = path[2] };

	(void)state;
	(void)setenv("AWS_ACCESS_KEY_ID", "A", 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", "S", 1);
	expect(&q, NULL, NULL, NULL);
	assert_non_null(strstr(buf_str(&note), "No such file"));
	write_file(path[2], 0600, "# comment\n\n  ACC:SEC/+=\r\n");
	expect(&q, "ACC", "SEC/+=", NULL);
	write_file(path[2], 0600, "ACC:SEC\nother:X:Y\nmine:M:N:O\n");
	expect(&q, "M", "N:O", NULL);
	write_file(path[2], 0600, "other:X:Y\nnothing here\n");
	expect(&q, NULL, NULL, NULL);
	assert_non_null(strstr(buf_str(&note), "a line ACCESS:SECRET"));
	write_file(path[2], 0640, "ACC:SEC\n");
	expect(&q, NULL, NULL, NULL);
	assert_non_null(strstr(buf_str(&note), "chmod 600"));
	assert_null(strstr(buf_str(&note), "SEC"));
	write_file(path[2], 0604, "ACC:SEC\n");
	expect(&q, NULL, NULL, NULL);
	/* In its usual place it is only tried. */
	q.passwd_file = NULL;
	expect(&q, "A", "S", NULL);
	(void)unsetenv("AWS_ACCESS_KEY_ID");
	(void)unsetenv("AWS_SECRET_ACCESS_KEY");
	expect(&q, NULL, NULL, NULL);
	assert_non_null(strstr(buf_str(&note), "chmod 600"));
	write_file(path[2], 0600, "ACC:SEC\n");
	expect(&q, "ACC", "SEC", NULL);
}

static void
test_the_shared_files(void **state)
{
	struct creds_query q = { .bucket = "b", .clock = &clock_system };
	char *region;

	(void)state;
	write_file(path[0], 0600,
	    "; comment\n[default]\naws_access_key_id = DA\r\n"
	    "aws_secret_access_key\t=\tDS=/+\n[ other ]\n"
	    "AWS_ACCESS_KEY_ID=OA\naws_secret_access_key=OS\n"
	    "aws_session_token=OTK\n[broken\n");
	write_file(path[1], 0600,
	    "[default]\nregion = eu-west-1\ns3 =\n  region = no\n"
	    "[profile other]\nregion=eu-west-2\n[third]\n"
	    "aws_access_key_id=no\n[profile third]\n"
	    "aws_access_key_id=TA\naws_secret_access_key=TS\n");
	expect(&q, "DA", "DS=/+", NULL);
	assert_int_equal(note.len, 0);
	region = creds_find_region(&q);
	assert_string_equal(region, "eu-west-1");
	free(region);
	(void)setenv("AWS_PROFILE", "other", 1);
	expect(&q, "OA", "OS", "OTK");
	region = creds_find_region(&q);
	assert_string_equal(region, "eu-west-2");
	free(region);
	(void)setenv("AWS_DEFAULT_REGION", "us-west-1", 1);
	region = creds_find_region(&q);
	assert_string_equal(region, "us-west-1");
	free(region);
	q.profile = "third";
	expect(&q, "TA", "TS", NULL);
	assert_null(creds_find_region(&q));
	write_file(path[0], 0644,
	    "[third]\naws_access_key_id=TA\naws_secret_access_key=TS\n");
	expect(&q, "TA", "TS", NULL);
	assert_non_null(strstr(buf_str(&note), "chmod 600"));
	assert_null(strstr(buf_str(&note), "TS"));
}

static void
test_refresh_reads_again(void **state)
{
	struct creds_query q = { .bucket = "b", .clock = &clock_system };
	struct creds_keys *keys, *old;
	struct creds *c;
	int r;

	(void)state;
	write_file(path[2], 0600, "A1:S1\n");
	assert_int_equal(creds_open(&q, &c, &note), 0);
	assert_int_equal(creds_get(c, &old), 0);
	write_file(path[2], 0600, "A2:S2\n");
	creds_refresh(c, old);
	for (r = -EAGAIN; r == -EAGAIN; (void)usleep(1000))
		r = creds_get(c, &keys);
	assert_string_equal(keys->access, "A2");
	assert_string_equal(old->access, "A1");
	creds_refresh(c, old); /* those are gone already: nothing to do */
	creds_keys_put(keys);
	assert_int_equal(creds_get(c, &keys), 0);
	(void)unlink(path[2]);
	creds_refresh(c, keys);
	creds_keys_put(old);
	old = keys;
	for (r = -EAGAIN; r == -EAGAIN; (void)usleep(1000))
		r = creds_get(c, &keys);
	assert_ptr_equal(keys, old); /* none newer: those that we had */
	creds_keys_put(keys);
	creds_keys_put(old);
	creds_close(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_environment),
		TEST(test_nothing_at_all),
		TEST(test_anonymous),
		TEST(test_a_passwd_file),
		TEST(test_the_shared_files),
		TEST(test_refresh_reads_again),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf_fini(&note);
	return failed;
}

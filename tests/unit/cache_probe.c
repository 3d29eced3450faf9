/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_probe.c - finding out which conditions a server honours, on one that
 * can be made to ignore each.
 *
 * Role:    unit test of cache/probe.c.
 */
#include "tests/unit/cache_folder.h"

#include <unistd.h>

#include "cache/core.h"
#include "cache/probe.h"

#define DAY_MS  INT64_C(86400000)
#define THREADS 4

/* The kinds, and what a server does that lacks them. */
static const struct {
	enum probe_kind kind;
	enum s3_kind call;
	unsigned condition;
	unsigned requests; /* that asking takes */
} kinds[] = {
	{ PROBE_PUT_MATCH, S3_PUT_OBJECT, FAKE_MATCH, 3 },
	{ PROBE_PUT_ABSENT, S3_PUT_OBJECT, FAKE_ABSENT, 3 },
	{ PROBE_COMPLETE_MATCH, S3_COMPLETE_MULTIPART_UPLOAD, FAKE_MATCH, 6 },
	{ PROBE_COMPLETE_ABSENT, S3_COMPLETE_MULTIPART_UPLOAD, FAKE_ABSENT, 6 },
	{ PROBE_COPY_MATCH, S3_COPY_OBJECT, FAKE_MATCH, 3 },
	{ PROBE_COPY_ABSENT, S3_COPY_OBJECT, FAKE_ABSENT, 3 },
	{ PROBE_COPY_SOURCE, S3_COPY_OBJECT, FAKE_SOURCE, 3 },
	{ PROBE_DELETE_MATCH, S3_DELETE_OBJECT, FAKE_MATCH, 3 },
	{ PROBE_DELETES_MATCH, S3_DELETE_OBJECTS, FAKE_MATCH, 3 },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void
reopen(void)
{
	close_cache();
	open_cache();
}

static void
assert_clean(void)
{
	assert_int_equal(fake_objects(s3, ""), 0);
	assert_int_equal(fake_uploads(s3), 0);
}

/* ---- tests ---- */

/* On a server that honours all, and on one that lacks just this kind: no other
 * answer changes. */
static void
test_each(void **state)
{
	(void)state;
	assert_int_equal(KINDS, PROBE_KIND_COUNT);
	for (size_t i = 0; i < KINDS; i++) {
		fake_count_reset(s3);
		assert_int_equal(probe_has(cache, kinds[i].kind, NULL), 1);
		assert_int_equal(fake_count_all(s3), kinds[i].requests);
		assert_clean();
	}
}

static void
test_each_ignored(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		fake_ignore(s3, kinds[i].call, kinds[i].condition, true);
		fake_count_reset(s3);
		assert_int_equal(probe_has(cache, kinds[i].kind, NULL), 0);
		assert_true(fake_count_all(s3) <= kinds[i].requests);
		assert_clean();
		fake_ignore(s3, kinds[i].call, kinds[i].condition, false);
	}
	/* All the others on such a server: each is asked for itself. */
	atomic_fetch_add(&now_ms, 8 * DAY_MS);
	for (size_t i = 0; i < KINDS; i++) {
		if (kinds[i].kind == PROBE_COPY_MATCH)
			continue;
		fake_ignore(s3, S3_COPY_OBJECT, FAKE_MATCH, true);
		assert_int_equal(probe_has(cache, kinds[i].kind, NULL), 1);
	}
}

static void
test_remembered(void **state)
{
	(void)state;
	fake_ignore(s3, S3_DELETE_OBJECT, FAKE_MATCH, true);
	assert_int_equal(probe_has(cache, PROBE_DELETE_MATCH, NULL), 0);
	assert_int_equal(probe_has(cache, PROBE_PUT_MATCH, NULL), 1);
	fake_ignore(s3, S3_DELETE_OBJECT, FAKE_MATCH, false);
	fake_ignore(s3, S3_PUT_OBJECT, FAKE_MATCH, true);
	fake_count_reset(s3);
	for (int i = 0; i < 2; i++) {
		atomic_fetch_add(&now_ms, 3 * DAY_MS);
		assert_int_equal(probe_has(cache, PROBE_DELETE_MATCH, NULL), 0);
		assert_int_equal(probe_has(cache, PROBE_PUT_MATCH, NULL), 1);
		reopen();
		assert_int_equal(probe_has(cache, PROBE_DELETE_MATCH, NULL), 0);
		assert_int_equal(probe_has(cache, PROBE_PUT_MATCH, NULL), 1);
	}
	assert_int_equal(fake_count_all(s3), 0);
	/* After a week the server may have learnt, or forgotten. */
	atomic_fetch_add(&now_ms, 2 * DAY_MS);
	assert_int_equal(probe_has(cache, PROBE_DELETE_MATCH, NULL), 1);
	assert_int_equal(probe_has(cache, PROBE_PUT_MATCH, NULL), 0);
	assert_clean();
}

static char probe_key[512];

static void
note_key(struct s3 *server, const struct s3_call *call)
{
	(void)server;
	if (call->kind == S3_PUT_OBJECT)
		(void)snprintf(probe_key, sizeof(probe_key), "%s", call->key);
}

static void
test_key(void **state)
{
	char first[512];

	(void)state;
	close_cache();
	config.prefix = "a/b/";
	open_cache();
	fake_before(s3, note_key);
	assert_int_equal(probe_has(cache, PROBE_COPY_MATCH, NULL), 1);
	assert_int_equal(strncmp(probe_key, "a/b/.pailfs/probe/", 18), 0);
	assert_true(strlen(probe_key) > 18 + 22);
	assert_null(strchr(probe_key + 18, '/'));
	memcpy(first, probe_key, sizeof(first));
	assert_int_equal(probe_has(cache, PROBE_COPY_ABSENT, NULL), 1);
	assert_string_not_equal(first, probe_key);
}

/* With the condition: nothing is sent.  Without: a HEAD says what it would. */
static void
test_check(void **state)
{
	char *etag;

	(void)state;
	fake_put(s3, "a", 5, 1);
	etag = fake_etag(s3, "a");
	assert_int_equal(probe_has(cache, PROBE_PUT_MATCH, NULL), 1);
	fake_ignore(s3, S3_COPY_OBJECT, FAKE_MATCH | FAKE_ABSENT, true);
	assert_int_equal(probe_has(cache, PROBE_COPY_MATCH, NULL), 0);
	assert_int_equal(probe_has(cache, PROBE_COPY_ABSENT, NULL), 0);
	fake_count_reset(s3);
	assert_int_equal(
	    probe_check(cache, PROBE_PUT_MATCH, "a", "\"x\"", NULL), 0);
	assert_int_equal(fake_count_all(s3), 0);
	assert_int_equal(
	    probe_check(cache, PROBE_COPY_MATCH, "a", etag, NULL), 0);
	assert_int_equal(
	    probe_check(cache, PROBE_COPY_MATCH, "a", "\"x\"", NULL), -ESTALE);
	assert_int_equal(
	    probe_check(cache, PROBE_COPY_MATCH, "b", etag, NULL), -ESTALE);
	assert_int_equal(
	    probe_check(cache, PROBE_COPY_ABSENT, "a", NULL, NULL), -ESTALE);
	assert_int_equal(
	    probe_check(cache, PROBE_COPY_ABSENT, "b", NULL, NULL), 0);
	assert_int_equal(fake_count(s3, S3_HEAD_OBJECT), 5);
	assert_int_equal(fake_count_all(s3), 5);
	fake_fail(s3, S3_HEAD_OBJECT, -ETIMEDOUT, 1);
	assert_int_equal(
	    probe_check(cache, PROBE_COPY_ABSENT, "b", NULL, NULL), -ETIMEDOUT);
	free(etag);
}

/* Where no object may be made there: no, until the next mount. */
static void
test_denied(void **state)
{
	(void)state;
	fake_fail(s3, S3_PUT_OBJECT, -EACCES, 1);
	assert_int_equal(probe_has(cache, PROBE_PUT_ABSENT, NULL), 0);
	assert_int_equal(fake_count_all(s3), 1);
	assert_int_equal(probe_has(cache, PROBE_PUT_ABSENT, NULL), 0);
	assert_int_equal(fake_count_all(s3), 1);
	reopen();
	assert_int_equal(probe_has(cache, PROBE_PUT_ABSENT, NULL), 1);
	assert_clean();
}

/* A failure of the moment is no answer; what was made is deleted. */
static void
test_failed(void **state)
{
	(void)state;
	fake_fail(s3, S3_COPY_OBJECT, -EIO, 1);
	assert_int_equal(probe_has(cache, PROBE_COPY_MATCH, NULL), -EIO);
	assert_int_equal(
	    probe_check(cache, PROBE_COPY_MATCH, "a", NULL, NULL), 0);
	assert_clean();
	fake_lose(s3, S3_PUT_OBJECT, 1); /* it is there nevertheless */
	assert_int_equal(probe_has(cache, PROBE_COPY_ABSENT, NULL), -EIO);
	assert_clean();
	fake_fail(s3, S3_COMPLETE_MULTIPART_UPLOAD, -EIO, 1);
	assert_int_equal(probe_has(cache, PROBE_COMPLETE_MATCH, NULL), -EIO);
	assert_clean();
	fake_fail(s3, S3_UPLOAD_PART, -EIO, 1);
	assert_int_equal(probe_has(cache, PROBE_COMPLETE_MATCH, NULL), -EIO);
	assert_clean();
	assert_int_equal(probe_has(cache, PROBE_COMPLETE_MATCH, NULL), 1);
}

struct prober {
	pthread_t thread;
	struct waiter waiter;
	enum probe_kind kind;
	int r;
};

static void *
prober_main(void *arg)
{
	struct prober *p = arg;

	p->r = probe_has(cache, p->kind, &p->waiter);
	return NULL;
}

static void
prober_start(struct prober *p, enum probe_kind kind)
{
	waiter_init(&p->waiter);
	p->kind = kind;
	assert_int_equal(pthread_create(&p->thread, NULL, prober_main, p), 0);
}

static int
prober_end(struct prober *p)
{
	assert_int_equal(pthread_join(p->thread, NULL), 0);
	waiter_fini(&p->waiter);
	return p->r;
}

/* Many ask at once, for one kind and another: each is asked once, one after
 * the other.  Who waits can be interrupted, and delays nobody. */
static void
test_threads(void **state)
{
	struct prober probers[THREADS], late;

	(void)state;
	fake_hold(s3, S3_PUT_OBJECT, true);
	for (int i = 0; i < THREADS; i++)
		prober_start(
		    &probers[i], i % 2 ? PROBE_COPY_MATCH : PROBE_COPY_ABSENT);
	fake_wait_held(s3, 1);
	prober_start(&late, PROBE_COPY_SOURCE);
	waiter_interrupt(&late.waiter);
	assert_int_equal(prober_end(&late), -EINTR);
	assert_int_equal(fake_count_all(s3), 1);
	fake_hold(s3, S3_PUT_OBJECT, false);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(prober_end(&probers[i]), 1);
	assert_int_equal(fake_count_all(s3), 6);
	assert_int_equal(s3->most_in_flight, 1);
	assert_clean();
}

/* The one that probes is interrupted: the next one takes its place. */
static void
test_interrupted(void **state)
{
	struct prober first, second;

	(void)state;
	fake_hold(s3, S3_COPY_OBJECT, true);
	prober_start(&first, PROBE_COPY_MATCH);
	while (fake_count(s3, S3_COPY_OBJECT) == 0)
		(void)usleep(1000);
	prober_start(&second, PROBE_COPY_MATCH);
	waiter_interrupt(&first.waiter);
	assert_int_equal(prober_end(&first), -EINTR);
	fake_hold(s3, S3_COPY_OBJECT, false);
	assert_int_equal(prober_end(&second), 1);
	assert_clean();
}

/* Lines in the log so far. */
static int
log_lines(const char *path)
{
	FILE *f = fopen(path, "re");
	int c, n = 0;

	assert_non_null(f);
	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	(void)fclose(f);
	return n;
}

/* What the server lacks is said once; so is that asking is not allowed. */
static void
test_said_once(void **state)
{
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/log", folder);
	log_set_level(LOG_LEVEL_WARN);
	assert_int_equal(log_open(path), 0);
	fake_ignore(s3, S3_COPY_OBJECT, FAKE_MATCH, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(probe_has(cache, PROBE_COPY_MATCH, NULL), 0);
	assert_int_equal(log_lines(path), 1);
	assert_int_equal(probe_has(cache, PROBE_PUT_MATCH, NULL), 1);
	assert_int_equal(log_lines(path), 1);
	fake_fail(s3, S3_PUT_OBJECT, -EACCES, 2);
	assert_int_equal(probe_has(cache, PROBE_COPY_ABSENT, NULL), 0);
	assert_int_equal(probe_has(cache, PROBE_COPY_SOURCE, NULL), 0);
	assert_int_equal(log_lines(path), 2);
	assert_int_equal(log_open("/dev/stderr"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_each),
		T(test_each_ignored),
		T(test_remembered),
		T(test_key),
		T(test_check),
		T(test_denied),
		T(test_failed),
		T(test_threads),
		T(test_interrupted),
		T(test_said_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

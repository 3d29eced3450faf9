/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy_folder.h - a cache whose bucket has an object "a" that is copied to
 * "b", on a server whose conditions were found out before.
 *
 * Role:    the fixture of cache_copy.c and cache_copy_parts.c; included once
 *          by each program.
 */
#ifndef TESTS_UNIT_COPY_FOLDER_H
#define TESTS_UNIT_COPY_FOLDER_H

#include "tests/unit/cache_folder.h"

#include "cache/copy.h"
#include "cache/core.h"
#include "cache/probe.h"

static struct copy_result result;
static struct copy copy;
static char *etag; /* of "a" as it was at first */
static struct s3_meta token_meta[2];

static inline int
set_up_copy(void **state)
{
	static char name[] = "pailfs-token", value[] = "our-token";
	static char mode[] = "mode", number[] = "33188";
	int r = set_up(state);

	if (r < 0)
		return r;
	fake_put(s3, "a", 1000, 1);
	fake_meta(s3, "a", "pailfs-token", "source-token");
	fake_meta(s3, "a", "project", "x");
	etag = fake_etag(s3, "a");
	token_meta[0] = (struct s3_meta){ name, value };
	token_meta[1] = (struct s3_meta){ mode, number };
	copy = (struct copy){ .source_key = "a", .size = 1000, .key = "b" };
	result = (struct copy_result){ 0 };
	/* Asking is not what is counted here. */
	for (int i = 0; i < PROBE_KIND_COUNT; i++)
		if (probe_has(cache, (enum probe_kind)i, NULL) != 1)
			return -1;
	fake_count_reset(s3);
	return 0;
}

static inline int
tear_down_copy(void **state)
{
	copy_result_fini(&result);
	free(etag);
	return tear_down(state);
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_copy, tear_down_copy)

static inline void
replace(void)
{
	copy.replace_meta = true;
	copy.content_type = "text/x-own";
	copy.meta = token_meta;
	copy.meta_count = 2;
}

static inline int
run(void)
{
	copy_result_fini(&result);
	return copy_run(cache, &copy, NULL, &result);
}

/* The result is of what is at "b" now, and that is a copy of "a". */
static inline void
assert_copied(unsigned seed)
{
	char *now = fake_etag(s3, "b");
	uint8_t byte;

	assert_non_null(now);
	assert_non_null(result.etag);
	assert_string_equal(result.etag, now);
	assert_false(result.unsure);
	assert_int_equal(fake_size(s3, "b"), copy.size);
	fake_read(s3, "b", copy.size - 1, &byte, 1);
	assert_int_equal(byte, fake_byte(seed, copy.size - 1));
	free(now);
}

static inline void
assert_meta(const char *key, const char *name, const char *value)
{
	char *found = fake_meta_of(s3, key, name);

	if (value == NULL)
		assert_null(found);
	else
		assert_string_equal(found == NULL ? "(none)" : found, value);
	free(found);
}

/* The server does not know these conditions, and that was found out. */
static inline void
ignore(enum s3_kind call, unsigned conditions)
{
	fake_ignore(s3, call, conditions, true);
	atomic_fetch_add(&now_ms, INT64_C(8) * 86400000);
	for (int i = 0; i < PROBE_KIND_COUNT; i++)
		(void)probe_has(cache, (enum probe_kind)i, NULL);
	fake_count_reset(s3);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_folder.h - a cache on a temporary folder, over the S3 of fake_s3.h,
 * with a clock that the test sets.
 *
 * Role:    the fixture of cache_chunk.c, cache_observe.c and cache_engine*.c;
 *          included once by each program.
 */
#ifndef TESTS_UNIT_CACHE_FOLDER_H
#define TESTS_UNIT_CACHE_FOLDER_H

#include <ftw.h>
#include <stdatomic.h>

#include "cache/admin.h"
#include "cache/cache.h"
#include "s3/base/log.h"
#include "tests/unit/fake_s3.h"
#include "tests/unit/unit.h"

#define MIB ((uint64_t)1 << 20)
#define KIB ((uint64_t)1 << 10)
#define TTL 10000 /* milliseconds */

static char folder[64];
static struct s3 *s3;
static struct cache *cache;
static struct cache_config config;
static _Atomic int64_t now_ms;
static atomic_int changes; /* calls of the hook */

static inline int64_t
test_mono_ms(void *arg)
{
	(void)arg;
	return atomic_load(&now_ms);
}

static inline int64_t
test_wall_ns(void *arg)
{
	(void)arg;
	return (INT64_C(1700000000000) + atomic_load(&now_ms)) *
	       INT64_C(1000000);
}

static const struct clock test_clock = { .mono_ms = test_mono_ms,
	.wall_ns = test_wall_ns };

static inline void
on_changed(void *arg, uint64_t parent, const char *name, uint64_t node)
{
	(void)arg;
	(void)parent;
	(void)name;
	(void)node;
	atomic_fetch_add(&changes, 1);
}

static inline void
open_cache(void)
{
	static const struct cache_hooks hooks = { .changed = on_changed };
	char message[512];
	int r =
	    cache_open(&config, s3, &hooks, &cache, message, sizeof(message));

	if (r < 0)
		print_error("cache_open: %d %s\n", r, message);
	assert_int_equal(r, 0);
}

static inline void
close_cache(void)
{
	cache_close(cache);
	cache = NULL;
}

static inline int
set_up(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/pailfs-unit-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	log_set_level(LOG_LEVEL_ERROR);
	atomic_store(&now_ms, 1000000);
	atomic_store(&changes, 0);
	config = (struct cache_config){ .dir = folder,
		.endpoint = "http://127.0.0.1:1",
		.bucket = "b",
		.prefix = "",
		.size = 256 * MIB,
		.memory = 32 * MIB,
		.ttl_ms = TTL,
		.negative_ttl_ms = TTL,
		.timeout_s = 10,
		.attrs = CACHE_ATTRS_LIST,
		.read_only = true,
		.file_mode = 0644,
		.dir_mode = 0755,
		.clock = &test_clock };
	s3 = fake_open(&test_clock);
	open_cache();
	return 0;
}

static inline int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* Whether the test left a file open, as one that failed does: cache_close()
 * would wait for it for ever. */
static inline bool
is_in_use(void)
{
	struct cache_stats stats = { 0 };

	if (cache != NULL)
		cache_get_stats(cache, &stats);
	return stats.open_files > 0;
}

static inline int
tear_down(void **state)
{
	(void)state;
	fake_release(s3);
	if (is_in_use()) {
		print_error("a file is open: its cache stays, too\n");
		return -1;
	}
	close_cache();
	fake_close(s3);
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Each test with a cache of its own. */
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif

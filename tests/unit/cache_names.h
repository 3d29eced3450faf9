/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_names.h - a cache that may be changed, and short calls on its names.
 *
 * Role:    the fixture of cache_names_change.c and cache_rename*.c; included
 *          once by each program.  What the server honours was asked before, and
 *          is not among the requests that are counted.
 */
#ifndef TESTS_UNIT_CACHE_NAMES_H
#define TESTS_UNIT_CACHE_NAMES_H

#include "tests/unit/cache_folder.h"

#include <fcntl.h>

#include "cache/core.h"
#include "cache/db.h"
#include "cache/probe.h"
#include "cache/state.h"

#define AT(dir, name) ((struct cache_place){ (dir), (name) })

#define ROOT CACHE_ROOT

static inline int
set_up_names(void **state)
{
	int r = set_up(state);

	if (r < 0)
		return r;
	close_cache();
	config.read_only = false;
	config.write_delay_ms = 1000000;
	open_cache();
	for (int i = 0; i < PROBE_KIND_COUNT; i++) {
		if (probe_has(cache, (enum probe_kind)i, NULL) != 1)
			return -1;
	}
	fake_count_reset(s3);
	return 0;
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_names, tear_down)

static inline void
tick(void)
{
	atomic_fetch_add(&now_ms, 5);
}

static inline int
find(uint64_t dir, const char *name, struct cache_attr *ret)
{
	return cache_lookup(cache, dir, name, NULL, ret);
}

static inline struct cache_attr
get(uint64_t dir, const char *name)
{
	struct cache_attr attr = { 0 };

	assert_int_equal(find(dir, name, &attr), 0);
	return attr;
}

static inline bool
exists(uint64_t dir, const char *name)
{
	struct cache_attr attr;
	int r = find(dir, name, &attr);

	assert_true(r == 0 || r == -ENOENT);
	return r == 0;
}

/* List it, and forget what that cost. */
static inline void
list_dir(uint64_t node)
{
	struct cache_dir *d;

	assert_int_equal(cache_opendir(cache, node, NULL, &d), 0);
	cache_closedir(d);
	tick();
	fake_count_reset(s3);
}

static inline int
make(uint64_t dir, const char *name, uint32_t mode, const char *target,
    struct cache_attr *ret)
{
	const struct cache_new what = {
		.mode = mode, .uid = 7, .gid = 8, .target = target
	};

	return cache_make(cache, dir, name, &what, NULL, ret);
}

static inline uint64_t
make_dir(uint64_t dir, const char *name)
{
	struct cache_attr attr;

	assert_int_equal(make(dir, name, S_IFDIR | 0750, NULL, &attr), 0);
	tick();
	return attr.node;
}

/* A new file, written, and open still. */
static inline struct cache_file *
create(uint64_t dir, const char *name, const char *text)
{
	const struct cache_new what = { .flags = O_RDWR | O_EXCL,
		.mode = S_IFREG | 0640 };
	struct cache_file *f;
	struct cache_attr attr;

	assert_int_equal(
	    cache_create(cache, &AT(dir, name), &what, NULL, &f, &attr), 0);
	assert_int_equal(
	    cache_file_write(f, 0, text, strlen(text), false, NULL), 0);
	return f;
}

/* Likewise, and in S3. */
static inline void
create_text(uint64_t dir, const char *name, const char *text)
{
	struct cache_file *f = create(dir, name, text);

	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	tick();
}

static inline struct cache_file *
open_file(uint64_t dir, const char *name)
{
	struct cache_file *f;

	assert_int_equal(
	    cache_file_open(cache, get(dir, name).node, O_RDWR, NULL, &f), 0);
	return f;
}

/* All that is in ${f} is ${text}. */
static inline void
assert_text(struct cache_file *f, const char *text)
{
	struct cache_bytes bytes;

	assert_int_equal(cache_file_read(f, 0, 4096, NULL, &bytes), 0);
	assert_int_equal(bytes.len, strlen(text));
	assert_memory_equal(bytes.data, text, bytes.len);
	cache_bytes_put(cache, &bytes);
}

/* What S3 has under ${key} is ${text}. */
static inline void
assert_object(const char *key, const char *text)
{
	char data[256] = "";

	assert_true(fake_has(s3, key));
	assert_int_equal(fake_size(s3, key), strlen(text));
	assert_true(strlen(text) < sizeof(data));
	fake_read(s3, key, 0, data, strlen(text));
	assert_string_equal(data, text);
}

static inline void
assert_meta(const char *key, const char *name, const char *value)
{
	char *got = fake_meta_of(s3, key, name);

	assert_non_null(got);
	assert_string_equal(got, value);
	free(got);
}

static inline void
assert_type(const char *key, const char *type)
{
	char *got = fake_type_of(s3, key);

	assert_non_null(got);
	assert_string_equal(got, type);
	free(got);
}

/* The requests since the last count: these, and no others. */
struct cost {
	unsigned puts, copies, deletes, batches, heads, lists;
};

static inline void
assert_cost(struct cost cost)
{
	unsigned all = cost.puts + cost.copies + cost.deletes + cost.batches +
		       cost.heads + cost.lists;

	assert_int_equal(fake_count(s3, S3_PUT_OBJECT), cost.puts);
	assert_int_equal(fake_count(s3, S3_COPY_OBJECT), cost.copies);
	assert_int_equal(fake_count(s3, S3_DELETE_OBJECT), cost.deletes);
	assert_int_equal(fake_count(s3, S3_DELETE_OBJECTS), cost.batches);
	assert_int_equal(fake_count(s3, S3_HEAD_OBJECT), cost.heads);
	assert_int_equal(fake_count(s3, S3_LIST_OBJECTS), cost.lists);
	assert_int_equal(fake_count_all(s3), all);
	fake_count_reset(s3);
}

/* The row of an entry; the states of what is left alone. */
static inline void
assert_clean(uint64_t dir, const char *name)
{
	struct row row = { 0 };
	struct cache_attr attr = get(dir, name);

	assert_int_equal(db_row_by_id(cache->db, attr.ino, &row), 0);
	assert_int_equal(row.name_state, NAME_PRESENT);
	assert_int_equal(row.attr_state, ATTRS_CLEAN);
	assert_int_equal(row.byte_state, BYTES_CLEAN);
	row_fini(&row);
}

/* S3's ETag of no bytes, which the bucket in memory does not give. */
static inline void
set_empty_etag(const char *key)
{
	struct fake_object *o;

	pthread_mutex_lock(&s3->mutex);
	o = fake_object(&s3->bucket, key);
	assert(o != NULL);
	(void)snprintf(
	    o->etag, sizeof(o->etag), "\"d41d8cd98f00b204e9800998ecf8427e\"");
	pthread_mutex_unlock(&s3->mutex);
}

/* A count of rows, so that nothing is left behind. */
static inline uint64_t
row_count(void)
{
	uint64_t count = 0;

	assert_int_equal(cache_statfs(cache, &count), 0);
	return count;
}

#endif

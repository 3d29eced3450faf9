/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - what the scenarios of the whole cache layer share: a cache over
 * the S3 of fake_s3.h, and steps that open, read, write it.
 *
 * Role:    included once by each program tests/fault/engine_*.c.
 */
#ifndef TESTS_FAULT_ENGINE_H
#define TESTS_FAULT_ENGINE_H

#include "tests/fault/loop.h"
#include "tests/unit/cache_folder.h"

#include "cache/probe.h"

#define ROOT CACHE_ROOT
#define STEP(f)                                                                \
	{                                                                      \
#f, f                                                          \
	}
#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))
#define PIECE         ((size_t)1 << 17)
#define AT(dir, name) ((struct cache_place){ (dir), (name) })

#define want(condition)                                                        \
	do {                                                                   \
		if (!(condition))                                              \
			loop_die(                                              \
			    "%s:%d: not %s", __FILE__, __LINE__, #condition);  \
	} while (0)

static struct cache_file *file; /* the one that steps have open */

static inline void
tick(void)
{
	atomic_fetch_add(&now_ms, 5);
}

/* A folder and an empty bucket; no cache yet. */
static inline void
engine_set_up(enum cache_attrs attrs)
{
	want(set_up(NULL) == 0);
	close_cache();
	log_set_level(LOG_LEVEL_WARN);
	config.read_only = false;
	config.attrs = attrs;
	config.write_delay_ms = 1000000;
	config.timeout_s = 10;
}

/* Likewise, and it is mounted; what the server honours is known. */
static inline void
engine_mount(enum cache_attrs attrs)
{
	engine_set_up(attrs);
	open_cache();
	for (int i = 0; i < PROBE_KIND_COUNT; i++)
		want(probe_has(cache, (enum probe_kind)i, NULL) == 1);
}

static inline void
engine_tear_down(void)
{
	if (file != NULL)
		cache_file_close(file);
	if (cache != NULL)
		close_cache();
	fake_close(s3);
	want(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* ---- steps ---- */

static inline int
mount_it(void)
{
	static const struct cache_hooks hooks = { .changed = on_changed };
	char message[512];

	return cache_open(
	    &config, s3, &hooks, &cache, message, sizeof(message));
}

static inline int
unmount_it(void)
{
	if (cache != NULL)
		close_cache();
	return 0;
}

/* It says EIO of whatever is left, and has logged why. */
static inline int
drain_it(void)
{
	uint64_t left;
	int r = cache_drain(cache, NULL, &left);

	return r == -EIO && alloc_has_failed() ? -ENOMEM : r;
}

/* All gets to S3.  What had no memory on a thread that still runs is told by
 * the first try. */
static inline void
want_drained(void)
{
	want(drain_it() == 0 || drain_it() == 0);
}

static inline int
find(uint64_t dir, const char *name, struct cache_attr *ret)
{
	tick();
	return cache_lookup(cache, dir, name, NULL, ret);
}

static inline int
open_at(uint64_t dir, const char *name, int flags)
{
	struct cache_attr attr;
	int r;

	if (file != NULL)
		return 0;
	r = find(dir, name, &attr);
	return r < 0 ? r
		     : cache_file_open(cache, attr.node, flags, NULL, &file);
}

/* Make a file and have it open; or, where that came to nothing, again. */
static inline int
create_at(uint64_t dir, const char *name)
{
	const struct cache_new what = { .flags = O_RDWR,
		.mode = S_IFREG | 0640 };
	struct cache_attr attr;

	tick();
	return file != NULL ? 0
			    : cache_create(cache, &AT(dir, name), &what, NULL,
				  &file, &attr);
}

static inline int
write_at(uint64_t off, const char *text)
{
	tick();
	return cache_file_write(file, off, text, strlen(text), false, NULL);
}

static inline int
flush_it(void)
{
	tick();
	return cache_file_flush(file, NULL);
}

static inline int
close_it(void)
{
	cache_file_close(file);
	file = NULL;
	tick();
	return 0;
}

static inline int
make_at(uint64_t dir, const char *name, uint32_t mode, const char *target)
{
	const struct cache_new what = { .mode = mode, .target = target };
	struct cache_attr attr;

	tick();
	return cache_make(cache, dir, name, &what, NULL, &attr);
}

/* ---- what is there ---- */

/* Compare the open file with fake_byte(seed, ...). */
static inline int
read_seed(uint64_t size, unsigned seed)
{
	uint64_t off = 0;

	while (off < size) {
		struct cache_bytes b;
		int r = cache_file_read(file, off, PIECE, NULL, &b);

		if (r < 0)
			return r;
		want(b.len > 0 && b.len <= size - off);
		for (size_t i = 0; i < b.len; i++)
			want(((const uint8_t *)b.data)[i] ==
			     fake_byte(seed, off + i));
		off += b.len;
		cache_bytes_put(cache, &b);
	}
	return 0;
}

static inline int
read_text(const char *text)
{
	struct cache_bytes b;
	int r = cache_file_read(file, 0, 4096, NULL, &b);

	if (r < 0)
		return r;
	want(b.len == strlen(text) && memcmp(b.data, text, b.len) == 0);
	cache_bytes_put(cache, &b);
	return 0;
}

/* S3 has ${text} under ${key}. */
static inline void
want_object(const char *key, const char *text)
{
	char data[256];

	if (!fake_has(s3, key) || fake_size(s3, key) != strlen(text))
		loop_die("object '%s' is not '%s'", key, text);
	fake_read(s3, key, 0, data, strlen(text));
	if (memcmp(data, text, strlen(text)) != 0)
		loop_die("object '%s' is not '%s', but '%.*s'", key, text,
		    (int)strlen(text), data);
}

/* The tree shows ${text} as ${name}, of a mount that knows nothing but what
 * the cache folder says. */
static inline void
want_file(uint64_t dir, const char *name, const char *text)
{
	want(file == NULL);
	want(open_at(dir, name, O_RDONLY) == 0);
	want(read_text(text) == 0);
	want(close_it() == 0);
}

static inline void
want_gone(uint64_t dir, const char *name)
{
	struct cache_attr attr;

	want(find(dir, name, &attr) == -ENOENT);
}

static inline void
remount(void)
{
	if (cache != NULL)
		close_cache();
	tick();
	open_cache();
}

#endif

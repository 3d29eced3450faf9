/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_read.c - no memory while a cache folder is opened, a bucket listed
 * and files are read.
 *
 * Role:    scenarios of loop.h over the cache layer.
 */
#include "tests/fault/engine.h"

#define BIG_SIZE (UINT64_C(300) * 1000)

static void
set_up_read(void)
{
	engine_set_up(CACHE_ATTRS_POSIX);
	config.read_only = true;
	fake_put(s3, "a/big", BIG_SIZE, 1);
	fake_put_text(s3, "a/link", "b.txt");
	fake_meta(s3, "a/link", "mode", "41471");
	fake_put(s3, "a/sub/x", 10, 2);
	fake_put_text(s3, "b.txt", "hello");
	fake_meta(s3, "b.txt", "mode", "33152");
	fake_meta(s3, "b.txt", "mtime", "1700000000.123456789");
	fake_meta(s3, "b.txt", "xattr", "{\"user.a\":\"MQ==\"}");
	fake_put_text(s3, "c//odd", "x");
}

static bool
count_entry(
    void *arg, const char *name, const struct cache_attr *attr, uint64_t next)
{
	(void)name;
	(void)attr;
	(void)next;
	++*(unsigned *)arg;
	return true;
}

static int
list(uint64_t node, unsigned count)
{
	struct cache_dir *d;
	unsigned found = 0;
	int r = cache_opendir(cache, node, NULL, &d);

	if (r < 0)
		return r;
	r = cache_readdir(d, 0, count_entry, &found);
	cache_closedir(d);
	want(r < 0 || found == count);
	return r;
}

static int
list_root(void)
{
	return list(ROOT, 3);
}

static uint64_t node_a;

static int
look_up(void)
{
	struct cache_attr attr;
	int r = find(ROOT, "a", &attr);

	if (r < 0)
		return r;
	want(S_ISDIR(attr.mode));
	node_a = attr.node;
	r = find(ROOT, "no", &attr);
	want(r == -ENOENT || r == -ENOMEM);
	return r == -ENOENT ? 0 : r;
}

static int
list_a(void)
{
	return list(node_a, 3);
}

static int
get_attributes(void)
{
	struct cache_attr attr;
	int r = find(ROOT, "b.txt", &attr);

	if (r == 0)
		r = cache_getattr(cache, attr.node, NULL, NULL, &attr);
	if (r < 0)
		return r;
	want(attr.complete && attr.mode == (S_IFREG | 0600));
	want(attr.size == 5 && attr.mtime_ns % 1000000000 == 123456789);
	return 0;
}

static int
get_xattrs(void)
{
	struct buf b = BUF_INIT(4096);
	struct cache_attr attr;
	int r = find(ROOT, "b.txt", &attr);

	if (r == 0)
		r = cache_getxattr(cache, attr.node, "user.a", NULL, &b);
	want(r < 0 || (b.len == 1 && b.data[0] == '1'));
	buf_clear(&b);
	if (r == 0)
		r = cache_listxattr(cache, attr.node, NULL, &b);
	want(r < 0 || strcmp(buf_str(&b), "user.a") == 0);
	buf_fini(&b);
	return r;
}

static int
read_link(void)
{
	struct buf b = BUF_INIT(4096);
	struct cache_attr attr;
	int r = find(node_a, "link", &attr);

	if (r == 0)
		r = cache_readlink(cache, attr.node, NULL, &b);
	want(r < 0 || strcmp(buf_str(&b), "b.txt") == 0);
	buf_fini(&b);
	return r;
}

static int
read_big(void)
{
	int r = open_at(node_a, "big", O_RDONLY);

	return r < 0 ? r : read_seed(BIG_SIZE, 1);
}

static int
read_small(void)
{
	int r = open_at(ROOT, "b.txt", O_RDONLY);

	return r < 0 ? r : read_text("hello");
}

/* Another tool has written it: what is kept of it must go. */
static int
change_small(void)
{
	fake_put_text(s3, "b.txt", "other");
	atomic_fetch_add(&now_ms, 2 * TTL);
	return 0;
}

static int
read_other(void)
{
	int r = open_at(ROOT, "b.txt", O_RDONLY);

	return r < 0 ? r : read_text("other");
}

static int
open_again(void)
{
	return cache != NULL ? 0 : mount_it();
}

static void
check_read(void)
{
	want_file(ROOT, "b.txt", "other");
	want(list(ROOT, 3) == 0);
	want(look_up() == 0);
	want(read_big() == 0);
	want(close_it() == 0);
}

static const struct loop_step read_steps[] = {
	{ "open the folder", mount_it },
	STEP(list_root),
	STEP(look_up),
	STEP(list_a),
	STEP(get_attributes),
	STEP(get_xattrs),
	STEP(read_link),
	STEP(read_big),
	STEP(close_it),
	STEP(read_small),
	STEP(close_it),
	STEP(unmount_it),
	STEP(open_again),
	STEP(list_root),
	STEP(look_up),
	STEP(read_big),
	STEP(close_it),
	STEP(change_small),
	STEP(read_other),
	STEP(close_it),
};

int
main(void)
{
	loop_run(&(struct loop){ .name = "read",
	    .set_up = set_up_read,
	    .steps = read_steps,
	    .count = COUNT(read_steps),
	    .check = check_read,
	    .tear_down = engine_tear_down,
	    .of = ALLOC_OWN | ALLOC_SQLITE,
	    .own_stride = 1,
	    .lib_stride = 37 });
	return loop_end();
}

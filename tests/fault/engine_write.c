/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_write.c - no memory while files are made, changed and sent; and while
 * what an earlier mount has left is recovered.
 *
 * Role:    scenarios of loop.h over the cache layer.
 */
#include "tests/fault/engine.h"

#include "cache/writeback.h"

#define BIG_SIZE (9 * MIB) /* two parts */

/* ---- write ---- */

static void
set_up_write(void)
{
	engine_mount(CACHE_ATTRS_LIST);
	fake_put_text(s3, "old", "0123456789");
}

static int
create_new(void)
{
	return create_at(ROOT, "new");
}

static int
write_new(void)
{
	return write_at(0, "new bytes");
}

static int
open_old(void)
{
	return open_at(ROOT, "old", O_RDWR);
}

static int
write_old(void)
{
	return write_at(3, "xyz");
}

static int
append_old(void)
{
	return cache_file_write(file, 0, "+", 1, true, NULL);
}

static int
truncate_new(void)
{
	const struct cache_set set = { .what = CACHE_SET_SIZE, .size = 3 };
	struct cache_attr attr;
	int r = find(ROOT, "new", &attr);

	return r < 0 ? r
		     : cache_setattr(cache, attr.node, NULL, &set, NULL, &attr);
}

static int
set_mode(uint32_t mode)
{
	const struct cache_set set = { .what = CACHE_SET_MODE, .mode = mode };
	struct cache_attr attr;
	int r = find(ROOT, "new", &attr);

	return r < 0 ? r
		     : cache_setattr(cache, attr.node, NULL, &set, NULL, &attr);
}

static int
change_mode(void)
{
	return set_mode(0600);
}

static int
change_mode_again(void)
{
	return set_mode(0644);
}

static int
write_again(void)
{
	return write_at(0, "n");
}

static int
set_xattr(void)
{
	const struct cache_xattr what = {
		.name = "user.a", .value = "1", .len = 1
	};
	struct cache_attr attr;
	int r = find(ROOT, "new", &attr);

	return r < 0 ? r : cache_setxattr(cache, attr.node, &what, NULL);
}

static int
open_new(void)
{
	return open_at(ROOT, "new", O_RDWR);
}

static int
sync_it(void)
{
	return cache_file_sync(file, false, NULL);
}

static void
want_mode(const char *key, const char *text)
{
	char *mode = fake_meta_of(s3, key, "mode");

	if (mode == NULL || strcmp(mode, text) != 0)
		loop_die("mode of '%s' is %s, not %s", key,
		    mode == NULL ? "none" : mode, text);
	free(mode);
}

static int
check_mode_again(void)
{
	want_mode("new", "33188");
	return 0;
}

/* It is known which version S3 has: the next change is of that one. */
static void
want_etag(const char *name)
{
	struct buf b = BUF_INIT(256);
	struct cache_attr attr;
	char *etag = fake_etag(s3, name);

	want(find(ROOT, name, &attr) == 0 && etag != NULL);
	want(cache_getxattr(cache, attr.node, "user.s3.etag", NULL, &b) == 0);
	want(strcmp(buf_str(&b), etag) == 0);
	buf_fini(&b);
	free(etag);
}

static void
check_write(void)
{
	want_etag("new");
	want_etag("old");
	want_object("new", "new");
	want_object("old", "012xyz6789+");
	want_mode("new", "33152");
	remount();
	want_file(ROOT, "new", "new");
	want_file(ROOT, "old", "012xyz6789+");
}

static const struct loop_step write_steps[] = {
	STEP(create_new),
	STEP(write_new),
	STEP(flush_it),
	STEP(close_it),
	STEP(open_old),
	STEP(write_old),
	STEP(append_old),
	STEP(flush_it),
	STEP(close_it),
	STEP(truncate_new),
	STEP(change_mode),
	STEP(set_xattr),
	STEP(open_new),
	STEP(sync_it),
	STEP(change_mode_again),
	STEP(sync_it),
	STEP(check_mode_again),
	STEP(change_mode),
	STEP(write_again),
	STEP(flush_it),
	STEP(close_it),
	STEP(drain_it),
};

/* ---- a large file: parts, and copies of parts ---- */

static void
set_up_parts(void)
{
	engine_mount(CACHE_ATTRS_LIST);
	fake_put(s3, "old", BIG_SIZE, 1);
}

static uint64_t big_at;

static int
create_big(void)
{
	return create_at(ROOT, "big");
}

static int
write_big(void)
{
	static uint8_t data[PIECE];

	while (big_at < BIG_SIZE) {
		int r;

		for (size_t i = 0; i < PIECE; i++)
			data[i] = fake_byte(2, big_at + i);
		r = cache_file_write(file, big_at, data, PIECE, false, NULL);
		if (r < 0)
			return r;
		big_at += PIECE;
	}
	return 0;
}

/* The old one becomes 9 MiB of its bytes, copied by S3, and one of ours. */
static int
clone_old(void)
{
	struct cache_attr attr;
	struct cache_file *from;
	uint64_t len = 0;
	int r = create_at(ROOT, "clone");

	if (r == 0)
		r = find(ROOT, "old", &attr);
	if (r == 0)
		r = cache_file_open(cache, attr.node, O_RDONLY, NULL, &from);
	if (r < 0)
		return r;
	r = cache_file_copy(&(struct cache_span){ from, 0 },
	    &(struct cache_span){ file, 0 }, BIG_SIZE, NULL, &len);
	want(r < 0 || len == BIG_SIZE);
	cache_file_close(from);
	return r;
}

static void
want_seed(const char *key, unsigned seed, uint64_t size)
{
	static uint8_t data[PIECE];

	want(fake_size(s3, key) == size);
	for (uint64_t off = 0; off + PIECE <= size; off += PIECE) {
		fake_read(s3, key, off, data, PIECE);
		for (size_t i = 0; i < PIECE; i += 97)
			want(data[i] == fake_byte(seed, off + i));
	}
}

static void
check_parts(void)
{
	uint8_t byte;

	want_seed("big", 2, BIG_SIZE);
	want_seed("clone", 1, BIG_SIZE);
	want(fake_size(s3, "old") == BIG_SIZE + 1);
	fake_read(s3, "old", BIG_SIZE, &byte, 1);
	want(byte == '+');
	want(fake_uploads(s3) == 0);
	remount();
	want(open_at(ROOT, "big", O_RDONLY) == 0);
	want(read_seed(BIG_SIZE, 2) == 0);
}

static const struct loop_step parts_steps[] = {
	STEP(create_big),
	STEP(write_big),
	STEP(flush_it),
	STEP(close_it),
	STEP(clone_old),
	STEP(flush_it),
	STEP(close_it),
	STEP(open_old),
	STEP(append_old),
	STEP(flush_it),
	STEP(close_it),
};

/* ---- two have changed the same file ---- */

static void
set_up_conflict(void)
{
	set_up_write();
	want(open_old() == 0 && read_text("0123456789") == 0);
	want(write_old() == 0);
	fake_put_text(s3, "old", "of another");
}

/* The loser is told; where that had no memory, it is told the next time. */
static int
lose(void)
{
	int r = flush_it();

	want(r < 0);
	return r == -ESTALE ? 0 : r;
}

static void
check_conflict(void)
{
	want_object("old", "of another");
	(void)flush_it(); /* told once, and again or not */
	want(close_it() == 0);
	want_drained();
	want(fake_objects(s3, "old.conflict-") == 1);
	for (size_t i = 0; i < s3->bucket.count; i++)
		if (strncmp(s3->bucket.objects[i]->key, "old.conflict-", 13) ==
		    0)
			want_object(s3->bucket.objects[i]->key, "012xyz6789");
}

static const struct loop_step conflict_steps[] = {
	STEP(lose),
};

/* ---- what an earlier mount has left ---- */

/* A new file and a changed one that S3 refused, and a mode that was not sent
 * yet; then the mount ended, in order. */
static void
set_up_recover(void)
{
	struct cache_attr attr;
	const struct cache_set set = { .what = CACHE_SET_MODE, .mode = 0600 };

	set_up_write();
	fake_put_text(s3, "third", "3");
	want(create_new() == 0 && write_new() == 0);
	fake_fail(s3, S3_PUT_OBJECT, -EACCES, 1000);
	want(flush_it() == -EACCES && close_it() == 0);
	want(open_old() == 0 && write_old() == 0);
	want(flush_it() == -EACCES && close_it() == 0);
	want(find(ROOT, "third", &attr) == 0);
	want(cache_setattr(cache, attr.node, NULL, &set, NULL, &attr) == 0);
	close_cache();
	fake_fail(s3, S3_PUT_OBJECT, 0, 0);
	tick();
}

static void
check_recover(void)
{
	if (cache == NULL)
		open_cache();
	want_drained();
	want_object("new", "new bytes");
	want_object("old", "012xyz6789");
	want_mode("third", "33152");
	want_file(ROOT, "new", "new bytes");
	want_file(ROOT, "old", "012xyz6789");
}

static const struct loop_step recover_steps[] = {
	STEP(mount_it),
	STEP(drain_it),
};

/* Likewise, and the loop ends the mount again before anything was sent. */
static const struct loop_step remount_steps[] = {
	STEP(mount_it),
	STEP(unmount_it),
	STEP(mount_it),
};

static const struct loop loops[] = {
	{ "write", set_up_write, write_steps, COUNT(write_steps), check_write,
	    engine_tear_down, ALLOC_OWN | ALLOC_SQLITE, 1, 17 },
	{ "parts", set_up_parts, parts_steps, COUNT(parts_steps), check_parts,
	    engine_tear_down, ALLOC_OWN | ALLOC_SQLITE, 1, 17 },
	{ "conflict", set_up_conflict, conflict_steps, COUNT(conflict_steps),
	    check_conflict, engine_tear_down, ALLOC_OWN | ALLOC_SQLITE, 1, 7 },
	{ "recover", set_up_recover, recover_steps, COUNT(recover_steps),
	    check_recover, engine_tear_down, ALLOC_OWN | ALLOC_SQLITE, 1, 37 },
	{ "remount", set_up_recover, remount_steps, COUNT(remount_steps),
	    check_recover, engine_tear_down, ALLOC_OWN | ALLOC_SQLITE, 1, 61 },
};

int
main(void)
{
	for (size_t i = 0; i < COUNT(loops); i++)
		loop_run(&loops[i]);
	return loop_end();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_names.c - no memory while directories, symlinks and files are made,
 * renamed and removed.
 *
 * Role:    scenarios of loop.h over the cache layer.
 */
#include "tests/fault/engine.h"

static bool
exists(uint64_t dir, const char *name)
{
	struct cache_attr attr;
	int r = find(dir, name, &attr);

	want(r == 0 || r == -ENOENT || r == -ENOMEM);
	return r == 0;
}

static uint64_t
node_of(uint64_t dir, const char *name)
{
	struct cache_attr attr = { 0 };

	(void)find(dir, name, &attr);
	return attr.node;
}

/* Where memory failed behind S3's answer, the caller was told so, and what it
 * wanted is done: called again it finds that. */
static int
done_before(int r, int done)
{
	static bool was_told;

	if (r == done && was_told)
		return 0;
	was_told = was_told || r == -ENOMEM;
	return r;
}

/* ---- made and removed ---- */

static void
set_up_make(void)
{
	engine_mount(CACHE_ATTRS_LIST);
	fake_put_text(s3, "a", "of a");
	fake_put_text(s3, "b/x", "of x");
}

static int
make_dir(void)
{
	return done_before(make_at(ROOT, "dir", S_IFDIR | 0755, NULL), -EEXIST);
}

static int
make_link(void)
{
	return done_before(make_at(ROOT, "link", S_IFLNK | 0777, "a"), -EEXIST);
}

static int
remove_a(void)
{
	return done_before(cache_unlink(cache, ROOT, "a", NULL), -ENOENT);
}

/* The last one of an implicit directory: its marker is written first. */
static int
remove_x(void)
{
	struct cache_attr attr;
	int r = find(ROOT, "b", &attr);

	if (r == 0)
		r = cache_unlink(cache, attr.node, "x", NULL);
	return done_before(r, -ENOENT);
}

static int
remove_b(void)
{
	return done_before(cache_rmdir(cache, ROOT, "b", NULL), -ENOENT);
}

static void
check_make(void)
{
	want(fake_has(s3, "dir/") && !fake_has(s3, "a"));
	want_object("link", "a");
	want(!fake_has(s3, "b/x") && !fake_has(s3, "b/"));
	remount();
	want(exists(ROOT, "dir") && exists(ROOT, "link"));
	want_gone(ROOT, "a");
	want_gone(ROOT, "b");
}

static const struct loop_step make_steps[] = {
	STEP(make_dir),
	STEP(make_link),
	STEP(remove_a),
	STEP(remove_x),
	STEP(remove_b),
};

/* ---- renamed ---- */

static void
set_up_rename(void)
{
	set_up_make();
	fake_put_text(s3, "c", "of c");
	fake_put_text(s3, "d/1", "of 1");
	fake_put_text(s3, "d/2", "of 2");
	fake_put_text(s3, "d/e/3", "of 3");
	want(exists(ROOT, "a") && exists(ROOT, "c") && exists(ROOT, "d"));
}

static int
rename_at(const char *from, const char *to)
{
	tick();
	return done_before(
	    cache_rename(cache, &AT(ROOT, from), &AT(ROOT, to), 0, NULL),
	    -ENOENT);
}

static int
rename_a(void)
{
	return rename_at("a", "moved");
}

static int
rename_over_c(void)
{
	return rename_at("moved", "c");
}

static int
make_open(void)
{
	int r = create_at(ROOT, "open");

	return r < 0 ? r : write_at(0, "of open");
}

/* Nothing of it is in S3 yet. */
static int
rename_open(void)
{
	return rename_at("open", "open2");
}

static int
rename_dir(void)
{
	return rename_at("d", "f");
}

static void
check_rename(void)
{
	uint64_t f;

	want_object("c", "of a");
	want_object("open2", "of open");
	want_object("f/1", "of 1");
	want_object("f/2", "of 2");
	want_object("f/e/3", "of 3");
	want(!fake_has(s3, "a") && !fake_has(s3, "moved"));
	want(!fake_has(s3, "open") && fake_objects(s3, "d/") == 0);
	remount();
	want_file(ROOT, "c", "of a");
	want_file(ROOT, "open2", "of open");
	f = node_of(ROOT, "f");
	want_file(f, "1", "of 1");
	want_file(node_of(f, "e"), "3", "of 3");
	want_gone(ROOT, "a");
	want_gone(ROOT, "d");
	want_gone(ROOT, "open");
}

static const struct loop_step rename_steps[] = {
	STEP(rename_a),
	STEP(rename_over_c),
	STEP(make_open),
	STEP(rename_open),
	STEP(flush_it),
	STEP(close_it),
	STEP(rename_dir),
	STEP(drain_it),
};

static const struct loop loops[] = {
	{ "make", set_up_make, make_steps, COUNT(make_steps), check_make,
	    engine_tear_down, ALLOC_OWN | ALLOC_SQLITE, 1, 17 },
	{ "rename", set_up_rename, rename_steps, COUNT(rename_steps),
	    check_rename, engine_tear_down, ALLOC_OWN | ALLOC_SQLITE, 1, 17 },
};

int
main(void)
{
	for (size_t i = 0; i < COUNT(loops); i++)
		loop_run(&loops[i]);
	return loop_end();
}

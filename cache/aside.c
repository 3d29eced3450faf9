/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aside.c - the names of what is kept beside a file: made, read, listed.
 */
#include "cache/aside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache/admin.h"
#include "cache/core.h"
#include "cache/db.h"
#include "cache/state.h"
#include "cache/view.h"
#include "s3/base/buf.h"

/* Rows that are looked at in one go: the database is free in between. */
#define WINDOW 20000

static const char *const kinds[] = { ASIDE_CONFLICT, ASIDE_PARTIAL,
	ASIDE_UNFINISHED };

/* ---- names ---- */

/* The length of what of ${name} fits ${max} bytes, without half a character
 * of UTF-8. */
static size_t
stem_len(const char *name, size_t max)
{
	size_t len = strlen(name);

	if (len <= max)
		return len;
	len = max;
	while (len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80)
		len--;
	return len;
}

int
aside_make(const char *name, const char *what, const char *host,
    int64_t wall_ns, struct buf *ret)
{
	time_t seconds = (time_t)(wall_ns / 1000000000);
	char tail[CACHE_NAME_MAX], when[ASIDE_TIME_LEN + 1];
	struct tm tm;
	int n;

	if (gmtime_r(&seconds, &tm) == NULL ||
	    strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm) == 0)
		return -EINVAL;
	n = snprintf(tail, sizeof(tail), ".%s-%.*s-%s", what, ASIDE_HOST_MAX,
	    host, when);
	if (n < 0 || (size_t)n >= sizeof(tail))
		return -ENAMETOOLONG;
	n = (int)stem_len(name, CACHE_NAME_MAX - (size_t)n);
	return buf_printf(ret, "%.*s%s", n, name, tail);
}

void
aside_host(char ret[ASIDE_HOST_MAX + 1])
{
	if (gethostname(ret, ASIDE_HOST_MAX + 1) < 0)
		(void)strcpy(ret, "unknown");
	ret[ASIDE_HOST_MAX] = '\0';
}

static bool
is_time(const char *text)
{
	static const char pattern[] = "00000000T000000Z";

	for (size_t i = 0; i < ASIDE_TIME_LEN; i++) {
		bool fits = pattern[i] == '0' ? text[i] >= '0' && text[i] <= '9'
					      : text[i] == pattern[i];
		if (!fits)
			return false;
	}
	return true;
}

/* The last ".WHAT-" in the first ${len} bytes of ${name}. */
static const char *
find_tail(const char *name, size_t len, const char *what)
{
	const size_t what_len = strlen(what);

	for (size_t at = len; at-- > 0;) {
		if (name[at] == '.' && at + what_len + 2 <= len &&
		    memcmp(name + at + 1, what, what_len) == 0 &&
		    name[at + what_len + 1] == '-')
			return name + at;
	}
	return NULL;
}

bool
aside_parse(const char *name, struct aside_name *ret)
{
	size_t len = strlen(name), end;
	const char *tail = NULL;

	if (len <= ASIDE_TIME_LEN + 1)
		return false;
	end = len - ASIDE_TIME_LEN - 1; /* where "-TIME" begins */
	if (name[end] != '-' || !is_time(name + end + 1))
		return false;
	*ret = (struct aside_name){ .time = name + end + 1,
		.is_shortened = len + 4 > CACHE_NAME_MAX };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *at = find_tail(name, end, kinds[i]);

		if (at != NULL && at > tail) {
			tail = at;
			ret->what = kinds[i];
		}
	}
	if (tail == NULL)
		return false;
	ret->stem_len = (size_t)(tail - name);
	ret->host = tail + strlen(ret->what) + 2;
	ret->host_len = (size_t)(name + end - ret->host);
	return ret->stem_len > 0 && ret->host_len > 0;
}

/* ---- list ---- */

struct walk {
	struct cache *cache;
	cache_aside_fn *fn;
	void *arg;
	unsigned left; /* how many may be told still */
	bool is_over;  /* the callback wants no more */
	int err;
};

/* A row whose name looks like one.  The database's lock is held. */
static bool
tell(void *arg, const struct row *row)
{
	struct buf path = BUF_INIT(S3_KEY_MAX), original = BUF_INIT(S3_KEY_MAX);
	struct walk *w = arg;
	struct aside_name name;
	struct cache_aside one = { .id = row->id, .size = row->size };

	if (row->kind == ROW_DIR || !view_is_visible(row) ||
	    !aside_parse(row->name, &name))
		return true;
	w->err = view_prefix(w->cache, row->parent, &path);
	if (w->err == 0)
		w->err = buf_add(&original, path.data, path.len);
	if (w->err == 0)
		w->err = buf_add(&original, row->name, name.stem_len);
	if (w->err == 0)
		w->err = buf_add_str(&path, row->name);
	if (w->err == 0) {
		const size_t skip = strlen(w->cache->config.prefix);

		one.path = buf_str(&path) + skip;
		one.original =
		    name.is_shortened ? NULL : buf_str(&original) + skip;
		one.what = name.what;
		one.host = name.host;
		one.host_len = name.host_len;
		one.time = name.time;
		one.is_sent = row->byte_state == BYTES_CLEAN;
		w->is_over = !w->fn(w->arg, &one);
		w->left--;
	}
	buf_fini(&path);
	buf_fini(&original);
	if (w->err == -ESTALE) /* its directory just went */
		w->err = 0;
	return w->left > 0 && !w->is_over && w->err == 0;
}

int
cache_aside_list(struct cache *c, uint64_t after, unsigned max,
    cache_aside_fn *fn, void *arg)
{
	struct walk w = { .cache = c, .fn = fn, .arg = arg, .left = max };
	uint64_t end = 0;
	int r;

	do {
		r = db_row_window(c->db, after, WINDOW, &end);
		if (r == 0 && end > after)
			r = db_rows_aside(c->db, after, end, tell, &w);
		if (r == 0)
			r = w.err;
		after = end;
	} while (r == 0 && end != 0 && w.left > 0 && !w.is_over);
	return r;
}

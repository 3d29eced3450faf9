/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.c - what pailctl status says of a mount, as JSON.
 */
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache/admin.h"
#include "fs/delivery.h"
#include "fs/drain.h"
#include "fs/mountinfo.h"
#include "fs/session.h"
#include "fs/settings.h"
#include "fs/status.h"

/* The numbers of the cache, as they are named for programs. */
static const struct {
	const char *name;
	size_t offset; /* of a uint64_t in struct cache_stats */
} numbers[] = {
	{ "used", offsetof(struct cache_stats, used) },
	{ "size", offsetof(struct cache_stats, size) },
	{ "entries", offsetof(struct cache_stats, entries) },
	{ "open_files", offsetof(struct cache_stats, open_files) },
	{ "in_memory", offsetof(struct cache_stats, in_memory) },
	{ "read_bytes", offsetof(struct cache_stats, read_bytes) },
	{ "hit_bytes", offsetof(struct cache_stats, hit_bytes) },
	{ "fetched_bytes", offsetof(struct cache_stats, fetched_bytes) },
	{ "evicted_bytes", offsetof(struct cache_stats, evicted_bytes) },
	{ "checked_blocks", offsetof(struct cache_stats, checked_blocks) },
	{ "bad_blocks", offsetof(struct cache_stats, bad_blocks) },
	{ "odd_keys", offsetof(struct cache_stats, odd_keys) },
	{ "dirty_bytes", offsetof(struct cache_stats, dirty_bytes) },
	{ "dirty_files", offsetof(struct cache_stats, dirty_files) },
	{ "uploads", offsetof(struct cache_stats, uploads) },
	{ "failed_files", offsetof(struct cache_stats, failed_files) },
	{ "oldest_s", offsetof(struct cache_stats, oldest_s) },
	{ "away_s", offsetof(struct cache_stats, away_s) },
	{ "dirty_attrs", offsetof(struct cache_stats, dirty_attrs) },
	{ "conflicts", offsetof(struct cache_stats, conflicts) },
	{ "owed_creates", offsetof(struct cache_stats, owed_creates) },
	{ "owed_deletes", offsetof(struct cache_stats, owed_deletes) },
	{ "owed_renames", offsetof(struct cache_stats, owed_renames) },
	{ "failed_names", offsetof(struct cache_stats, failed_names) },
	{ "names_back", offsetof(struct cache_stats, names_back) },
};

static json_t *
cache_json(struct cache *c, const char *dir)
{
	json_t *all = json_pack("{s:s}", "dir", dir);
	struct cache_stats st;
	int r = all == NULL ? -1 : 0;

	cache_get_stats(c, &st);
	for (size_t i = 0; r == 0 && i < sizeof(numbers) / sizeof(numbers[0]);
	     i++) {
		uint64_t n;

		memcpy(&n, (const char *)&st + numbers[i].offset, sizeof(n));
		r = json_object_set_new(
		    all, numbers[i].name, json_integer((json_int_t)n));
	}
	if (r == 0)
		return all;
	json_decref(all);
	return NULL;
}

/* A path below the mount: as text, and quoted as keys are. */
static json_t *
path_json(const char *path)
{
	return path == NULL ? json_null()
			    : delivery_key_json(path, strlen(path));
}

static bool
add_renaming(void *arg, const struct cache_renaming *it)
{
	json_t *one = json_pack("{s:o, s:o, s:s, s:I, s:I, s:I}", "from",
	    path_json(it->from), "to", path_json(it->to), "stage", it->stage,
	    "total", (json_int_t)it->all, "copied", (json_int_t)it->copied,
	    "deleted", (json_int_t)it->deleted);

	return json_array_append_new(arg, one) == 0;
}

static json_t *
renames_json(struct cache *c)
{
	json_t *list = json_array();

	cache_renames_list(c, add_renaming, list);
	return list;
}

/* The daemon's answer stays short: more of them are only counted. */
static bool
add_sending(void *arg, const struct cache_sending *it)
{
	json_t *one = path_json(it->path);
	json_t *more =
	    json_pack("{s:I, s:I, s:I}", "size", (json_int_t)it->size, "sent",
		(json_int_t)it->sent, "age_s", (json_int_t)it->age_s);
	int r = json_object_update(one, more);

	json_decref(more);
	if (r < 0) {
		json_decref(one);
		return false;
	}
	return json_array_append_new(arg, one) == 0 &&
	       json_array_size(arg) < STATUS_SENDING_MAX;
}

static json_t *
sending_json(struct cache *c)
{
	json_t *list = json_array();

	cache_sending_list(c, add_sending, list);
	return list;
}

/* NULL where there is none: pack's "s?" makes it null. */
json_t *
status_json(const struct status *st)
{
	const struct options *o = st->options;
	struct mountinfo info;
	bool is_ro = o->ro || (mountinfo_find(o->mountpoint, &info) == 0 &&
				  info.is_read_only);

	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:s?, s:s, s:s, s:b, s:I,"
			 " s:I, s:o, s:o, s:o}",
	    "state", "mounted", "pid", (int)getpid(), "version", PAILFS_VERSION,
	    "bucket", o->bucket, "prefix", o->prefix, "endpoint", o->endpoint,
	    "region", st->region, "mountpoint", o->mountpoint, "read_only",
	    is_ro ? 1 : 0, "uptime_s", (json_int_t)(time(NULL) - st->since_s),
	    "kernel_inodes", (json_int_t)inodes_count(&st->session->inodes),
	    "renames", renames_json(st->cache), "sending",
	    sending_json(st->cache), "cache", cache_json(st->cache, o->cache));
}

json_t *
status_drain(const struct drain_state *state)
{
	return json_pack("{s:b, s:I, s:I, s:I}", "draining",
	    state->is_running ? 1 : 0, "files", (json_int_t)state->files,
	    "bytes", (json_int_t)state->bytes, "attrs",
	    (json_int_t)state->attrs);
}

static bool
add_odd(void *arg, const char *key, const char *reason)
{
	json_t *one = delivery_key_json(key, strlen(key));

	if (one != NULL &&
	    json_object_set_new(one, "reason", json_string(reason)) < 0) {
		json_decref(one);
		return false;
	}
	return json_array_append_new(arg, one) == 0;
}

/* ${list}, which was filled with result ${r}; NULL: it was not. */
static json_t *
filled(json_t *list, int r)
{
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

json_t *
status_odd(struct cache *c, uint64_t from)
{
	json_t *list = json_array();

	return filled(
	    list, cache_odd_list(c, from, STATUS_ODD_MAX, add_odd, list));
}

static bool
add_aside(void *arg, const struct cache_aside *it)
{
	json_t *one = json_pack("{s:I, s:o, s:o, s:s, s:s%, s:s%, s:I, s:b}",
	    "number", (json_int_t)it->id, "file", path_json(it->path), "of",
	    path_json(it->original), "what", it->what, "host", it->host,
	    it->host_len, "time", it->time, (size_t)16, "size",
	    (json_int_t)it->size, "sent", it->is_sent ? 1 : 0);

	return json_array_append_new(arg, one) == 0;
}

json_t *
status_conflicts(struct cache *c, uint64_t from)
{
	json_t *list = json_array();

	return filled(
	    list, cache_aside_list(c, from, STATUS_ASIDE_MAX, add_aside, list));
}

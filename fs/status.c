/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.c - what pailctl status says of a mount, as JSON.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/delivery.h"
#include "fs/session.h"
#include "fs/settings.h"
#include "fs/status.h"

/* NULL where there is none: pack's "s?" makes it null. */
static json_t *
cache_json(struct cache *c, const char *dir)
{
	struct cache_stats st;

	cache_get_stats(c, &st);
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I,"
			 " s:I, s:I, s:I, s:I}",
	    "dir", dir, "used", (json_int_t)st.used, "size",
	    (json_int_t)st.size, "entries", (json_int_t)st.entries,
	    "open_files", (json_int_t)st.open_files, "in_memory",
	    (json_int_t)st.in_memory, "read_bytes", (json_int_t)st.read_bytes,
	    "hit_bytes", (json_int_t)st.hit_bytes, "fetched_bytes",
	    (json_int_t)st.fetched_bytes, "evicted_bytes",
	    (json_int_t)st.evicted_bytes, "bad_blocks",
	    (json_int_t)st.bad_blocks, "odd_keys", (json_int_t)st.odd_keys,
	    "dirty_bytes", (json_int_t)st.dirty_bytes, "dirty_files",
	    (json_int_t)st.dirty_files);
}

json_t *
status_json(const struct status *st)
{
	const struct options *o = st->options;

	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:s?, s:s, s:s, s:b, s:I,"
			 " s:I, s:o}",
	    "state", "mounted", "pid", (int)getpid(), "version", PAILFS_VERSION,
	    "bucket", o->bucket, "prefix", o->prefix, "endpoint", o->endpoint,
	    "region", st->region, "mountpoint", o->mountpoint, "read_only",
	    o->ro ? 1 : 0, "uptime_s", (json_int_t)(time(NULL) - st->since_s),
	    "kernel_inodes", (json_int_t)inodes_count(&st->session->inodes),
	    "cache", cache_json(st->cache, o->cache));
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

json_t *
status_odd(struct cache *c, uint64_t from)
{
	json_t *list = json_array();

	if (list != NULL &&
	    cache_odd_list(c, from, STATUS_ODD_MAX, add_odd, list) < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin.h - the façade of the layer for a person: what is cached, owed and on
 * its way, and what may be done about it.
 *
 * The daemon's control socket (fs/control.c) asks these for pailctl; programs
 * on the mount need none of them.  Threads, locks and errors are as cache.h
 * says.
 */
#ifndef CACHE_ADMIN_H
#define CACHE_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/cache.h"

/* Counters and levels, for people and for tests. */
struct cache_stats {
	uint64_t used;    /* bytes under the folder */
	uint64_t size;    /* config.size */
	uint64_t entries; /* rows of the tree */
	uint64_t open_files;
	uint64_t in_memory;     /* entry versions in memory */
	uint64_t read_bytes;    /* given to readers */
	uint64_t hit_bytes;     /* of them, were local */
	uint64_t fetched_bytes; /* from S3 into chunk files */
	uint64_t evicted_bytes;
	uint64_t bad_blocks;     /* CRC mismatches found (and fetched anew) */
	uint64_t checked_blocks; /* compared with their CRC */
	uint64_t odd_keys;       /* keys that have no path */
	uint64_t dirty_bytes;    /* here, and not in S3 */
	uint64_t dirty_files;    /* they belong to, or that are new and empty */
	uint64_t uploads;        /* of them, on their way now */
	uint64_t failed_files;   /* of them, refused: tried again */
	uint64_t oldest_s;       /* age of the oldest of these changes */
	uint64_t dirty_attrs;    /* files and directories; to be sent soon */
	uint64_t away_s;         /* so long S3 has not answered; 0: it does */
	uint64_t conflicts;    /* losers kept beside the winner, since mount */
	uint64_t owed_creates; /* names that S3 is to be told of: made, */
	uint64_t owed_deletes; /* removed (and what renames leave), */
	uint64_t owed_renames; /* renamed */
	uint64_t failed_names; /* of them, refused: tried again */
	uint64_t names_back;   /* refused for good, since mount: as before */
};

void cache_get_stats(struct cache *c, struct cache_stats *ret);

/* ---- what there is ---- */

/* Called for each key that has no path; false: stop. */
typedef bool cache_odd_fn(void *arg, const char *key, const char *reason);

/* At most ${max} of them, by key, after the first ${from}. */
int cache_odd_list(
    struct cache *c, uint64_t from, unsigned max, cache_odd_fn *fn, void *arg);

/* A file that is kept beside another: the loser of a conflict, or what was not
 * finished.  Its texts are
 * valid during the call. */
struct cache_aside {
	uint64_t id;          /* to go on after it */
	const char *path;     /* below the mount */
	const char *original; /* likewise; NULL: it was shortened */
	const char *what;     /* "conflict"; "partial": bytes are missing;
				 "unfinished": of a run that was killed */
	const char *host;     /* that wrote it, ${host_len} bytes */
	size_t host_len;
	const char *time; /* 16 bytes, as 20261121T070809Z */
	uint64_t size;    /* bytes */
	bool is_sent;     /* S3 has it */
};

/* Called for each; false: stop.  It may not call this layer. */
typedef bool cache_aside_fn(void *arg, const struct cache_aside *one);

/* At most ${max} of those that are known, also of other mounts, by id, after
 * ${after} (0: from the start). */
int cache_aside_list(struct cache *c, uint64_t after, unsigned max,
    cache_aside_fn *fn, void *arg);

/* A directory that is being renamed; its texts are valid during the call. */
struct cache_renaming {
	const char *from; /* path below the mount */
	const char *to;
	const char *stage; /* "copying", "deleting" (of what was copied),
			      "undoing" */
	uint64_t all;      /* objects that are known of */
	uint64_t copied;
	uint64_t deleted; /* under their old names */
};

/* Called for each; false: stop.  It may not call this layer. */
typedef bool cache_renaming_fn(void *arg, const struct cache_renaming *one);

void cache_renames_list(struct cache *c, cache_renaming_fn *fn, void *arg);

/* A file that is on its way to S3; its text is valid during the call. */
struct cache_sending {
	const char *path; /* below the mount */
	uint64_t size;    /* bytes */
	uint64_t sent;    /* of them; if they go in one request: 0 */
	uint64_t age_s;   /* of the first that is not sent */
};
typedef bool cache_sending_fn(void *arg, const struct cache_sending *one);
void cache_sending_list(struct cache *c, cache_sending_fn *fn, void *arg);

/* ---- keys, past the tree: for those that have no path ---- */

/* The next bytes of an object, on the caller's thread.
 * Returns: 0, or -errno: the call ends with it. */
typedef int cache_key_bytes_fn(void *arg, const void *data, size_t len);

/* A key, ${key_len} bytes and a '\0', and the size of its object.
 * Returns: as above. */
typedef int cache_key_line_fn(
    void *arg, const char *key, size_t key_len, uint64_t size);

/* A multipart upload that is open; its texts are valid during the call. */
struct cache_upload {
	const char *key;
	const char *upload_id;
	int64_t made_ns; /* wall clock of S3: when it was begun */
	bool is_ours;    /* of this mount, or one before of its cache folder */
};

/* Returns: as above. */
typedef int cache_upload_fn(void *arg, const struct cache_upload *one);

/* Something that a person is to know; its texts are valid during the call. */
struct cache_note {
	const char *path; /* below the mount; NULL: of no file */
	const char *what; /* a word, for programs */
	const char *text; /* why, or what is wrong */
	bool is_mended;
};

/* What is on its way still: of bytes, but for parts that S3 has.  Of
 * cache_warm(): what is here. */
struct cache_left {
	uint64_t files, bytes, names, attrs;
};

typedef int cache_note_fn(void *arg, const struct cache_note *one);
typedef int cache_left_fn(void *arg, const struct cache_left *left);

/* What is asked of S3; all borrowed. */
struct cache_key_call {
	const char *key; /* as S3 knows it: it begins with config.prefix */
	cache_key_bytes_fn *bytes;
	cache_key_line_fn *line;
	cache_upload_fn *upload;
	cache_note_fn *note;
	cache_left_fn *left;
	void *arg;
	bool repair;       /* of cache_check() */
	uint64_t found;    /* result: how many notes tell of harm, */
	uint64_t mended;   /* and how many were mended */
	char message[256]; /* why it failed, for a person; may be "" */
};

/**
 * cache_key_get(c, call, w):
 * Give the bytes that S3 has under ${call->key} to ${call->bytes}, in order,
 * all of one version, in memory for some MiB of them.  Nothing is cached.
 * Returns: 0; -ENOENT no such key; -EPERM not below config.prefix; -ESTALE it
 *     changed meanwhile; what ${call->bytes} returned; -EIO ...
 */
int cache_key_get(
    struct cache *c, struct cache_key_call *call, struct waiter *w);

/**
 * cache_key_list(c, call, w):
 * Give each key of S3 that begins with ${call->key} to ${call->line}.
 * Returns: as above, but never -ENOENT for a key.
 */
int cache_key_list(
    struct cache *c, struct cache_key_call *call, struct waiter *w);

/**
 * cache_uploads_list(c, call, w):
 * Give each multipart upload that is open below config.prefix, of whomever, to
 * ${call->upload}; there is no ${call->key}.
 * Returns: as above.
 */
int cache_uploads_list(
    struct cache *c, struct cache_key_call *call, struct waiter *w);

/* ---- parts of the tree: key is a path below the mount, "" is all ---- */

/* Send what is not in S3, also of files that are open, and wait; ${call->left}
 * is told now and then, ${call->note} what does not get through: it is found.
 * Returns: 0; -ENOENT; -EINTR; what the callbacks returned; ... */
int cache_send_all(
    struct cache *c, struct cache_key_call *call, struct waiter *w);

/* Forget what S3 has: bytes, attributes, listings; or, if it has not all,
 * nothing: what is not there is found.  Returns: 0; -ENOENT; ... */
int cache_drop(struct cache *c, struct cache_key_call *call, struct waiter *w);

/* Fetch what is not here: listings, attributes, bytes; until there is no room
 * but that of what it fetched.  ${call->left} is told now and then, and in the
 * end, how much is here; ${call->note} what is not to be had ("file", "name"),
 * or has no room ("full"; the last): it is found.  Returns: 0; -ENOENT; ... */
int cache_warm(struct cache *c, struct cache_key_call *call, struct waiter *w);

/* Remove bytes that S3 has and nobody reads just now; all else stays, and is
 * believed.  Returns: likewise. */
int cache_evict(struct cache *c, struct cache_key_call *call, struct waiter *w);

/* Compare database, chunk files and bucket; call->repair: mend what loses
 * nothing.  Of a folder that is not mounted: without the bucket.  -EBUSY ... */
int cache_check(struct cache *c, struct cache_key_call *call, struct waiter *w);
int cache_check_folder(const char *dir, struct cache_key_call *call);

#endif

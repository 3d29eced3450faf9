/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name.h - what all changes of names are made of: keys, one request that is
 * settled, and one step of a row.
 *
 * A request that is lost (no answer came, or an earlier try got none) is
 * settled here by a HEAD: what these return is what happened, as far as that
 * could be found out.
 *
 * Order: a key is marked busy (keylock.h); then, in the transaction that says
 * in the row what is about to be sent, the row is compared with what the key
 * was made of.  So whoever moves rows (rename_dir.c) sees either the state, and
 * waits for the key, or has moved the row before, and this one is told -ESTALE.
 */
#ifndef CACHE_NAME_H
#define CACHE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/db.h"
#include "cache/state.h"

/* Opaque types. */
struct cache;
struct change;
struct copy;
struct copy_result;
struct waiter;

/**
 * name_check_new(c, name):
 * Whether an entry may be made of that name, or get it: S3's keys are UTF-8.
 * What is not is told in the log, too.
 * Returns: 0; -EILSEQ; -EROFS.
 */
int name_check_new(struct cache *c, const char *name);

/* The directory ${node}, which is to be changed: -EROFS; -ENOENT it is gone;
 * -ENOTDIR. */
int name_dir(struct cache *c, uint64_t node, struct row *ret);

/**
 * name_key(c, dir, name, is_dir, ret):
 * The key of a new ${name} in ${dir}.  Memory: ${*ret} is owned.
 * Returns: 0; -ENAMETOOLONG the name or the key; -EINVAL it has no key.
 */
int name_key(struct cache *c, const struct row *dir, const char *name,
    bool is_dir, char **ret);

/* The key of ${row} by its name, as it is now; likewise. */
int name_key_of(struct cache *c, const struct row *row, char **ret);

/* An entry came or went: times of directory ${id}, locally. */
void name_touch(struct cache *c, uint64_t id);

/* Whether the times of ${now} are others than those of ${sent} only since an
 * entry came or went: those are not sent.  (Who sets mtime leaves another time
 * in ctime.) */
bool name_is_touched(const struct row *now, const struct row *sent);

/* How many entries directory ${id} shows besides ${but} (an id; 0: none); at
 * most one is counted. */
int name_count(struct cache *c, uint64_t id, uint64_t but);

/* Whether a name below directory ${id} is owed to S3 still. */
bool name_is_owed_below(struct cache *c, uint64_t id);

/* List directory ${row} if that is due: -ENOTEMPTY if it has entries. */
int name_check_empty(struct cache *c, const struct row *row, struct waiter *w);

/**
 * name_reread(c, row, key, ret):
 * ${row} again, once its ${key} is busy: the row as it is.
 * Returns: 0; -ESTALE it is gone, hidden, another version or elsewhere.
 */
int name_reread(
    struct cache *c, const struct row *row, const char *key, struct row *ret);

/* Whether the name that ${row} had has another key than ${key} by now (NULL:
 * it was not made): a directory above it was renamed. */
bool name_has_moved(struct cache *c, const struct row *row, const char *key);

/**
 * name_begin(c, row, key, ret):
 * change_begin() of ${row}, compared as in name_reread(): -ESTALE.
 */
int name_begin(struct cache *c, const struct row *row, const char *key,
    struct change *ret);

/* The file of ${ch}, which lost its name to another's, gets one beside it.
 * Returns: 0; -errno. */
int name_take_aside(struct change *ch);

/* A change of one row that is one event of its name. */
int name_event(struct cache *c, uint64_t id, enum state_name_event e);

/* S3 had it otherwise than row ${id}, or the version ${node}, says: it is
 * believed no longer.  What is asked for from now on, in this very millisecond
 * too, counts; what was asked for before does not, and removes nothing. */
int name_doubt(struct cache *c, uint64_t id);
int name_doubt_node(struct cache *c, uint64_t node);

/* There may be a ${name} in directory ${dir}, though none was seen: it is asked
 * for when it is wanted, and so are others that have no row.  Locks: none. */
int name_doubt_absent(struct cache *c, uint64_t dir, const char *name);

/* The attributes of ${sent} went along with a request that S3 acknowledged:
 * FOLD and its end, for the row as it is now. */
void name_folded(struct change *ch, const struct row *sent);

/* ---- one request, settled ---- */

/* What S3 has under the key of an entry. */
struct name_base {
	bool is_there;   /* anything */
	bool is_version; /* it is of this entry, not of who had its name */
	bool is_unsure;  /* it may be newer than the row says */
	char *etag;      /* owned; NULL: none, or the server gives none */
};

void name_base_fini(struct name_base *base);

/* The ETag of no bytes, as S3 gives it unless a KMS key encrypts them. */
#define NAME_EMPTY_ETAG "\"d41d8cd98f00b204e9800998ecf8427e\""

/**
 * name_base(c, row, key, ret):
 * What S3 has of ${row}: as the row says, or, if a request of ours was never
 * settled, as a HEAD says.  Memory: ${ret} is owned: name_base_fini().
 * Returns: 0; -ESTALE it is somebody else's; -errno.
 */
int name_base(struct cache *c, const struct row *row, const char *key,
    struct name_base *ret);

/* What a PUT made; strings are owned: name_made_fini(). */
struct name_made {
	bool was_sent;  /* to be set: an earlier try may have been done */
	bool is_unsure; /* it failed, but may have been done */
	char *etag;
	char *version_id;
	int64_t sent_ms; /* cache clock */
};

void name_made_fini(struct name_made *made);

/**
 * name_put(c, row, key, body, w, ret):
 * PUT what must not be there yet, or replace what has the ETag of ${row} (of
 * which nothing is there): its headers with its token, ${body} (NULL: none).
 * Returns: 0; -EEXIST something (else) is there; -ENOENT what was to be
 *     replaced is not; -errno.
 */
int name_put(struct cache *c, const struct row *row, const char *key,
    const char *body, struct waiter *w, struct name_made *ret);

/**
 * name_delete(c, key, etag, w):
 * DELETE, on condition of ${etag} (NULL: none).
 * Returns: 0 it is gone; -ESTALE there is another; -errno.
 */
int name_delete(
    struct cache *c, const char *key, const char *etag, struct waiter *w);

/* Whether ${key} is there, with ${etag} (NULL: any), as a HEAD says: 1; 0;
 * -ESTALE there is another; -errno: not known. */
int name_is_there(struct cache *c, const char *key, const char *etag);

/* What a HEAD of ${key} says; texts are owned: name_look_fini().  -ENOENT. */
struct name_look {
	char *etag;
	char *token; /* NULL: none */
	uint64_t size;
};

int name_look(struct cache *c, const char *key, struct name_look *ret);
void name_look_fini(struct name_look *look);

/* DELETE the marker ${key} of a directory, if it is one: -ENOTEMPTY if it
 * holds data (pailctl odd has it). */
int name_delete_marker(struct cache *c, const char *key, struct waiter *w);

/* copy_run(), with a HEAD before where parts need headers to go along; what
 * fails is said in the log, if it is worth it. */
int name_copy(struct cache *c, const struct copy *what, struct waiter *w,
    struct copy_result *ret);

#endif

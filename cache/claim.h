/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claim.h - what is owed to S3 under a key goes before what comes after it.
 *
 * Under one key an earlier name may be owed a DELETE still.  Who is to send
 * something there
 *
 *	claim_clear(...);	lets what must be over first be carried out,
 *	keylock_take(...);
 *	claim_take(...);	and takes the place of what was not sent: no
 *				DELETE follows, the request replaces the object
 *				on condition of its ETag.
 */
#ifndef CACHE_CLAIM_H
#define CACHE_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct entry;
struct intent;
struct row;
struct waiter;

/**
 * claim_clear(c, key, id, w):
 * Before ${key} is marked busy for row ${id}, and none is: carry out what of it
 * cannot be replaced; all of it, where ${id} is 0.
 * Returns: 0; -errno: not now.
 */
int claim_clear(
    struct cache *c, const char *key, uint64_t id, struct waiter *w);

/**
 * claim_clear_kind(c, dir, name, is_dir, w):
 * Before ${name} in ${dir} is made, or something renamed to it: a DELETE that
 * is owed for what had the name and was of the other kind, directory or not, is
 * carried out, if S3 answers.  Its key is another; but servers that keep
 * objects as files have no `a' beside `a/', and refuse the one until then.
 * Returns: 0; 1: something was carried out, rows are others now; -EINTR.
 */
int claim_clear_kind(struct cache *c, const struct row *dir, const char *name,
    bool is_dir, struct waiter *w);

/* Whether the DELETE of ${it} is to wait for a COPY from there: 1; 0. */
int claim_is_blocked(struct cache *c, const struct intent *it);

/**
 * claim_find(c, key, id, ret, ret_entry):
 * ${key} is busy: the file whose DELETE is owed there and which row ${id}
 * replaces.  If it is open it is kept (keep.h).
 * Memory:  ${ret} is owned: row_fini(); ${*ret_entry}: keep_end().
 * Returns: 1; 0: none; -EAGAIN: look again with claim_clear(); -errno.
 */
int claim_find(struct cache *c, const char *key, uint64_t id, struct row *ret,
    struct entry **ret_entry);

/* Within a transaction: ${old} is replaced.  After it, with what came of it:
 * claim_over(). */
int claim_replace(struct cache *c, const struct row *old);
void claim_over(struct cache *c, const struct row *old, int r);

/* ${key} is busy: the new row ${id} takes the place of what is owed a DELETE
 * there.  1: it did; 0: there is none; -EAGAIN; -errno. */
int claim_take(struct cache *c, const char *key, uint64_t id);

/* The same two steps for the bytes of ${e}, before and after its key is busy.
 * The first also lets it get its new key, if it is owed a rename. */
int claim_clear_file(struct entry *e);
int claim_take_file(struct entry *e, const char *key);

/* All that is owed for directory ${id} and below it is carried out; what a
 * file is to replace that is not written yet, is its base from then on. */
int claim_settle_dir(struct cache *c, uint64_t id, struct waiter *w);

/**
 * claim_lookup(c, dir, name, w, ret):
 * lookup_name(), for who changes it: what of it was sent and not answered is
 * settled; where ${is_all}, all that is owed for it is carried out.
 */
int claim_lookup(struct cache *c, const struct row *dir, const char *name,
    bool is_all, struct waiter *w, struct row *ret);

#endif

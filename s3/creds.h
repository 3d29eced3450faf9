/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creds.h - credentials: a chain of providers, and their refresh.
 *
 * Calling sequence:
 *	r = creds_open(&query, &creds, &note);	asks the chain, may block
 *	r = creds_get(creds, &keys);		for each request; never blocks
 *	... keys->access ... (NULL keys: do not sign)
 *	creds_keys_put(keys);
 *	creds_close(creds);
 *
 * Keys that expire are fetched anew from the same provider on a thread of
 * this module: from 15 minutes before their end.  The old ones are given out
 * while they are valid.  Secrets are never logged, and wiped when freed.
 * Locks: a leaf.
 */
#ifndef S3_CREDS_H
#define S3_CREDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/base/clock.h"

/* Opaque types. */
struct buf;
struct creds;

/* One set of keys; immutable once it is given out. */
struct creds_keys {
	char *access; /* owned, as are the others */
	char *secret;
	char *token;        /* NULL: not a session */
	int64_t expires_ns; /* wall; 0: never */
	int refs;           /* [a] */
};

/* What providers may look at.  Borrowed strings. */
struct creds_query {
	const char *bucket;
	const char *profile;     /* as given; NULL: not */
	const char *passwd_file; /* as given; NULL: not */
	bool no_sign;
	const struct clock *clock;
};

/*
 * A provider.  get() may block.  ${note} takes one line for a person: why
 * nothing was found, or a warning.
 * Returns: 0; -ENOENT: it has none, ask the next one; another -errno: what it
 *     has cannot be used, ask no more.
 */
struct creds_provider {
	const char *name;
	int (*get)(const struct creds_query *q, struct creds_keys *ret,
	    struct buf *note);
};

extern const struct creds_provider creds_env;    /* AWS_ACCESS_KEY_ID */
extern const struct creds_provider creds_passwd; /* s3fs's file */
extern const struct creds_provider creds_files;  /* ~/.aws */
extern const struct creds_provider creds_imds;   /* the EC2 role */

/**
 * creds_open(query, ret, note):
 * Ask the providers in turn, and start the thread that refreshes.
 * Returns: 0, ${note} perhaps with a warning; -EACCES: none has keys;
 *     another -errno; ${note} says why.
 * Memory:  ${*ret} is owned by the caller: creds_close().
 */
int creds_open(
    const struct creds_query *query, struct creds **ret, struct buf *note);

/* NULL is fine. */
void creds_close(struct creds *c);

/**
 * creds_get(c, ret):
 * The keys to sign with now, NULL in ${*ret} for none (anonymous).
 * Returns: 0; -EAGAIN: they are being fetched, ask again soon.
 * Memory:  ${*ret}: creds_keys_put().
 */
int creds_get(struct creds *c, struct creds_keys **ret);

/* The server refused ${bad} as expired: fetch new ones. */
void creds_refresh(struct creds *c, const struct creds_keys *bad);

/**
 * creds_doubt(creds, keys):
 * The server refused ${keys}, and it may be that they have expired: fetch new
 * ones, unless that was done on a doubt within the last minute.
 * Returns: whether others are there, or on their way.
 */
bool creds_doubt(struct creds *c, const struct creds_keys *keys);

/* Give back a reference.  NULL is fine. */
void creds_keys_put(struct creds_keys *keys);

/**
 * creds_find_region(query):
 * The region that the environment or the profile names.
 * Returns: owned by the caller; NULL: none.
 */
char *creds_find_region(const struct creds_query *query);

/* Below: for the providers. */

/**
 * creds_set(keys, access, secret, token):
 * Copy what a provider found (${token} may be NULL or "").
 * Returns: 0; -ENOMEM.
 */
int creds_set(struct creds_keys *keys, const char *access, const char *secret,
    const char *token);

/* Wipe and free the strings. */
void creds_keys_fini(struct creds_keys *keys);

/* Wipe and free ${s}.  NULL is fine. */
void creds_wipe(char *s);
void creds_wipep(char **s);

/**
 * creds_read_file(path, ret, ret_mode):
 * Read a small text file.
 * Returns: 0; -EFBIG; another -errno.
 * Memory:  ${*ret} is owned by the caller: creds_wipe().
 */
int creds_read_file(const char *path, char **ret, unsigned *ret_mode);

/* The path ${name} in the home directory, or NULL; owned by the caller. */
char *creds_home_path(const char *name);

#endif

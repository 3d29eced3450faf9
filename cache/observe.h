/* SPDX-License-Identifier: Apache-2.0 */
/*
 * observe.h - the one door by which what S3 told us enters the tree.
 *
 * An observation says what an answer showed of one name, and when its request
 * was *sent*.  It changes nothing that has a pending intent, that was changed
 * by our own hand after that, or of which a later observation is known: a
 * late LIST neither resurrects nor removes.  Nor what a request of ours is
 * just replacing or removing: the rename that it belongs to is not noted yet.
 *
 *	r = observe_begin(c, &o);
 *	r = observe_object(&o, dir, name, &seen, &hidden);  ... more
 *	r = observe_end(&o, r);		commit, then tell whom it concerns
 *
 * Between begin and end the db lock is held: no waiting, no other locks.
 */
#ifndef CACHE_OBSERVE_H
#define CACHE_OBSERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/fill.h"
#include "s3/s3.h"

struct cache;

struct observe_change {
	uint64_t node;   /* that was replaced, 0: none */
	uint64_t parent; /* id */
	char *name;      /* owned */
};

struct observe {
	struct cache *cache;
	uint64_t open_dir; /* a directory, or 0: none */
	int64_t open_ms;   /* of it no later listing is known */
	struct observe_change *changes;
	size_t count;
	size_t size;
};

int observe_begin(struct cache *c, struct observe *o);

/**
 * observe_begin_at(c, row, key, o):
 * Begin, if the answer that is to be observed concerns ${row}: ${key}, that
 * was asked for, is its key still.  A row that is not known yet has no id, but
 * a parent and a name.  Of a directory the key is its prefix.
 * Returns: 0; -EAGAIN nothing was begun: it, or a directory above it, was
 *     renamed or went away since the key was made.
 */
int observe_begin_at(
    struct cache *c, const struct row *row, const char *key, struct observe *o);

/**
 * observe_end(o, r):
 * Commit if ${r} is 0, else roll back; then supersede replaced versions and
 * call the hooks.
 * Returns: ${r}, or what the commit failed with.
 */
int observe_end(struct observe *o, int r);

/**
 * observe_object(o, dir, name, seen, ret_hidden):
 * Directory ${dir} has an object ${name}.  If it is known as a directory,
 * nothing is changed and ${*ret_hidden} (NULL: not asked) is true: a
 * directory hides an object of its name.
 */
int observe_object(struct observe *o, uint64_t dir, const char *name,
    const struct observation *seen, bool *ret_hidden);

/* There is a directory ${name}; ${*ret_id} (may be NULL): its id, 0 if it is
 * not visible because of a change of ours. */
int observe_dir(struct observe *o, uint64_t dir, const char *name,
    int64_t sent_ms, uint64_t *ret_id);

/* There is a directory ${name}, if only by its `name_$folder$'. */
int observe_folder(
    struct observe *o, uint64_t dir, const char *name, int64_t sent_ms);

/* The headers of directory ${id}'s marker; NULL: it has no marker. */
int observe_marker(struct observe *o, uint64_t id, const struct s3_object *head,
    int64_t sent_ms);

/* A listing showed the marker of directory ${id}. */
int observe_self(
    struct observe *o, uint64_t id, int64_t modified_ns, int64_t sent_ms);

/* There is nothing called ${name}. */
int observe_absent(
    struct observe *o, uint64_t dir, const char *name, int64_t sent_ms);

/* All that is in ${dir} was observed with ${sent_ms}: the rest is gone. */
int observe_listed(struct observe *o, uint64_t dir, int64_t sent_ms);

/* A key listed in directory ${dir} that has no path; forgotten when a later
 * listing of the directory does not show it. */
int observe_odd(struct observe *o, uint64_t dir, const char *key,
    const char *reason, int64_t sent_ms);

#define OBSERVE_HIDDEN "a directory of the same name hides it"

#endif

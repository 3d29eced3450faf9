/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aside.h - the names of what is kept beside a file: losers of conflicts, and
 * what was left unfinished.
 *
 * NAME.WHAT-HOST-TIME, TIME as 20261121T070809Z.  The names are all there is:
 * so those that other mounts made are found, too.
 */
#ifndef CACHE_ASIDE_H
#define CACHE_ASIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASIDE_CONFLICT "conflict"
#define ASIDE_PARTIAL  "partial" /* bytes of it are missing */
#define ASIDE_UNFINISHED                                                       \
	"unfinished" /* no close had covered it when the daemon was killed */

#define ASIDE_TIME_LEN ((size_t)16)

/* Opaque types. */
struct buf;

/* A name taken apart; it points into the name. */
struct aside_name {
	const char *what; /* a constant above */
	const char *host;
	const char *time;  /* ASIDE_TIME_LEN bytes */
	size_t stem_len;   /* of what stands before ".WHAT-" */
	size_t host_len;   /* from 1 on */
	bool is_shortened; /* perhaps, the stem: the name has 255 bytes */
};

/**
 * aside_make(name, what, host, wall_ns, ret):
 * Append the name for ${name}, the stem shortened, whole characters, so that
 * it fits 255 bytes.  Pure.
 * Returns: 0; -EINVAL no such time; -ENAMETOOLONG; -ENOMEM.
 */
int aside_make(const char *name, const char *what, const char *host,
    int64_t wall_ns, struct buf *ret);

/* The name of this machine, for such a name. */
#define ASIDE_HOST_MAX 64
void aside_host(char ret[ASIDE_HOST_MAX + 1]);

/* Whether ${name} is one that aside_make() makes.  Pure. */
bool aside_parse(const char *name, struct aside_name *ret);

#endif

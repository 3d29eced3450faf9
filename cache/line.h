/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line.h - one line of a listing becomes an observation.
 */
#ifndef CACHE_LINE_H
#define CACHE_LINE_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct observe;
struct path;
struct s3_listed;

/**
 * line_observe(o, dir, listed, path, sent_ms, ret_hidden):
 * Let one line of a listing, which is ${path} in directory ${dir}, be
 * observed there; a key without a path is noted as odd.  ${ret_hidden} as in
 * observe_object().
 */
int line_observe(struct observe *o, uint64_t dir,
    const struct s3_listed *listed, const struct path *path, int64_t sent_ms,
    bool *ret_hidden);

/* The line is of an object called ${name}; NULL: it wins over a directory. */
int line_object(struct observe *o, uint64_t dir, const char *name,
    const struct s3_listed *listed, int64_t sent_ms, bool *ret_hidden);

#endif

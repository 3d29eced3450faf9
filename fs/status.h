/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status.h - what pailctl status says of a mount, as JSON.
 */
#ifndef FS_STATUS_H
#define FS_STATUS_H

#include <jansson.h>
#include <stdint.h>

#define STATUS_ODD_MAX     1000
#define STATUS_ASIDE_MAX   1000
#define STATUS_SENDING_MAX 100

struct cache;
struct drain_state;
struct options;
struct session;

/* What of the mount the status is made of. */
struct status {
	const struct options *options;
	struct cache *cache;
	struct session *session;
	int64_t since_s; /* wall time of the mount */
	const char *region;
};

/* Mount, cache and kernel; a new reference, or NULL: no memory. */
json_t *status_json(const struct status *st);

/* How far a drain is; likewise. */
json_t *status_drain(const struct drain_state *state);

/* A page of STATUS_ODD_MAX keys that have no path, after the first ${from}:
 * [{"key": ..., "text": ..., "reason": ...}]; see control.h. */
json_t *status_odd(struct cache *c, uint64_t from);

/* Likewise of STATUS_ASIDE_MAX losers of conflicts, after that of number
 * ${from}. */
json_t *status_conflicts(struct cache *c, uint64_t from);

#endif

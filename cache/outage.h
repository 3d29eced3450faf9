/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outage.h - whether S3 answers at all, and when it does again.
 *
 * While it does not, what is owed waits, and so does not keep files frozen for
 * requests that lead nowhere.  A HEAD of the bucket, every few seconds, finds
 * out when it is back; so does any other request that gets an answer.
 */
#ifndef CACHE_OUTAGE_H
#define CACHE_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Opaque types. */
struct cache;
struct outage;

int outage_new(struct cache *c, struct outage **ret);

/* End the probe that is under way; NULL is fine. */
void outage_free(struct outage *o);

/**
 * outage_look(o, now_ms, ret_back, ret_next_ms):
 * Whether S3 is away, and probe it if that is due: something waits for it.
 * ${*ret_back}: it was away the last time, and is not any more.
 * ${*ret_next_ms}: lowered to when to look again.  Threads: one.
 */
bool outage_look(
    struct outage *o, int64_t now_ms, bool *ret_back, int64_t *ret_next_ms);

/* For how long it has been away, in ms; 0: it is not. */
int64_t outage_ms(const struct cache *c);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - the net thread: HTTP exchanges over one curl multi handle.
 *
 * Exchanges in the foreground start before those in the background, both in
 * order.  See exchange.h for their life.
 */
#ifndef S3_HTTP_H
#define S3_HTTP_H

#include "s3/exchange.h"

/* Opaque types. */
struct http;

/**
 * http_open(config, ret):
 * Start a net thread.
 * Returns: 0 or -errno.
 * Memory:  ${*ret} is owned by the caller: http_close().
 */
int http_open(const struct http_config *config, struct http **ret);

/* End the net thread.  No exchange may be under way.  NULL is fine. */
void http_close(struct http *h);

/* Start ${x}, at x->start_ms at the earliest.  Any thread. */
void http_start(struct http *h, struct exchange *x);

/**
 * http_cancel(h, x):
 * Let ${x}, and each later http_start() of it, end soon with -ECANCELED, if
 * it does not end otherwise first.  Any thread.
 */
void http_cancel(struct http *h, struct exchange *x);

#endif

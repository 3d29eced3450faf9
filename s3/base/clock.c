/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - the time, from one place, so that tests can set it.
 */
#include <stddef.h>
#include <time.h>

#include "s3/base/clock.h"

static int64_t
read_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts); /* cannot fail for these two clocks */
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t
system_mono_ms(void *arg)
{
	(void)arg;
	return read_ns(CLOCK_MONOTONIC) / 1000000;
}

static int64_t
system_wall_ns(void *arg)
{
	(void)arg;
	return read_ns(CLOCK_REALTIME);
}

const struct clock clock_system = {
	.mono_ms = system_mono_ms,
	.wall_ns = system_wall_ns,
	.arg = NULL,
};

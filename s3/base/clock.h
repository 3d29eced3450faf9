/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - the time, from one place, so that tests can set it.
 *
 * Two clocks: monotonic milliseconds for durations and deadlines, and wall
 * nanoseconds since 1970 for times that people, files and S3 see.
 */
#ifndef S3_BASE_CLOCK_H
#define S3_BASE_CLOCK_H

#include <stdint.h>

struct clock {
	int64_t (*mono_ms)(void *arg); /* monotonic; since some start */
	int64_t (*wall_ns)(void *arg); /* since 1970-01-01 UTC */
	void *arg;
};

/* The machine's clocks; static, always valid. */
extern const struct clock clock_system;

static inline int64_t
clock_mono_ms(const struct clock *c)
{
	return c->mono_ms(c->arg);
}

static inline int64_t
clock_wall_ns(const struct clock *c)
{
	return c->wall_ns(c->arg);
}

#endif

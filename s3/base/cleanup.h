/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleanup.h - what a local variable owns is given back when it goes out of
 * scope, so that no function needs a ladder of gotos.
 *
 *	AUTO_FREE char *s = strdup(t);		free(s) at the end of scope
 *	AUTO_CLOSE int fd = open(...);		close(fd) if fd >= 0
 *	AUTO(thing_freep) struct thing *t;	thing_freep(&t)
 *	return TAKE(s);				hand s over: s is NULL from here
 */
#ifndef S3_BASE_CLEANUP_H
#define S3_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define AUTO(fn)   __attribute__((cleanup(fn)))
#define AUTO_FREE  AUTO(cleanup_free)
#define AUTO_CLOSE AUTO(cleanup_close)

/* Give up the pointer in ${p}: its value is the result, and ${p} is NULL. */
#define TAKE(p)                                                                \
	__extension__({                                                        \
		__typeof__(p) take_tmp = (p);                                  \
		(p) = NULL;                                                    \
		take_tmp;                                                      \
	})

static inline void
cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void
cleanup_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* nothing was written through it */
}

#endif

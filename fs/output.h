/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - a file to write that is there whole in the end, or as before.
 *
 * A regular file, new or old, is written beside itself and takes its name
 * when all is done.  What is none (/dev/null, a FIFO), and standard output,
 * are written as they are.  One thread; no locks.
 */
#ifndef FS_OUTPUT_H
#define FS_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct output {
	int fd;
	char *path;   /* owned; NULL: there is nothing to rename */
	char *beside; /* owned; what is written until then */
};

/**
 * output_open(path, ret):
 * ${path} NULL or "-": standard output.
 * Memory:  output_end() frees.
 * Returns: 0 or -errno.
 */
int output_open(const char *path, struct output *ret);

/* Whether something is left behind if the process ends now. */
static inline bool
output_is_unfinished(const struct output *o)
{
	return o->beside != NULL;
}

/* All of it: 0 or -errno. */
int output_write(struct output *o, const void *data, size_t len);

/* Close; the file takes its name if ${r} is 0, else it goes.  Returns: ${r},
 * or why that failed. */
int output_end(struct output *o, int r);

#endif

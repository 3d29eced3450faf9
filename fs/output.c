/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - a file to write that is there whole in the end, or as before.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/output.h"

/* Through links: what a name in the end is. */
static char *
end_of(const char *path)
{
	char *real = realpath(path, NULL);

	return real != NULL ? real : strdup(path);
}

/* The permissions of the file that goes, or those of a new one. */
static mode_t
mode_of(const char *path)
{
	struct stat st;
	mode_t mask;

	if (stat(path, &st) == 0)
		return st.st_mode & 0777;
	mask = umask(077);
	(void)umask(mask);
	return 0666 & ~mask;
}

static int
open_beside(struct output *o)
{
	size_t size = strlen(o->path) + sizeof(".XXXXXX");

	o->beside = malloc(size);
	if (o->beside == NULL)
		return -ENOMEM;
	(void)snprintf(o->beside, size, "%s.XXXXXX", o->path);
	o->fd = mkostemp(o->beside, O_CLOEXEC);
	if (o->fd < 0)
		return -errno;
	return fchmod(o->fd, mode_of(o->path)) < 0 ? -errno : 0;
}

static void
give_up(struct output *o)
{
	if (o->beside != NULL && o->fd >= 0)
		(void)unlink(o->beside); /* it was not asked for */
	if (o->fd >= 0 && o->fd != STDOUT_FILENO)
		(void)close(o->fd);
	o->fd = -1;
	free(o->beside);
	free(o->path);
	o->beside = NULL;
	o->path = NULL;
}

int
output_open(const char *path, struct output *ret)
{
	struct output o = { .fd = STDOUT_FILENO };
	struct stat st;
	int r = 0;

	if (path == NULL || strcmp(path, "-") == 0) {
		*ret = o;
		return 0;
	}
	o.fd = -1;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		o.fd = open(path, O_WRONLY | O_CLOEXEC);
		r = o.fd < 0 ? -errno : 0;
	} else if (access(path, W_OK) < 0 && errno != ENOENT) {
		r = -errno; /* a rename would not ask */
	} else {
		o.path = end_of(path);
		r = o.path == NULL ? -ENOMEM : open_beside(&o);
	}
	if (r < 0)
		give_up(&o);
	else
		*ret = o;
	return r;
}

int
output_write(struct output *o, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(o->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int
output_end(struct output *o, int r)
{
	/* The name may not come to the disk before the bytes do. */
	if (r == 0 && o->path != NULL &&
	    (fsync(o->fd) < 0 || rename(o->beside, o->path) < 0))
		r = -errno;
	/* A file of NFS has its errors now. */
	if (r == 0 && close(o->fd) < 0)
		r = -errno;
	if (r == 0)
		o->fd = -1;
	give_up(o);
	return r;
}

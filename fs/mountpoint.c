/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountpoint.c - whether one may mount on a path; a dead mount goes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fs/ctlsock.h"
#include "fs/mountinfo.h"
#include "fs/mountpoint.h"

bool
mountpoint_is_dead(const char *path, const struct mountinfo *info)
{
	struct statvfs vfs;
	int fd = ctlsock_connect(info);

	if (fd < 0 && fd != -EOWNERDEAD)
		/* It asks the daemon: the kernel may have cached the rest. */
		return statvfs(path, &vfs) < 0 && errno == ENOTCONN;
	if (fd >= 0)
		(void)close(fd);
	return fd < 0;
}

static int
say(char *message, unsigned long len, int r, const char *path, const char *what)
{
	(void)snprintf(message, len, "mount point '%s' %s", path, what);
	return r;
}

int
mountpoint_prepare(const char *path, char *message, unsigned long len)
{
	struct mountinfo info;
	struct stat st;
	bool ours = mountinfo_find(path, &info) == 0 && info.is_pailfs;
	int r;

	if (ours && mountpoint_is_dead(path, &info)) {
		r = mountinfo_clear(path, &info);
		return r == 0 ? 0
			      : say(message, len, r, path,
				    "is a dead pailfs and cannot be cleared: "
				    "umount -l it");
	}
	if (stat(path, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			return say(
			    message, len, -ENOTDIR, path, "is not a directory");
		if (ours)
			return say(message, len, -EBUSY, path,
			    "has a pailfs already: pailctl umount it first");
		return 0;
	}
	if (errno == ENOENT)
		return say(message, len, -ENOENT, path,
		    "does not exist: mkdir it first");
	return say(message, len, -errno, path, strerror(errno));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountpoint.c - whether one may mount on a path; a dead mount goes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "fs/mountinfo.h"
#include "fs/mountpoint.h"

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
	struct statvfs vfs;
	struct stat st;
	bool ours = mountinfo_find(path, &info) == 0 && info.is_pailfs;

	/* statvfs() asks the daemon: the kernel may have cached the rest. */
	if ((!ours || statvfs(path, &vfs) == 0) && stat(path, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			return say(
			    message, len, -ENOTDIR, path, "is not a directory");
		if (ours)
			return say(message, len, -EBUSY, path,
			    "has a pailfs already: pailctl umount it first");
		return 0;
	}
	if (errno == ENOTCONN && ours) {
		if (mountinfo_unmount(path, true) == 0)
			return 0;
		return say(message, len, -EBUSY, path,
		    "is a dead pailfs and cannot be cleared: umount -l it");
	}
	if (errno == ENOENT)
		return say(message, len, -ENOENT, path,
		    "does not exist: mkdir it first");
	return say(message, len, -errno, path, strerror(errno));
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountinfo.h - what the kernel says of a mount point, without touching it.
 */
#ifndef FS_MOUNTINFO_H
#define FS_MOUNTINFO_H

#include <stdbool.h>

struct mountinfo {
	unsigned major; /* of its st_dev */
	unsigned minor;
	unsigned uid;      /* of who mounted it, if it is a FUSE mount */
	bool is_pailfs;    /* its type is fuse.pailfs */
	bool is_read_only; /* for all who see it, whoever wanted that */
};

/**
 * mountinfo_find(path, ret):
 * Look for the absolute ${path} in /proc/self/mountinfo; of several mounts on
 * top of each other, the one that is seen.
 * Returns: 0; -ENOENT: nothing is mounted there; -errno.
 */
int mountinfo_find(const char *path, struct mountinfo *ret);

/**
 * mountinfo_canonical(path, ret):
 * The absolute path of the mount point ${path} as the kernel shows it, without
 * asking what is mounted there: that may be dead, or hang.
 * Memory:  ${*ret} is owned by the caller.
 * Returns: 0; -ENOENT its folder does not exist; -errno.
 */
int mountinfo_canonical(const char *path, char **ret);

/* Unmount ${path}.  0 or -errno. */
int mountinfo_unmount(const char *path);

/* Take the dead FUSE mount ${info} off ${path}, used or not; who waits for its
 * answer gets an error, the daemon itself included.  0 or -errno. */
int mountinfo_clear(const char *path, const struct mountinfo *info);

#endif

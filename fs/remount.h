/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remount.h - mount -o remount: a live mount gets ro or rw.
 *
 * mount(8) runs its helper with "remount" among the options, and with all that
 * fstab or the kernel has of the mount.  What would change anything but ro and
 * rw is refused: the daemon of the mount compares it with what it was given.
 * The kernel then refuses changes of files before the daemon sees them; what
 * is owed to S3 is sent as before.
 */
#ifndef FS_REMOUNT_H
#define FS_REMOUNT_H

#include <stddef.h>

/* Opaque types. */
struct options;

/**
 * remount_run(o, message, len):
 * Do what the command line ${o}, with "remount", says.
 * Returns: 0; -errno, with cause and remedy in ${message}.
 */
int remount_run(const struct options *o, char *message, size_t len);

/**
 * remount_check(now, source, list, message, len):
 * In the daemon, whose options are ${now}: whether ${list}, of a command line
 * for ${source}, changes nothing but ro and rw, and that may be.
 * Returns: 0; -EINVAL, with cause and remedy in ${message}.
 */
int remount_check(const struct options *now, const char *source,
    const char *list, char *message, size_t len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountpoint.h - whether one may mount on a path; a dead mount goes.
 */
#ifndef FS_MOUNTPOINT_H
#define FS_MOUNTPOINT_H

#include <stdbool.h>

/* Opaque types. */
struct mountinfo;

/* Whether the daemon of the pailfs mount ${info} on ${path} has died; also if
 * that hangs in the kernel, and nobody who asks the mount gets an answer. */
bool mountpoint_is_dead(const char *path, const struct mountinfo *info);

/**
 * mountpoint_prepare(path, message, len):
 * See to it that ${path} can be mounted on; a dead pailfs there is cleared.
 * Returns: 0; -errno, with cause and remedy in ${message}.
 */
int mountpoint_prepare(const char *path, char *message, unsigned long len);

#endif

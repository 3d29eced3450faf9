/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlsock.h - where the control socket of a mount is.
 *
 * Its name is the mount's device number, "MAJOR:MINOR.sock", which pailctl
 * reads from /proc/self/mountinfo: it finds the daemon without touching the
 * mount.  It lies in the first of these folders that its owner can have for
 * himself (0700): for root /run/pailfs, else $XDG_RUNTIME_DIR/pailfs or
 * /run/user/UID/pailfs; for all, last, /tmp/pailfs-UID.  One that a crash left
 * behind is replaced by the next mount that gets the number.
 */
#ifndef FS_CTLSOCK_H
#define FS_CTLSOCK_H

#include <stddef.h>

struct mountinfo;

#define CTLSOCK_PATH_MAX 108 /* of struct sockaddr_un */

/**
 * ctlsock_listen(info, ret_path):
 * Make the socket of our mount ${info}, 0600.
 * Returns: a descriptor, and its path in ${ret_path} to unlink; or -errno.
 */
int ctlsock_listen(
    const struct mountinfo *info, char ret_path[CTLSOCK_PATH_MAX]);

/**
 * ctlsock_connect(info):
 * Connect to the daemon of ${info}; to none but its owner's or root's.
 * Returns: a descriptor; -ECONNREFUSED nobody listens; -EOWNERDEAD it was
 *     killed, but hangs in the kernel; -EACCES; -errno.
 */
int ctlsock_connect(const struct mountinfo *info);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlsock.c - where the control socket of a mount is.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fs/ctlsock.h"
#include "fs/mountinfo.h"
#include "s3/base/dying.h"

#define FOLDERS 3

/* Candidate ${i} for user ${uid} in ${ret}: its length; 0: there is none. */
static int
folder(unsigned uid, int i, char *ret, size_t len)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	switch (i) {
	case 0:
		if (uid == 0)
			return snprintf(ret, len, "/run/pailfs");
		if (uid != geteuid() || runtime == NULL || runtime[0] != '/')
			return 0;
		return snprintf(ret, len, "%s/pailfs", runtime);
	case 1:
		if (uid == 0)
			return 0;
		return snprintf(ret, len, "/run/user/%u/pailfs", uid);
	default:
		return snprintf(ret, len, "/tmp/pailfs-%u", uid);
	}
}

/* The socket of ${info} in candidate ${i}. */
static int
socket_path(const struct mountinfo *info, int i, struct sockaddr_un *ret)
{
	char *path = ret->sun_path;
	size_t size = sizeof(ret->sun_path);
	int n = folder(info->uid, i, path, size);

	if (n <= 0 || (size_t)n >= size)
		return -ENOENT;
	n += snprintf(path + n, size - (size_t)n, "/%u:%u.sock", info->major,
	    info->minor);
	return (size_t)n < size ? 0 : -ENAMETOOLONG;
}

/* Have candidate ${i} for ourselves: nobody else may put anything there. */
static bool
own_folder(const struct mountinfo *info, int i)
{
	char path[CTLSOCK_PATH_MAX];
	struct stat st;
	int n = folder(info->uid, i, path, sizeof(path));

	if (n <= 0 || (size_t)n >= sizeof(path))
		return false;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return false;
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

static int
listen_at(const struct sockaddr_un *at)
{
	int r, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)unlink(at->sun_path); /* the number is ours now */
	/* Room for all who ask, should we be killed and hang: else the next
	 * one would wait. */
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 ||
	    chmod(at->sun_path, 0600) < 0 || listen(fd, SOMAXCONN) < 0) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	return fd;
}

int
ctlsock_listen(const struct mountinfo *info, char ret_path[CTLSOCK_PATH_MAX])
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int r = -EACCES;

	for (int i = 0; i < FOLDERS && r < 0; i++) {
		if (!own_folder(info, i) || socket_path(info, i, &at) < 0)
			continue;
		r = listen_at(&at);
		if (r >= 0)
			(void)snprintf(
			    ret_path, CTLSOCK_PATH_MAX, "%s", at.sun_path);
	}
	return r;
}

/* In /tmp anybody can listen: talk to the mount's owner and root only.  One
 * that was killed may hang in the kernel, and then its socket listens on. */
static int
check_listener(int fd, const struct mountinfo *info)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return -errno;
	if (who.uid != 0 && who.uid != info->uid)
		return -ECONNREFUSED;
	return dying_is(who.pid) ? -EOWNERDEAD : 0;
}

int
ctlsock_connect(const struct mountinfo *info)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd, r = -ECONNREFUSED;

	for (int i = 0; i < FOLDERS; i++) {
		if (socket_path(info, i, &to) < 0)
			continue;
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
		if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0) {
			if (errno == EACCES)
				r = -EACCES;
		} else {
			r = check_listener(fd, info);
			if (r == 0)
				return fd;
		}
		(void)close(fd);
		if (r == -EOWNERDEAD)
			return r;
	}
	return r;
}

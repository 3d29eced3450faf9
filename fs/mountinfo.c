/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mountinfo.c - what the kernel says of a mount point.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/mountinfo.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

/* Undo \040 and its like, in place. */
static void
unescape(char *s)
{
	char *to = s;

	while (*s != '\0') {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
		    s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 +
				       (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/*
 * "36 35 98:0 / /mnt rw,noatime master:1 - fuse.pailfs bucket rw": is it
 * ${path}'s (proc(5))?
 */
static bool
read_line(char *line, const char *path, struct mountinfo *ret)
{
	char *save = NULL, *field, *user, *type = strstr(line, " - ");
	struct mountinfo info = { 0 };

	if (type == NULL)
		return false;
	*type = '\0';
	info.is_pailfs = strncmp(type + 3, "fuse.pailfs ", 12) == 0;
	/* "fuse.pailfs bucket ro,user_id=0": spaces are escaped. */
	user = strchr(type + 3, ' ');
	user = user == NULL ? NULL : strchr(user + 1, ' ');
	info.is_read_only = user != NULL && strncmp(user + 1, "ro", 2) == 0 &&
			    strchr(",\n", user[3]) != NULL;
	user = strstr(type + 3, "user_id=");
	if (user != NULL && sscanf(user, "user_id=%u", &info.uid) != 1)
		return false;
	field = strtok_r(line, " ", &save);
	for (int i = 0; field != NULL && i < 4; i++) {
		if (i == 2 &&
		    sscanf(field, "%u:%u", &info.major, &info.minor) != 2)
			return false;
		field = strtok_r(NULL, " ", &save);
	}
	if (field == NULL)
		return false;
	unescape(field);
	if (strcmp(field, path) != 0)
		return false;
	*ret = info;
	return true;
}

int
mountinfo_find(const char *path, struct mountinfo *ret)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	AUTO_FREE char *line = NULL;
	size_t size = 0;
	int r = -ENOENT;

	if (f == NULL)
		return -errno;
	while (getline(&line, &size, f) > 0) {
		if (read_line(line, path, ret))
			r = 0;
	}
	(void)fclose(f); /* only read */
	return r;
}

static bool
is_mounted(const char *path)
{
	struct mountinfo info;

	return mountinfo_find(path, &info) == 0;
}

/* ${path} with the links of all but its last name followed. */
static int
follow_parent(const char *path, char ret[PATH_MAX])
{
	struct buf parent = BUF_INIT(PATH_MAX);
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	size_t len;
	int r;

	r = buf_add(&parent, path, (size_t)(name - path));
	if (r == 0 && parent.len == 0)
		r = buf_add_str(&parent, ".");
	if (r == 0 && realpath(buf_str(&parent), ret) == NULL)
		r = -errno;
	buf_fini(&parent);
	if (r < 0)
		return r;
	len = strcmp(ret, "/") == 0 ? 0 : strlen(ret);
	if (len + 1 + strlen(name) >= PATH_MAX)
		return -ENAMETOOLONG;
	(void)snprintf(ret + len, PATH_MAX - len, "/%s", name);
	return 0;
}

int
mountinfo_canonical(const char *path, char **ret)
{
	AUTO_FREE char *copy = strdup(path);
	char text[PATH_MAX] = "", whole[PATH_MAX];
	const char *last;
	size_t len;
	int r;

	if (copy == NULL)
		return -ENOMEM;
	for (len = strlen(copy); len > 1 && copy[len - 1] == '/'; len--)
		copy[len - 1] = '\0';
	last = strrchr(copy, '/');
	last = last == NULL ? copy : last + 1;
	r = -ENOENT;
	if (strcmp(last, ".") != 0 && strcmp(last, "..") != 0)
		r = follow_parent(copy, text);
	/* What the last name is, is looked at only if nothing is there. */
	if ((r < 0 || !is_mounted(text)) && realpath(copy, whole) != NULL)
		*ret = strdup(whole);
	else if (r < 0)
		return r;
	else
		*ret = strdup(text);
	return *ret == NULL ? -ENOMEM : 0;
}

/* For users: fusermount3, whose words go to stderr. */
static int
run_fusermount(const char *path, bool lazy)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)execlp("fusermount3", "fusermount3", lazy ? "-uz" : "-u",
		    "--", path, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

int
mountinfo_unmount(const char *path)
{
	if (umount2(path, 0) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	return run_fusermount(path, false);
}

/* What MNT_FORCE does, for the user who mounted it. */
static void
abort_connection(const struct mountinfo *info)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort",
	    info->minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* fusectl is not mounted: it is dead anyhow */
	if (write(fd, "1", 1) < 0)
		log_debug("%s: %s", path, strerror(errno));
	(void)close(fd);
}

int
mountinfo_clear(const char *path, const struct mountinfo *info)
{
	if (umount2(path, MNT_FORCE | MNT_DETACH) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	abort_connection(info);
	return run_fusermount(path, true);
}

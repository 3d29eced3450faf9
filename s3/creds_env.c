/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creds_env.c - credentials from the environment, and what all files need.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/creds.h"

#define FILE_SIZE_MAX (1 << 20)

static const char *
get_set(const char *name)
{
	const char *s = getenv(name);

	return s != NULL && s[0] != '\0' ? s : NULL;
}

/* A profile that was given for this mount says more than the environment. */
static int
env_get(const struct creds_query *q, struct creds_keys *ret, struct buf *note)
{
	const char *access = get_set("AWS_ACCESS_KEY_ID");
	const char *secret = get_set("AWS_SECRET_ACCESS_KEY");

	if (q->profile != NULL || q->passwd_file != NULL)
		return -ENOENT;
	if (access == NULL && secret == NULL)
		return -ENOENT;
	if (access == NULL || secret == NULL) {
		(void)buf_printf(note, "%s is set, but %s is not",
		    access != NULL ? "AWS_ACCESS_KEY_ID"
				   : "AWS_SECRET_ACCESS_KEY",
		    access != NULL ? "AWS_SECRET_ACCESS_KEY"
				   : "AWS_ACCESS_KEY_ID");
		return -EACCES;
	}
	return creds_set(ret, access, secret, get_set("AWS_SESSION_TOKEN"));
}

const struct creds_provider creds_env = { "the environment", env_get };

char *
creds_home_path(const char *name)
{
	const char *home = get_set("HOME");
	struct passwd pw, *found = NULL;
	char space[4096], *path;

	if (home == NULL &&
	    getpwuid_r(getuid(), &pw, space, sizeof(space), &found) == 0 &&
	    found != NULL)
		home = found->pw_dir;
	if (home == NULL || asprintf(&path, "%s/%s", home, name) < 0)
		return NULL;
	return path;
}

static int
read_all(int fd, char *data, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, data + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	data[len] = '\0';
	return 0;
}

int
creds_read_file(const char *path, char **ret, unsigned *ret_mode)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	AUTO(creds_wipep) char *data = NULL;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > FILE_SIZE_MAX)
		return -EFBIG;
	data = calloc(1, (size_t)st.st_size + 1);
	if (data == NULL)
		return -ENOMEM;
	r = read_all(fd, data, (size_t)st.st_size);
	if (r < 0)
		return r;
	*ret_mode = st.st_mode & 07777;
	*ret = TAKE(data);
	return 0;
}

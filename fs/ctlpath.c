/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlpath.c - a file or folder that is named to pailctl, in its mount.
 */
#include "fs/ctlpath.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/ctlcall.h"
#include "fs/keytext.h"
#include "fs/mountinfo.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"

/* The absolute path of ${name}, with a link at its end as it is. */
static int
absolute(const char *name, struct buf *ret)
{
	AUTO_FREE char *copy = strdup(name), *copy2 = strdup(name);
	AUTO_FREE char *whole = NULL;
	struct stat st;
	int r;

	if (copy == NULL || copy2 == NULL)
		return -ENOMEM;
	/* Also "." and what ends in "/"; one that is gone has its folder. */
	if (lstat(name, &st) == 0 && !S_ISLNK(st.st_mode))
		whole = realpath(name, NULL);
	if (whole != NULL)
		return buf_add_str(ret, whole);
	whole = realpath(dirname(copy), NULL);
	if (whole == NULL)
		return -errno;
	r = buf_add_str(ret, strcmp(whole, "/") == 0 ? "" : whole);
	return r == 0 ? buf_printf(ret, "/%s", basename(copy2)) : r;
}

/* What of ${path} lies below ${mountpoint}; NULL: it does not. */
static const char *
below(const char *path, const char *mountpoint)
{
	size_t len = strcmp(mountpoint, "/") == 0 ? 0 : strlen(mountpoint);

	if (strncmp(path, mountpoint, len) != 0 ||
	    (path[len] != '/' && path[len] != '\0'))
		return NULL;
	return path[len] == '/' ? path + len + 1 : path + len;
}

int
ctlpath_below(const struct ctlcall *call, const char *name, struct buf *ret)
{
	struct buf path = BUF_INIT(PATH_MAX);
	const char *rest = NULL;
	int r = absolute(name, &path);

	if (r == 0) {
		rest = below(buf_str(&path), call->mountpoint);
		r = rest == NULL ? -EXDEV
				 : keytext_quote(rest, strlen(rest), ret);
	}
	buf_fini(&path);
	return r;
}

/* Cut ${path} to the mount point that it is, or is in. */
static int
cut_to_mount(char *path)
{
	struct mountinfo info;
	char *slash;

	while (mountinfo_find(path, &info) < 0) {
		slash = strrchr(path, '/');
		if (slash == NULL || strcmp(path, "/") == 0)
			return -ENOENT;
		slash[slash == path ? 1 : 0] = '\0';
	}
	return info.is_pailfs ? 0 : -ENOENT;
}

static int
find(struct ctlcall *call, const char *name, struct buf *ret)
{
	struct buf path = BUF_INIT(PATH_MAX);
	struct mountinfo info;
	int r = name == NULL ? -ENOENT
			     : mountinfo_canonical(name, &call->mountpoint);

	/* A mount point is not touched: it may hang. */
	if (r == 0 && mountinfo_find(call->mountpoint, &info) == 0 &&
	    info.is_pailfs)
		return 0;
	free(call->mountpoint);
	call->mountpoint = NULL;
	r = absolute(name == NULL ? "." : name, &path);
	if (r == 0)
		r = buf_take(&path, &call->mountpoint);
	buf_fini(&path);
	if (r == 0)
		r = cut_to_mount(call->mountpoint);
	return r < 0 || name == NULL ? r : ctlpath_below(call, name, ret);
}

int
ctlpath_find(struct ctlcall *call, const char *name, struct buf *ret)
{
	int r = find(call, name, ret);

	if (r == 0)
		return 0;
	return ctlcall_fail("no file or folder of a pailfs is",
	    name == NULL ? "." : name,
	    r == -ENOENT ? "findmnt -t fuse.pailfs lists the mounts"
			 : strerror(-r));
}

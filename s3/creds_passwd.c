/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creds_passwd.c - credentials from a file in the form of s3fs.
 *
 * A line is ACCESS:SECRET, or BUCKET:ACCESS:SECRET for one bucket, which then
 * comes first.  Empty lines and those with '#' at their start are comments.
 * Nobody but the owner may have rights to the file; its group may read
 * /etc/passwd-s3fs.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/creds.h"

#define SYSTEM_FILE "/etc/passwd-s3fs"

static bool
is_too_open(const char *path, unsigned mode)
{
	return (mode & (strcmp(path, SYSTEM_FILE) == 0 ? 037U : 077U)) != 0;
}

/* Take apart one line.  Returns: 0; -ENOENT: nothing for ${bucket} in it. */
static int
parse_line(
    char *line, const char *bucket, bool want_bucket, struct creds_keys *ret)
{
	char *first, *second, *third;

	line += strspn(line, " \t");
	line[strcspn(line, "\r")] = '\0';
	if (line[0] == '#' || line[0] == '\0')
		return -ENOENT;
	first = strsep(&line, ":");
	second = strsep(&line, ":");
	third = line; /* a secret may hold anything */
	if (second == NULL)
		return -ENOENT;
	if (third == NULL) {
		if (want_bucket || first[0] == '\0' || second[0] == '\0')
			return -ENOENT;
		return creds_set(ret, first, second, NULL);
	}
	if (!want_bucket || bucket == NULL || strcmp(first, bucket) != 0)
		return -ENOENT;
	return creds_set(ret, second, third, NULL);
}

static int
search(const char *text, const char *bucket, bool want_bucket,
    struct creds_keys *ret)
{
	AUTO(creds_wipep) char *copy = strdup(text);
	char *rest = copy, *line;
	int r = -ENOENT;

	if (copy == NULL)
		return -ENOMEM;
	for (line = strsep(&rest, "\n"); line != NULL && r == -ENOENT;
	     line = strsep(&rest, "\n"))
		r = parse_line(line, bucket, want_bucket, ret);
	/* Wipe all of it: strsep() put an end to each piece. */
	explicit_bzero(copy, strlen(text));
	return r;
}

/* "${what} ${path}: ${why}" */
static void
add_note(struct buf *note, const char *what, const char *path, const char *why)
{
	(void)buf_printf(
	    note, "%s%s %s: %s", note->len > 0 ? "; " : "", what, path, why);
}

/* What is wrong with a file that is there, or was given, goes to ${note}. */
static int
get_from(const char *path, const struct creds_query *q, struct creds_keys *ret,
    struct buf *note)
{
	AUTO(creds_wipep) char *text = NULL;
	unsigned mode;
	int r = creds_read_file(path, &text, &mode);

	if (r < 0) {
		if (q->passwd_file != NULL || (r != -ENOENT && r != -EACCES))
			add_note(note, "cannot read", path,
			    r == -EINVAL ? "not a file" : strerror(-r));
		return r;
	}
	if (is_too_open(path, mode)) {
		add_note(
		    note, "others have rights to", path, "run chmod 600 on it");
		return -EPERM;
	}
	r = search(text, q->bucket, true, ret);
	if (r == -ENOENT)
		r = search(text, q->bucket, false, ret);
	if (r == -ENOENT)
		add_note(note, "no keys in", path,
		    "a line ACCESS:SECRET is wanted, or BUCKET:ACCESS:SECRET "
		    "of this bucket");
	return r;
}

/* A file that was given must do; one in a usual place is only tried. */
static int
passwd_get(
    const struct creds_query *q, struct creds_keys *ret, struct buf *note)
{
	AUTO_FREE char *home = NULL;
	int r;

	if (q->passwd_file != NULL) {
		r = get_from(q->passwd_file, q, ret, note);
		return r < 0 && r != -ENOMEM ? -EACCES : r;
	}
	if (q->profile != NULL)
		return -ENOENT;
	home = creds_home_path(".passwd-s3fs");
	r = home == NULL ? -ENOENT : get_from(home, q, ret, note);
	if (r < 0 && r != -ENOMEM)
		r = get_from(SYSTEM_FILE, q, ret, note);
	return r < 0 && r != -ENOMEM ? -ENOENT : r;
}

const struct creds_provider creds_passwd = { "the passwd file", passwd_get };

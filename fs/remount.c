/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remount.c - mount -o remount: a live mount gets ro or rw.
 */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

#include "fs/ctlline.h"
#include "fs/ctlsock.h"
#include "fs/mountinfo.h"
#include "fs/mountpoint.h"
#include "fs/option_table.h"
#include "fs/options.h"
#include "fs/remount.h"

#define PATIENCE_S 10

/* The flags of a mount, which stay: as statvfs() has them, as mount() does, and
 * the words that would change them. */
static const struct {
	unsigned long have;
	unsigned long flag;
	const char *on;
	const char *off;
} flags[] = {
	{ ST_NOSUID, MS_NOSUID, "nosuid", "suid" },
	{ ST_NODEV, MS_NODEV, "nodev", "dev" },
	{ ST_NOEXEC, MS_NOEXEC, "noexec", "exec" },
	{ ST_NOATIME, MS_NOATIME, "noatime", "atime" },
	{ ST_NODIRATIME, MS_NODIRATIME, "nodiratime", "diratime" },
	{ ST_RELATIME, MS_RELATIME, "relatime", "norelatime" },
};

#define FLAG_COUNT (sizeof(flags) / sizeof(flags[0]))

static int say(char *message, size_t len, int r, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int
say(char *message, size_t len, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, len, fmt, ap);
	va_end(ap);
	return r;
}

/* Whether ${word} is one of ${list}. */
static bool
has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; at != NULL; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, word, len) == 0 &&
		    (at[len] == ',' || at[len] == '\0'))
			return true;
	}
	return false;
}

/* What the mount has of its flags, for mount(2), into ${*ret}, which is 0. */
static int
keep_flags(
    const struct options *o, unsigned long *ret, char *message, size_t len)
{
	struct statvfs vfs;

	if (statvfs(o->mountpoint, &vfs) < 0)
		return say(message, len, -errno, "mount point '%s': %s",
		    o->mountpoint, strerror(errno));
	for (size_t i = 0; i < FLAG_COUNT; i++) {
		bool has = (vfs.f_flag & flags[i].have) != 0;
		const char *word = has ? flags[i].off : flags[i].on;

		if (has_word(o->remount, word))
			return say(message, len, -EINVAL,
			    "'%s' is the kernel's to change: mount -o "
			    "remount,bind,%s %s",
			    word, word, o->mountpoint);
		*ret |= has ? flags[i].flag : 0;
	}
	return 0;
}

/* Ask the daemon of the mount ${info} whether it may be so. */
static int
ask(const struct options *o, const struct mountinfo *info, char *message,
    size_t len)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	struct ctlline line = CTLLINE_INIT(ctlsock_connect(info));
	json_t *answer = NULL;
	const char *error;
	int r;

	if (line.fd < 0)
		return say(message, len, line.fd,
		    "no daemon answers for '%s', or it is not yours",
		    o->mountpoint);
	(void)setsockopt(
	    line.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	/* If it fails, the daemon ended, and reading tells. */
	(void)ctlline_send_json(
	    line.fd, json_pack("{s:s, s:s, s:s}", "cmd", "remount", "source",
			 o->source, "options", o->remount));
	r = ctlline_read(&line, &answer);
	error = json_string_value(json_object_get(answer, "error"));
	if (r < 0)
		(void)say(message, len, r, "the daemon of '%s' hangs (%s)",
		    o->mountpoint, strerror(-r));
	else if (error != NULL)
		r = say(message, len, -EINVAL, "%s", error);
	json_decref(answer);
	(void)close(line.fd);
	return r;
}

static int
change(const struct options *o, unsigned long keep, char *message, size_t len)
{
	keep |= MS_REMOUNT | (o->ro ? MS_RDONLY : 0);
	if (mount("pailfs", o->mountpoint, NULL, keep, NULL) == 0)
		return 0;
	if (errno == EBUSY)
		return say(message, len, -EBUSY,
		    "'%s' cannot be read-only now: a program has a file open "
		    "for writing there, fuser -vm shows which",
		    o->mountpoint);
	if (errno == EPERM)
		return say(message, len, -EPERM,
		    "only root can change the mount on '%s'", o->mountpoint);
	return say(message, len, -errno, "the kernel refuses it on '%s': %s",
	    o->mountpoint, strerror(errno));
}

int
remount_run(const struct options *o, char *message, size_t len)
{
	struct mountinfo info;
	unsigned long keep = 0;
	int r;

	if (mountinfo_find(o->mountpoint, &info) < 0 || !info.is_pailfs)
		return say(message, len, -ENOENT,
		    "no pailfs is mounted on '%s': remount changes one that "
		    "is",
		    o->mountpoint);
	if (mountpoint_is_dead(o->mountpoint, &info))
		return say(message, len, -ENOTCONN,
		    "the daemon of '%s' has died: mount it anew, without "
		    "remount",
		    o->mountpoint);
	r = ask(o, &info, message, len);
	if (r == 0)
		r = keep_flags(o, &keep, message, len);
	if (r < 0 || !options_is_given(o, "ro"))
		return r;
	return change(o, keep, message, len);
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Whether two mounts have the same in ${row}. */
static bool
is_same(const struct options *a, const struct options *b,
    const struct option_row *row)
{
	const void *in_a = (const char *)a + row->offset;
	const void *in_b = (const char *)b + row->offset;

	switch (row->type) {
	case OPTION_TEXT:
	case OPTION_URL:
		return is_same_text(*(char *const *)in_a, *(char *const *)in_b);
	case OPTION_FLAG:
		return *(const bool *)in_a == *(const bool *)in_b;
	default:
		return *(const uint64_t *)in_a == *(const uint64_t *)in_b;
	}
}

/* ${asked}: what the command line says; nothing that it does not say counts. */
static int
compare(const struct options *now, const struct options *asked, char *message,
    size_t len)
{
	/* The kernel knows the mount by its bucket only. */
	if (strcmp(now->bucket, asked->bucket) != 0 ||
	    (asked->prefix[0] != '\0' &&
		strcmp(now->prefix, asked->prefix) != 0))
		return say(message, len, -EINVAL, "'%s' has '%s:/%s' mounted",
		    now->mountpoint, now->bucket, now->prefix);
	for (const struct option_row *row = option_rows; row->name != NULL;
	     row++) {
		if (strcmp(row->name, "ro") == 0 ||
		    !options_is_given(asked, row->name) ||
		    is_same(now, asked, row))
			continue;
		return say(message, len, -EINVAL,
		    "%s is not what '%s' was mounted with, and remount changes "
		    "only ro and rw: pailctl umount it, and mount it anew",
		    row->name, now->mountpoint);
	}
	if (now->ro && options_is_given(asked, "ro") && !asked->ro)
		return say(message, len, -EINVAL,
		    "'%s' was mounted with ro, and has not looked at what it "
		    "may owe to S3: pailctl umount it, and mount it anew",
		    now->mountpoint);
	return 0;
}

int
remount_check(const struct options *now, const char *source, const char *list,
    char *message, size_t len)
{
	struct options asked;
	char name[] = "mount.pailfs", dash[] = "-o";
	char *words[] = { name, dash, strdup(list), strdup(source),
		strdup(now->mountpoint) };
	int r = -ENOMEM;

	if (words[2] != NULL && words[3] != NULL && words[4] != NULL) {
		r = options_parse(5, words, &asked, message, len);
		if (r == 0)
			r = compare(now, &asked, message, len);
		options_fini(&asked);
	}
	for (int i = 2; i < 5; i++)
		free(words[i]);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockfile.c - the lock of the cache folder: one process has it at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "cache/core.h"
#include "cache/lockfile.h"
#include "s3/base/dying.h"

#define LOOK_MS 50

/* Who has it. */
struct holder {
	int pid; /* 0: not known */
	bool is_ending;
	bool is_killed;
};

static void
read_holder(int fd, struct holder *ret)
{
	char text[64] = "", word[16] = "";

	*ret = (struct holder){ 0 };
	if (pread(fd, text, sizeof(text) - 1, 0) <= 0 ||
	    sscanf(text, "%d %15s", &ret->pid, word) < 1)
		return;
	ret->is_ending = strcmp(word, "ending") == 0;
	ret->is_killed = dying_is(ret->pid);
}

/* What stands there is for others: without it the lock is as good. */
static void
write_holder(int fd, const char *word)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "%d%s\n", (int)getpid(), word);

	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, text, (size_t)len, 0);
}

static int
say_busy(char *message, size_t len, const char *dir, const struct holder *h)
{
	if (h->is_killed)
		(void)snprintf(message, len,
		    "cache folder '%s' is in use by process %d still, which "
		    "was killed and hangs in the kernel: umount -f its mount "
		    "point ends it",
		    dir, h->pid);
	else if (h->is_ending)
		(void)snprintf(message, len,
		    "cache folder '%s' is in use by process %d still, which "
		    "was unmounted and sends what S3 does not have: wait until "
		    "it has ended",
		    dir, h->pid);
	else
		(void)snprintf(message, len,
		    "cache folder '%s' is in use by another mount of this "
		    "bucket (process %d): unmount it, or give this one its own "
		    "cache=",
		    dir, h->pid);
	return -EBUSY;
}

int
lockfile_take(struct cache *c, const char *path, char *message, size_t len)
{
	const struct timespec pause = { 0, LOOK_MS * 1000000L };
	struct holder holder;

	c->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (c->lock_fd < 0) {
		(void)snprintf(message, len,
		    "cache folder '%s' cannot be written: choose another with "
		    "cache= (%s)",
		    c->dir, strerror(errno));
		return -errno;
	}
	for (int ms = 0; flock(c->lock_fd, LOCK_EX | LOCK_NB) < 0;
	     ms += LOOK_MS) {
		read_holder(c->lock_fd, &holder);
		if (ms >= LOCKFILE_WAIT_MS ||
		    (!holder.is_ending && !holder.is_killed))
			return say_busy(message, len, c->dir, &holder);
		(void)nanosleep(&pause, NULL);
	}
	write_holder(c->lock_fd, "");
	return 0;
}

void
lockfile_ending(struct cache *c)
{
	write_holder(c->lock_fd, " ending");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_mount.h - a mount of a fake cache, for each test: set_up() and
 * tear_down() of cmocka.  For one program only.
 *
 * The daemon is a child of the program; the program looks at the mount.
 */
#ifndef TESTS_UNIT_FAKE_MOUNT_H
#define TESTS_UNIT_FAKE_MOUNT_H

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/mountinfo.h"
#include "fs/options.h"
#include "fs/session.h"
#include "tests/unit/fake_change.h"

#define WAIT_S 20

struct fixture {
	char folder[64];
	pid_t pid;
	bool ro;
	struct cache *cache; /* shared with the daemon */
};

static void
on_ending(void *arg)
{
	(void)arg;
}

/* The daemon; ends with 0 if all was well. */
static _Noreturn void
serve(struct fixture *f, int ready_fd)
{
	char *argv[] = { "pailfs", "bucket", f->folder, "-o",
		f->ro ? "ro,bucket_size=1G" : "bucket_size=1G,threads=512" };
	struct options options;
	struct session *s = NULL;
	char message[512];
	sigset_t set;
	int r;

	(void)sigfillset(&set);
	(void)sigdelset(&set, SIGUSR1);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	r = options_parse(5, argv, &options, message, sizeof(message));
	if (r == 0)
		r = session_new(
		    &options, f->cache, &s, message, sizeof(message));
	if (r < 0) {
		(void)fprintf(stderr, "# %s\n", message);
		_exit(2);
	}
	if (write(ready_fd, "", 1) != 1)
		_exit(3);
	r = session_loop(s, on_ending, NULL);
	session_free(s);
	options_fini(&options);
	/* All that was open is closed, whatever the kernel said. */
	_exit(r < 0 ? 4 : f->cache->open != 0 ? 5 : 0);
}

static int
set_up_mount(void **state, bool ro)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];
	char byte;

	assert_non_null(f);
	*state = f;
	f->ro = ro;
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return 0; /* the tests skip */
	f->cache = mmap(NULL, sizeof(*f->cache), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(f->cache != MAP_FAILED);
	lock_init(&f->cache->lock);
	(void)snprintf(f->folder, sizeof(f->folder), "/tmp/pailfs unit.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	assert_int_equal(pipe(fds), 0);
	f->pid = fork();
	if (f->pid == 0) {
		(void)close(fds[0]);
		serve(f, fds[1]);
	}
	(void)close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	(void)close(fds[0]);
	return 0;
}

static int
set_up(void **state)
{
	return set_up_mount(state, false);
}

/* Let the daemon end; -1: it did not, in time, or not well. */
static int
end_daemon(struct fixture *f)
{
	const struct timespec pause = { 0, 10000000 };
	int status = -1;
	pid_t pid = f->pid;

	f->pid = 0;
	(void)kill(pid, SIGTERM);
	for (int i = 0; i < WAIT_S * 100; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		(void)nanosleep(&pause, NULL);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	return -1;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	struct mountinfo info;
	int r = 0;

	if (f->pid != 0)
		r = end_daemon(f);
	if (f->cache != NULL) {
		/* if it failed */
		if (mountinfo_find(f->folder, &info) == 0)
			(void)mountinfo_clear(f->folder, &info);
		r |= rmdir(f->folder);
		(void)munmap(f->cache, sizeof(*f->cache));
	}
	free(f);
	return r;
}

static struct fixture *
need_fuse(void **state)
{
	struct fixture *f = *state;

	if (f->cache == NULL)
		skip();
	return f;
}

static const char *
path_of(const struct fixture *f, const char *name)
{
	static _Thread_local char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	return path;
}

#endif

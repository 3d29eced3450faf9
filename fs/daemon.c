/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon.c - into the background, but not before the mount answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/daemon.h"

#define EXTENSION_US "30000000"

/* In the parent: wait for a byte; none came if the child ended. */
static _Noreturn void
wait_for_child(int fd, pid_t pid, const char *mountpoint)
{
	struct stat st;
	int status;
	char byte;
	ssize_t n;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n != 1) {
		/* It has said why, unless it was killed. */
		if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
			(void)fprintf(stderr,
			    "pailfs: the daemon ended by signal %d\n",
			    WTERMSIG(status));
		_exit(1);
	}
	if (stat(mountpoint, &st) < 0) {
		(void)fprintf(stderr,
		    "pailfs: the mount on '%s' does not answer (%s): see its "
		    "log, or mount with -f\n",
		    mountpoint, strerror(errno));
		_exit(1);
	}
	_exit(0);
}

int
daemon_start(struct daemon *d, bool foreground, const char *mountpoint)
{
	int fds[2];
	pid_t pid;

	d->fd = -1;
	if (foreground)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		(void)close(fds[1]);
		wait_for_child(fds[0], pid, mountpoint);
	}
	(void)close(fds[0]);
	d->fd = fds[1];
	return setsid() < 0 ? -errno : 0;
}

static void *
guard(void *arg)
{
	sigset_t set;
	int sig;

	(void)arg;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGQUIT);
	if (sigwait(&set, &sig) != 0)
		return NULL;
	(void)fprintf(
	    stderr, "pailfs: ended by signal %d before it was mounted\n", sig);
	_exit(EXIT_FAILURE);
}

int
daemon_guard(struct daemon *d)
{
	int r = -pthread_create(&d->guard, NULL, guard, NULL);

	d->is_guarded = r == 0;
	return r;
}

void
daemon_unguard(struct daemon *d)
{
	if (!d->is_guarded)
		return;
	(void)pthread_cancel(d->guard); /* sigwait() lets it */
	(void)pthread_join(d->guard, NULL);
	d->is_guarded = false;
}

/* systemd's protocol, sd_notify(3): one datagram. */
static void
notify_manager(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = path == NULL ? 0 : strlen(path);
	int fd;

	if (len < 2 || len >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, len);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return; /* the manager will time out and say so */
	(void)sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)close(fd);
}

void
daemon_extend(void)
{
	notify_manager("EXTEND_TIMEOUT_USEC=" EXTENSION_US);
}

int
daemon_ready(struct daemon *d)
{
	int null, r = 0;

	if (d->fd < 0) {
		notify_manager("READY=1");
		return 0;
	}
	/* A folder that the daemon stands in could not be unmounted. */
	if (chdir("/") < 0)
		return -errno;
	null = open("/dev/null", O_RDWR);
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			(void)close(null);
	}
	if (write(d->fd, "", 1) != 1)
		r = -EPIPE;
	(void)close(d->fd);
	d->fd = -1;
	return r;
}

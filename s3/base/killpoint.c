/* SPDX-License-Identifier: Apache-2.0 */
/*
 * killpoint.c - places where a test has the program killed; else nothing.
 */
#include "s3/base/killpoint.h"

#ifdef PAILFS_KILL_POINTS

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_LEN 128

static struct {
	pthread_mutex_t mutex;
	char name[NAME_LEN]; /* [I] where to die; "": nowhere */
	unsigned long left;  /* [mutex] so many more passes */
	int log;             /* [I] -1: none */
	const char *how;     /* [I] what is broken, "": nothing */
} killpoint = { .mutex = PTHREAD_MUTEX_INITIALIZER, .log = -1, .how = "" };

void
killpoint_init(void)
{
	const char *at = getenv("PAILFS_KILL_AT");
	const char *log = getenv("PAILFS_KILL_LOG");
	const char *how = getenv("PAILFS_BREAK");
	const char *colon = at == NULL ? NULL : strrchr(at, ':');

	if (colon != NULL) {
		(void)snprintf(
		    killpoint.name, NAME_LEN, "%.*s", (int)(colon - at), at);
		killpoint.left = strtoul(colon + 1, NULL, 10);
	}
	if (log != NULL)
		killpoint.log =
		    open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (how != NULL)
		killpoint.how = how;
}

void
killpoint_pass(const char *fmt, ...)
{
	char name[NAME_LEN];
	va_list args;
	int n;

	va_start(args, fmt);
	(void)vsnprintf(name, sizeof(name) - 1, fmt, args);
	va_end(args);
	if (killpoint.log >= 0) {
		char line[NAME_LEN + 1];

		n = snprintf(line, sizeof(line), "%s\n", name);
		if (write(killpoint.log, line, (size_t)n) < 0)
			abort();
	}
	if (strcmp(name, killpoint.name) != 0)
		return;
	(void)pthread_mutex_lock(&killpoint.mutex);
	if (killpoint.left > 0 && --killpoint.left == 0)
		(void)kill(getpid(), SIGKILL);
	(void)pthread_mutex_unlock(&killpoint.mutex);
}

bool
killpoint_is_broken(const char *how)
{
	return strcmp(killpoint.how, how) == 0;
}

#endif

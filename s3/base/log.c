/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - messages for the person who runs the program.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "s3/base/log.h"

#define LINE_MAX_LEN 2048

static _Atomic int log_level = LOG_LEVEL_WARN;
static _Atomic int log_fd = STDERR_FILENO;
static _Atomic(const char *) log_ident; /* not NULL: syslog */

static const struct {
	const char *name;
	int priority;
} levels[] = {
	{ "error", LOG_ERR },
	{ "warning", LOG_WARNING },
	{ "info", LOG_INFO },
	{ "debug", LOG_DEBUG },
};

void
log_set_level(enum log_level level)
{
	log_level = (int)level;
}

bool
log_is_enabled(enum log_level level)
{
	return (int)level <= log_level;
}

int
log_open(const char *path)
{
	int fd, old;

	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	old = log_fd;
	if (old == STDERR_FILENO) {
		log_fd = fd;
		return 0;
	}
	/* Other threads may be writing: the number stays, the file changes. */
	if (dup3(fd, old, O_CLOEXEC) < 0) {
		int r = -errno;
		(void)close(fd); /* nothing written */
		return r;
	}
	(void)close(fd); /* its duplicate stays */
	return 0;
}

void
log_to_syslog(const char *ident)
{
	openlog(ident, LOG_PID, LOG_DAEMON);
	log_ident = ident;
}

/* "2026-11-21T04:05:06.789Z pailfs[123] warning: " */
static size_t
stamp(char *line, size_t max, enum log_level level)
{
	struct timespec ts;
	struct tm tm;
	char when[32];
	int n;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail */
	if (gmtime_r(&ts.tv_sec, &tm) == NULL ||
	    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		when[0] = '\0';
	n = snprintf(line, max, "%s.%03ldZ pailfs[%d] %s: ", when,
	    ts.tv_nsec / 1000000, (int)getpid(), levels[level].name);
	return n < 0 ? 0 : (size_t)n;
}

void
log_message(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_LEN];
	size_t head, len;
	va_list ap;

	if (!log_is_enabled(level))
		return;
	head = stamp(line, sizeof(line), level);
	va_start(ap, fmt);
	(void)vsnprintf(line + head, sizeof(line) - head - 1, fmt, ap);
	va_end(ap);
	/* A key may hold anything: one message is one line. */
	for (char *p = line + head; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
	if (log_ident != NULL) {
		syslog(levels[level].priority, "%s", line + head);
		return;
	}
	len = strlen(line);
	line[len++] = '\n';
	if (write(log_fd, line, len) < 0)
		return; /* nowhere left to say so */
}

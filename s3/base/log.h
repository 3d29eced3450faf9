/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - messages for the person who runs the program.
 *
 * A function either logs or returns its error, never both: main, reply and
 * the threads that have no caller log; s3/ and cache/ return.  log_debug() is
 * allowed anywhere, as key=value.  Messages are lower case, without a full
 * stop, and say what to do.  No secret and no signed URL goes in here.
 *
 * Destination: standard error, or a file (log_open), or syslog
 * (log_to_syslog).  Threads: any; a message is one write.
 */
#ifndef S3_BASE_LOG_H
#define S3_BASE_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR, /* something was not done */
	LOG_LEVEL_WARN,  /* done, but the user should know */
	LOG_LEVEL_INFO,  /* start, stop, state changes */
	LOG_LEVEL_DEBUG  /* each operation */
};

/* Messages above ${level} are dropped.  The default is LOG_LEVEL_WARN. */
void log_set_level(enum log_level level);

bool log_is_enabled(enum log_level level);

/**
 * log_open(path):
 * Append messages to the file ${path} (made 0600) instead of standard error;
 * opened anew by the next call (SIGHUP).
 * Returns: 0 or -errno.
 */
int log_open(const char *path);

/* Send messages to syslog under the name ${ident}, which must stay valid. */
void log_to_syslog(const char *ident);

void log_message(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_message(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                         \
	do {                                                                   \
		if (log_is_enabled(LOG_LEVEL_DEBUG))                           \
			log_message(LOG_LEVEL_DEBUG, __VA_ARGS__);             \
	} while (0)

#endif

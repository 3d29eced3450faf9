/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - limits of the process, and which signals it takes.
 */
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "fs/process.h"

/* A thread that waits for S3 needs little. */
#define THREAD_STACK "262144"

void
process_set_up(void)
{
	struct rlimit files, no_core = { 0, 0 };

	(void)umask(077);
	/* Secrets are in memory: neither core files nor other processes. */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	/* Hundreds of threads come and go: few arenas, trimmed. */
	(void)mallopt(M_ARENA_MAX, 2);
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 20);
	(void)mallopt(M_MMAP_THRESHOLD, 256 << 10);
	(void)setenv("FUSE_THREAD_STACK", THREAD_STACK, 0);
}

void
process_block_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGPIPE, SIGQUIT,
		SIGTERM, SIGUSR2 };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaddset(&set, signals[i]);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asked.c - whether a program that got a signal is asked to end by it.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/asked.h"
#include "s3/base/cleanup.h"

#define BIT(signal_number) (UINT64_C(1) << ((signal_number)-1))

/* Somebody wants it to end, whatever it makes of that. */
#define WISHES (BIT(SIGHUP) | BIT(SIGINT) | BIT(SIGQUIT) | BIT(SIGTERM))

/* If not caught they do nothing, or stop it. */
#define HARMLESS                                                               \
	(BIT(SIGCHLD) | BIT(SIGCONT) | BIT(SIGURG) | BIT(SIGWINCH) |           \
	    BIT(SIGSTOP) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU))

/* The mask in the line "\nNAME:\t00000000deadbeef" of proc(5)'s status. */
static uint64_t
mask_of(const char *status, const char *name)
{
	const char *line = strstr(status, name);

	return line == NULL ? 0 : strtoull(line + strlen(name), NULL, 16);
}

bool
asked_to_end(pid_t tid)
{
	char path[40], status[8192];
	AUTO_CLOSE int fd = -1;
	uint64_t waiting, quiet;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, status, sizeof(status) - 1);
	if (len <= 0)
		return true;
	status[len] = '\0';
	waiting = mask_of(status, "\nSigPnd:") | mask_of(status, "\nShdPnd:");
	waiting &= ~mask_of(status, "\nSigBlk:");
	quiet = mask_of(status, "\nSigIgn:") | mask_of(status, "\nSigCgt:") |
		HARMLESS;
	return (waiting & (WISHES | ~quiet)) != 0;
}

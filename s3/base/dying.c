/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dying.c - whether another process was killed and is only not gone yet.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>

#include "s3/base/dying.h"

/* Bit of a signal in the masks of /proc/PID/status. */
#define KILLED (UINT64_C(1) << (SIGKILL - 1))

/* "State:	Z (zombie)": its first thread has ended; or a signal that ends
 * it has come: each thread has SIGKILL pending until it runs (proc(5)). */
bool
dying_is(pid_t pid)
{
	char path[64], line[256], state;
	uint64_t pending;
	bool is_dying = false;
	FILE *f;

	if (pid <= 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (!is_dying && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "State: %c", &state) == 1)
			is_dying = state == 'Z' || state == 'X';
		else if (sscanf(line, "SigPnd: %" SCNx64, &pending) == 1)
			is_dying = (pending & KILLED) != 0;
	}
	(void)fclose(f); /* only read */
	return is_dying;
}

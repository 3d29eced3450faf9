/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dying.h - whether another process was killed and is only not gone yet.
 *
 * A killed process keeps what it has open, locks included, while a thread of
 * it waits in the kernel for what cannot be interrupted.  Pure but for /proc.
 */
#ifndef S3_BASE_DYING_H
#define S3_BASE_DYING_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether process ${pid} was killed, or has ended, and is still there. */
bool dying_is(pid_t pid);

#endif

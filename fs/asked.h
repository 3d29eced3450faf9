/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asked.h - whether a program that got a signal is asked to end by it.
 *
 * The kernel interrupts a request for any signal: a timer, or a child that
 * ended.  That is no reason for a stat(2) or close(2) to fail with EINTR, which
 * no program expects of a disk; a signal by which somebody wants the program to
 * end is one.
 */
#ifndef FS_ASKED_H
#define FS_ASKED_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * asked_to_end(tid):
 * Whether a signal waits for thread ${tid} that ends it, or would if it were
 * not caught: SIGHUP, SIGINT, SIGQUIT, SIGTERM, and all others that are neither
 * caught nor ignored.  True if that cannot be known (another PID namespace).
 */
bool asked_to_end(pid_t tid);

#endif

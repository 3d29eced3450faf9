/* SPDX-License-Identifier: Apache-2.0 */
/*
 * killpoint.h - places where a test has the program killed; else nothing.
 *
 * Only in the build FLAVOUR=kill (PAILFS_KILL_POINTS); in every other one the
 * macros are empty.  There the environment says, once, in main:
 *
 *	PAILFS_KILL_AT=NAME:N	SIGKILL when point NAME is passed for the N-th
 *				time, from 1
 *	PAILFS_KILL_LOG=FILE	append NAME of each point that is passed
 *	PAILFS_BREAK=HOW	a defect made on purpose, which tests/crash is
 *				to find:
 *		late_intent	a transaction is committed when the next one
 *				begins, not before what depends on it is
 *				acknowledged (db.c)
 *		early_part	a part counts as sent, and may be written to,
 *				before its answer is there (parts.c)
 *
 * Points: row.NAME.ATTRS.BYTES.before and .after the commit of a row in these
 * states (state.h), row.removed.*, db.commit.*, part.*, s3.OPERATION.before
 * and .after each request.
 */
#ifndef S3_BASE_KILLPOINT_H
#define S3_BASE_KILLPOINT_H

#include <stdbool.h>

#ifdef PAILFS_KILL_POINTS

/* Read the environment, before any thread starts. */
void killpoint_init(void);

/* A point, by its name as of printf(), is passed.  Locks: any. */
void killpoint_pass(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

bool killpoint_is_broken(const char *how);

#define KILL_INIT()     killpoint_init()
#define KILL_POINT(...) killpoint_pass(__VA_ARGS__)
#define IS_BROKEN(how)  killpoint_is_broken(how)

#else

#define KILL_INIT()     ((void)0)
#define KILL_POINT(...) ((void)0)
#define IS_BROKEN(how)  false

#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crash.h - the daemon is killed before, or with the answer lost after, a
 * certain request; a cache is opened on what that leaves.
 *
 *	crash_at(3, false);	... something is done ...
 *	mount_again();
 *
 * Role:    part of the fixture of cache_*_crash.c.  A kill: the cache folder is
 *          copied as it is then, and no request has an effect any more; the
 *          next cache is opened on the copy.
 */
#ifndef TESTS_UNIT_CRASH_H
#define TESTS_UNIT_CRASH_H

#include "tests/unit/cache_names.h"

#include <limits.h>

/* Set by the test, looked at and counted on the net thread. */
static struct {
	char copy[80];        /* of the folder */
	_Atomic unsigned at;  /* of requests that change something: the last */
	_Atomic bool is_done; /* it still has its effect */
	_Atomic unsigned count; /* so far */
	_Atomic bool is_dead;
} crash;

static inline bool
changes_something(const struct s3_call *call)
{
	return call->kind != S3_LIST_OBJECTS && call->kind != S3_HEAD_OBJECT &&
	       call->kind != S3_GET_OBJECT && call->kind != S3_LIST_PARTS &&
	       call->kind != S3_LIST_MULTIPART_UPLOADS;
}

/*
 * As it is now.  Who writes goes on: the database goes first, since it never
 * tells of bytes that are not in the chunk files yet.  If it is another one
 * afterwards, bytes may have gone meanwhile that it tells of: once more.
 */
static inline void
copy_folder(void)
{
	char command[1024];

	(void)snprintf(command, sizeof(command),
	    "cd %s && to=%s && for i in 1 2 3 4 5 6 7 8 9; do "
	    "mkdir $to && cp -a --parents */meta.db* $to && cp -an . $to && "
	    "(for db in */meta.db*; do cmp -s $db $to/$db || exit 1; done) && "
	    "exit 0; rm -rf $to; done; exit 1",
	    folder, crash.copy);
	assert_int_equal(system(command), 0);
}

/* As it was then. */
static inline void
restore_folder(void)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "rm -rf %s && mv %s %s",
	    folder, crash.copy, folder);
	assert_int_equal(system(command), 0);
}

/* No request is answered any more, or all are again.  One that comes meanwhile
 * is looked at by before(): only who knows that all fail lets it go. */
static inline void
set_dead(bool is_dead)
{
	for (int i = 0; i < S3_KIND_COUNT; i++)
		fake_fail(s3, (enum s3_kind)i, -EIO, is_dead ? UINT_MAX : 0);
	crash.is_dead = is_dead;
}

/* On the net thread, for which everybody waits. */
static inline void
before(struct s3 *bucket, const struct s3_call *call)
{
	if (crash.is_dead || !changes_something(call))
		return;
	crash.count++;
	if (crash.count == crash.at)
		copy_folder();
	if (crash.count == crash.at && crash.is_done)
		fake_lose(bucket, call->kind, 1);
	else if (crash.count >= crash.at)
		set_dead(true);
}

static inline void
crash_at(unsigned at, bool is_done)
{
	crash.count = 0;
	crash.at = at;
	crash.is_done = is_done;
	(void)snprintf(crash.copy, sizeof(crash.copy), "%s.killed", folder);
	fake_before(s3, before);
}

/* The folder is that of the kill, and the server answers.  false: there was no
 * kill, the requests were fewer. */
static inline bool
mount_again(void)
{
	bool was_killed = crash.count >= crash.at;

	/* The last one that had its effect may have been the last of all. */
	if (was_killed)
		set_dead(true);
	fake_before(s3, NULL);
	close_cache();
	set_dead(false);
	if (was_killed)
		restore_folder();
	atomic_fetch_add(&now_ms, 60000);
	open_cache();
	return was_killed;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base_dying.c - processes that live, that were killed, that are gone.
 *
 * Role:    unit test of s3/base/dying.c.  One that was killed and hangs takes
 *          a mount: tests/sys/test_dead_mount.py.
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "s3/base/dying.h"

static void
test_alive(void **state)
{
	(void)state;
	assert_false(dying_is(getpid()));
	assert_false(dying_is(1));
}

static void
test_killed(void **state)
{
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_false(dying_is(pid));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_true(dying_is(pid));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(dying_is(pid));
}

/* Stopped by a job's control is not dying; killed then, it is. */
static void
test_stopped(void **state)
{
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(
	    waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0);
	assert_false(dying_is(pid));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_true(dying_is(pid));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
test_none(void **state)
{
	(void)state;
	assert_false(dying_is(0));
	assert_false(dying_is(-1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alive),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

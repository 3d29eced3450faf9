/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ending.c - the thread that ends the loop.
 */
#include <errno.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <time.h>

#include "fs/ending.h"
#include "fs/running.h"
#include "s3/base/log.h"

/* How often the loop is looked at, and woken until it is over. */
#define LOOK_S  1
#define WAKE_NS 20000000

#define WAKE_SIGNAL SIGUSR1

static void
ignore(int signal_number)
{
	(void)signal_number; /* it interrupts a system call, no more */
}

static void
wake_loop(struct ending *e)
{
	const struct timespec pause = { 0, WAKE_NS };

	while (!e->is_over) {
		(void)pthread_kill(e->loop, WAKE_SIGNAL); /* it is there */
		(void)nanosleep(&pause, NULL);
	}
}

static void
end_loop(struct ending *e)
{
	running_end(e->running);
	e->tell(e->arg);
	fuse_session_exit(e->fuse);
	wake_loop(e);
}

static void
fill_signals(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGQUIT);
}

static void *
run(void *arg)
{
	const struct timespec look = { LOOK_S, 0 };
	struct ending *e = arg;
	sigset_t set;
	int sig;

	fill_signals(&set);
	while (!e->is_over) {
		sig = sigtimedwait(&set, NULL, &look);
		if (e->is_over)
			break;
		if (sig > 0) {
			log_info("ending: signal %d", sig);
			end_loop(e);
		} else if (fuse_session_exited(e->fuse)) {
			end_loop(e); /* unmounted by somebody else */
		} else {
			running_look(e->running);
		}
	}
	return NULL;
}

int
ending_start(
    struct ending *e, struct fuse_session *fuse, struct running *running)
{
	struct sigaction action = { .sa_handler = ignore };

	e->fuse = fuse;
	e->running = running;
	e->loop = pthread_self();
	e->is_over = 0;
	if (sigaction(WAKE_SIGNAL, &action, NULL) < 0)
		return -errno;
	return -pthread_create(&e->thread, NULL, run, e);
}

void
ending_stop(struct ending *e)
{
	e->is_over = 1;
	(void)pthread_kill(e->thread, SIGTERM); /* it is not joined yet */
	(void)pthread_join(e->thread, NULL);
}

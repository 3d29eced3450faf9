/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - a scenario again and again: in each run the next allocation fails,
 * until a run passes untouched.
 *
 *	static const struct loop_step steps[] = { { "open", open_it }, ... };
 *	loop_run(&(struct loop){ .name = "read", .set_up = set_up_read, ... });
 *	return loop_end();
 *
 * A step returns 0 or -errno.  One, the one that was hit or one after it (what
 * threads did meanwhile is told later), may return -ENOMEM, and
 * called again it must return 0: the program would go on as if nothing had
 * been.  check() then compares what is there with what was acknowledged.
 *
 * Each run is a process of its own: a crash, a leak (with ASan), a wrong result
 * or a hang is that run's, and is printed with its number.  As many run at once
 * as there are processors.
 *
 * From the environment, to look at a failure: LOOP_ONLY=NAME, LOOP_AT=N,
 * LOOP_OF=1|2|4|8 (enum alloc_of), ALLOC_TRACE=1; and LOOP_STRIDE=1 to leave
 * out nothing where a scenario else has only some allocations fail.
 */
#ifndef TESTS_FAULT_LOOP_H
#define TESTS_FAULT_LOOP_H

#include "tests/fault/alloc.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOP_UNTOUCHED 99
#define LOOP_JOBS_MAX  16
#define LOOP_LIMIT_S   120 /* of a run; some tens of milliseconds is usual */
#define LOOP_BAD_MAX   10

struct loop_step {
	const char *name;
	int (*run)(void);
};

struct loop {
	const char *name;
	void (*set_up)(void);
	const struct loop_step *steps;
	size_t count;
	void (*check)(void);
	void (*tear_down)(void);
	unsigned of; /* enum alloc_of: whose fail, one after the other */
	/* Of so many allocations one fails, of ours and of the libraries. */
	long own_stride;
	long lib_stride;
};

/* A run on its way. */
struct loop_job {
	pid_t pid; /* 0: none */
	long at;
	FILE *output;
};

/* A run under a sanitizer takes ten times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LOOP_FEWER 5
#else
#define LOOP_FEWER 1
#endif

static struct {
	unsigned bad;
	unsigned good;
	struct loop_job jobs[LOOP_JOBS_MAX];
} loop_state;

static long
loop_env(const char *name, long absent)
{
	const char *text = getenv(name);

	return text != NULL ? strtol(text, NULL, 10) : absent;
}

__attribute__((noreturn, format(printf, 1, 2))) static void
loop_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	_exit(1);
}

/* ---- in the child ---- */

static void
loop_do_step(const struct loop_step *step)
{
	static bool was_told;
	int r = step->run();

	if (r == 0)
		return;
	if (was_told || !alloc_has_failed())
		loop_die("%s: %s, and no allocation of it failed", step->name,
		    strerror(-r));
	if (r != -ENOMEM)
		loop_die("%s: %s, not ENOMEM", step->name, strerror(-r));
	was_told = true;
	alloc_disarm();
	r = step->run();
	if (r != 0)
		loop_die("%s: %s, when called again", step->name, strerror(-r));
}

__attribute__((noreturn)) static void
loop_child(const struct loop *l, unsigned of, long at)
{
	(void)alarm(LOOP_LIMIT_S);
	alloc_hooks();
	l->set_up();
	alloc_arm(of, at, false);
	for (size_t i = 0; i < l->count; i++)
		loop_do_step(&l->steps[i]);
	alloc_disarm();
	l->check();
	l->tear_down();
	if (getenv("LOOP_SHOW"))
		_exit(5);
	exit(alloc_has_failed() ? 0 : LOOP_UNTOUCHED);
}

/* ---- in the parent ---- */

static void
loop_start(const struct loop *l, unsigned of, long at, struct loop_job *job)
{
	job->at = at;
	job->output = tmpfile();
	if (job->output == NULL)
		loop_die("no temporary file: %s", strerror(errno));
	(void)fflush(stdout);
	job->pid = fork();
	if (job->pid < 0)
		loop_die("fork: %s", strerror(errno));
	if (job->pid > 0)
		return;
	(void)dup2(fileno(job->output), 1);
	(void)dup2(fileno(job->output), 2);
	loop_child(l, of, at);
}

static void
loop_show(const struct loop *l, unsigned of, struct loop_job *job, int status)
{
	char line[512];

	printf("# %s, allocation %ld of %u: %s %d\n", l->name, job->at, of,
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	rewind(job->output);
	while (fgets(line, sizeof(line), job->output) != NULL)
		printf("#   %s", line);
	loop_state.bad++;
}

/* Wait for one to end.  Returns: whether it was untouched. */
static bool
loop_wait(const struct loop *l, unsigned of)
{
	struct loop_job *job = NULL;
	int status;
	pid_t pid = wait(&status);

	for (size_t i = 0; i < LOOP_JOBS_MAX; i++)
		if (pid > 0 && loop_state.jobs[i].pid == pid)
			job = &loop_state.jobs[i];
	if (job == NULL)
		loop_die("wait: %s", strerror(errno));
	job->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		loop_state.good++;
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != LOOP_UNTOUCHED)
		loop_show(l, of, job, status);
	(void)fclose(job->output);
	return WIFEXITED(status) && WEXITSTATUS(status) == LOOP_UNTOUCHED;
}

static size_t
loop_busy(struct loop_job **ret_free, size_t jobs)
{
	size_t busy = 0;

	for (size_t i = 0; i < jobs; i++) {
		if (loop_state.jobs[i].pid != 0)
			busy++;
		else
			*ret_free = &loop_state.jobs[i];
	}
	return busy;
}

static void
loop_of(const struct loop *l, unsigned of)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t jobs = cpus < 1               ? 1
		      : cpus > LOOP_JOBS_MAX ? LOOP_JOBS_MAX
					     : (size_t)cpus;
	long stride = of == ALLOC_OWN ? l->own_stride : l->lib_stride;
	long only = loop_env("LOOP_AT", 0), at = only > 0 ? only : 1;
	unsigned bad = loop_state.bad, good = loop_state.good;
	struct loop_job *job = NULL;
	bool is_over = false;

	stride = loop_env("LOOP_STRIDE", stride * LOOP_FEWER);
	for (; !is_over && loop_state.bad < bad + LOOP_BAD_MAX; at += stride) {
		if (loop_busy(&job, jobs) == jobs)
			is_over = loop_wait(l, of);
		(void)loop_busy(&job, jobs);
		if (!is_over)
			loop_start(l, of, at, job);
		is_over = is_over || only > 0;
	}
	while (loop_busy(&job, jobs) > 0)
		(void)loop_wait(l, of);
	printf("%s %s of %u, %u runs\n",
	    loop_state.bad == bad ? "ok -" : "not ok -", l->name, of,
	    loop_state.good - good);
}

static void
loop_run(const struct loop *l)
{
	const char *only = getenv("LOOP_ONLY");
	unsigned of = (unsigned)loop_env("LOOP_OF", l->of);

	if (only != NULL && strcmp(only, l->name) != 0)
		return;
	for (unsigned bit = ALLOC_OWN; bit <= ALLOC_XML; bit *= 2)
		if ((of & l->of & bit) != 0)
			loop_of(l, bit);
}

static int
loop_end(void)
{
	return loop_state.bad == 0 ? 0 : 1;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tasks.c - threads that run tasks, which may wait for S3.
 */
#include "cache/tasks.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "s3/base/lock.h"

struct tasks {
	struct lock lock;
	pthread_cond_t work; /* a task was posted, or the end is near */
	struct list posted;  /* [lock] struct task */
	unsigned queued;     /* [lock] of them */
	pthread_t *threads;  /* [lock] owned */
	unsigned max;        /* [I] */
	unsigned count;      /* [lock] of threads */
	unsigned idle;       /* [lock] of them */
	bool is_stopping;    /* [lock] */
};

static void *
run_tasks(void *arg)
{
	struct tasks *t = arg;
	struct list *l;

	lock_take(&t->lock);
	for (;;) {
		l = list_pop(&t->posted);
		if (l != NULL) {
			struct task *task = LIST_ENTRY(l, struct task, link);

			t->queued--;
			lock_drop(&t->lock);
			task->run(task);
			lock_take(&t->lock);
			continue;
		}
		if (t->is_stopping)
			break;
		t->idle++;
		(void)pthread_cond_wait(&t->work, &t->lock.mutex);
		t->idle--;
	}
	lock_drop(&t->lock);
	return NULL;
}

int
tasks_new(unsigned max, struct tasks **ret)
{
	struct tasks *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->threads = calloc(max, sizeof(*t->threads));
	if (t->threads == NULL) {
		free(t);
		return -ENOMEM;
	}
	t->max = max;
	lock_init(&t->lock);
	(void)pthread_cond_init(&t->work, NULL); /* never fails */
	list_init(&t->posted);
	*ret = t;
	return 0;
}

void
tasks_post(struct tasks *t, struct task *task)
{
	lock_take(&t->lock);
	list_init(&task->link);
	list_append(&t->posted, &task->link);
	t->queued++;
	/* Who was woken is idle still, and may take one that waits for the
	 * next: a thread for each. */
	if (t->queued > t->idle && t->count < t->max &&
	    pthread_create(&t->threads[t->count], NULL, run_tasks, t) == 0)
		t->count++;
	(void)pthread_cond_signal(&t->work); /* never fails */
	lock_drop(&t->lock);
}

void
tasks_stop(struct tasks *t)
{
	unsigned joined = 0;

	if (t == NULL)
		return;
	lock_take(&t->lock);
	t->is_stopping = true;
	(void)pthread_cond_broadcast(&t->work);
	/* One that ends its last task may have begun another thread for the
	 * next. */
	while (joined < t->count) {
		pthread_t thread = t->threads[joined++];

		lock_drop(&t->lock);
		(void)pthread_join(thread, NULL); /* it exists */
		lock_take(&t->lock);
	}
	t->count = 0;
	lock_drop(&t->lock);
}

void
tasks_free(struct tasks *t)
{
	if (t == NULL)
		return;
	(void)pthread_cond_destroy(&t->work);
	lock_fini(&t->lock);
	free(t->threads);
	free(t);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify.c - what changed remotely is told to the kernel.
 */
#include <errno.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fs/notify.h"
#include "s3/base/list.h"
#include "s3/base/lock.h"
#include "s3/base/wait.h"

#define QUEUE_MAX 4096

struct message {
	struct list link;
	uint64_t parent;
	size_t name_len; /* 0: the directory itself */
	char name[];     /* with its '\0' */
};

struct notify {
	struct fuse_session *fuse; /* [I] once the thread runs */
	pthread_t thread;
	bool is_running;
	struct waiter waiter;
	struct lock lock;
	struct list queue; /* [lock] */
	unsigned count;    /* [lock] */
	bool is_stopping;  /* [lock] */
};

int
notify_new(struct notify **ret)
{
	struct notify *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return -ENOMEM;
	lock_init(&n->lock);
	waiter_init(&n->waiter);
	list_init(&n->queue);
	*ret = n;
	return 0;
}

static struct message *
next_message(struct notify *n, bool *ret_stop)
{
	struct list *l;

	lock_take(&n->lock);
	l = list_pop(&n->queue);
	if (l != NULL)
		n->count--;
	*ret_stop = n->is_stopping;
	lock_drop(&n->lock);
	return l == NULL ? NULL : LIST_ENTRY(l, struct message, link);
}

static void *
run(void *arg)
{
	struct notify *n = arg;
	struct message *m;
	bool stop;

	for (;;) {
		m = next_message(n, &stop);
		if (stop) {
			free(m);
			return NULL;
		}
		if (m == NULL) {
			(void)waiter_wait(&n->waiter, WAIT_FOREVER);
			continue;
		}
		/* -ENOENT: the kernel did not know it. */
		if (m->name_len > 0)
			(void)fuse_lowlevel_notify_inval_entry(
			    n->fuse, m->parent, m->name, m->name_len);
		else
			(void)fuse_lowlevel_notify_inval_inode(
			    n->fuse, m->parent, 0, 0);
		free(m);
	}
}

int
notify_start(struct notify *n, struct fuse_session *fuse)
{
	int r;

	n->fuse = fuse;
	r = pthread_create(&n->thread, NULL, run, n);
	n->is_running = r == 0;
	return -r;
}

void
notify_stop(struct notify *n)
{
	if (n == NULL || !n->is_running)
		return;
	lock_take(&n->lock);
	n->is_stopping = true;
	lock_drop(&n->lock);
	waiter_wake(&n->waiter);
	(void)pthread_join(n->thread, NULL); /* it exists */
	n->is_running = false;
}

void
notify_free(struct notify *n)
{
	struct list *l;

	if (n == NULL)
		return;
	while ((l = list_pop(&n->queue)) != NULL)
		free(LIST_ENTRY(l, struct message, link));
	waiter_fini(&n->waiter);
	lock_fini(&n->lock);
	free(n);
}

void
notify_entry(struct notify *n, uint64_t parent, const char *name)
{
	size_t len = name == NULL ? 0 : strlen(name);
	struct message *m = malloc(sizeof(*m) + len + 1);
	struct list *oldest = NULL;

	if (m == NULL)
		return; /* the kernel's timeout covers it */
	m->parent = parent;
	m->name_len = len;
	memcpy(m->name, name == NULL ? "" : name, len + 1);
	lock_take(&n->lock);
	list_append(&n->queue, &m->link);
	if (n->count == QUEUE_MAX)
		oldest = list_pop(&n->queue);
	else
		n->count++;
	lock_drop(&n->lock);
	waiter_wake(&n->waiter);
	if (oldest != NULL)
		free(LIST_ENTRY(oldest, struct message, link));
}

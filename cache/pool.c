/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c - the buffers that readers' bytes pass through, bounded in number.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "cache/pool.h"
#include "s3/base/lock.h"

struct pool {
	struct lock lock;
	pthread_cond_t free_one;
	size_t size;    /* [I] */
	unsigned count; /* [I] */
	unsigned made;  /* [lock] */
	unsigned idle;  /* [lock] of them, in buffers[] */
	void **buffers; /* [lock] the idle ones, last used on top */
};

int
pool_new(size_t size, unsigned count, struct pool **ret)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	p->buffers = calloc(count, sizeof(*p->buffers));
	if (p->buffers == NULL || pthread_cond_init(&p->free_one, NULL) != 0) {
		free(p->buffers);
		free(p);
		return -ENOMEM;
	}
	lock_init(&p->lock);
	p->size = size;
	p->count = count;
	*ret = p;
	return 0;
}

void
pool_free(struct pool *p)
{
	if (p == NULL)
		return;
	while (p->idle > 0)
		(void)munmap(p->buffers[--p->idle], p->size); /* ours */
	free(p->buffers);
	(void)pthread_cond_destroy(&p->free_one); /* nobody waits */
	lock_fini(&p->lock);
	free(p);
}

void *
pool_take(struct pool *p)
{
	void *buffer;

	lock_take(&p->lock);
	while (p->idle == 0 && p->made == p->count)
		(void)pthread_cond_wait(&p->free_one, &p->lock.mutex);
	if (p->idle > 0) {
		buffer = p->buffers[--p->idle];
	} else {
		buffer = mmap(NULL, p->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (buffer == MAP_FAILED)
			buffer = NULL;
		else
			p->made++;
	}
	lock_drop(&p->lock);
	return buffer;
}

void
pool_put(struct pool *p, void *buffer)
{
	lock_take(&p->lock);
	p->buffers[p->idle++] = buffer;
	(void)pthread_cond_signal(&p->free_one); /* cannot fail */
	lock_drop(&p->lock);
}

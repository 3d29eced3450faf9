/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.c - what S3 has under a key, or is to be done for a path, on its way
 * to pailctl.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cache/admin.h"
#include "fs/ctlline.h"
#include "fs/delivery.h"
#include "fs/keytext.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/lock.h"
#include "s3/base/wait.h"

#define LINES_MAX 1000 /* in one line */

struct delivery {
	struct deliveries *all;
	pthread_t thread;        /* [I] while is_used */
	bool is_used;            /* of the thread that starts them */
	bool is_over;            /* [lock] to be joined */
	int fd;                  /* [lock] to be closed; -1: it was */
	struct waiter waiter;    /* of the thread */
	enum delivery_kind kind; /* [I] */
	char *key;               /* [I] owned */
	json_t *lines;           /* of the thread: not sent yet */
};

struct deliveries {
	delivery_fn *run; /* [I] */
	void *arg;        /* [I] */
	struct lock lock;
	struct delivery slots[DELIVERIES_MAX];
};

json_t *
delivery_key_json(const char *key, size_t len)
{
	struct buf text = BUF_INIT(KEYTEXT_MAX);
	json_t *one = NULL, *plain = NULL;

	/* Not UTF-8, or with a NUL: no JSON string that all can read. */
	if (memchr(key, '\0', len) == NULL)
		plain = json_stringn(key, len);
	if (keytext_quote(key, len, &text) == 0)
		one = json_pack("{s:o?, s:s#}", "key", json_incref(plain),
		    "text", buf_str(&text), (int)text.len);
	json_decref(plain);
	buf_fini(&text);
	return one;
}

/* The descriptor stays open until the thread itself closes it. */
static int
send_bytes(void *arg, const void *data, size_t len)
{
	struct delivery *one = arg;
	int r;

	r = ctlline_send_json(
	    one->fd, json_pack("{s:I}", "len", (json_int_t)len));
	return r == 0 ? ctlline_send(one->fd, data, len) : r;
}

static int
send_lines(struct delivery *one)
{
	json_t *lines = one->lines;

	one->lines = NULL;
	return lines == NULL ? 0 : ctlline_send_json(one->fd, lines);
}

/* Takes ${line}; NULL: no memory. */
static int
add_line(struct delivery *one, json_t *line)
{
	if (one->lines == NULL)
		one->lines = json_array();
	if (json_array_append_new(one->lines, line) < 0)
		return -ENOMEM;
	return json_array_size(one->lines) < LINES_MAX ? 0 : send_lines(one);
}

static int
add_key(void *arg, const char *key, size_t key_len, uint64_t size)
{
	json_t *line = delivery_key_json(key, key_len);

	if (line != NULL && json_object_set_new(line, "size",
				json_integer((json_int_t)size)) < 0) {
		json_decref(line);
		line = NULL;
	}
	return add_line(arg, line);
}

/* ${line} with what ${more} has; takes both. */
static int
add_with(struct delivery *one, json_t *line, json_t *more)
{
	if (line != NULL && json_object_update(line, more) < 0) {
		json_decref(line);
		line = NULL;
	}
	json_decref(more);
	return add_line(one, line);
}

static int
add_upload(void *arg, const struct cache_upload *it)
{
	json_t *line = delivery_key_json(it->key, strlen(it->key));
	json_t *more = json_pack("{s:s, s:I, s:b}", "id", it->upload_id, "made",
	    (json_int_t)(it->made_ns / 1000000000), "ours",
	    it->is_ours ? 1 : 0);

	return add_with(arg, line, more);
}

static int
add_note(void *arg, const struct cache_note *it)
{
	const char *path = it->path == NULL ? "" : it->path;
	json_t *line = delivery_key_json(path, strlen(path));
	json_t *more =
	    json_pack("{s:s, s:s}", "what", it->what, "why", it->text);

	if (more != NULL && it->is_mended)
		(void)json_object_set_new(more, "mended", json_true());
	return add_with(arg, line, more);
}

/* At once: who waits is to see it. */
static int
send_left(void *arg, const struct cache_left *it)
{
	struct delivery *one = arg;

	return ctlline_send_json(one->fd,
	    json_pack("{s:I, s:I, s:I, s:I}", "files", (json_int_t)it->files,
		"bytes", (json_int_t)it->bytes, "names", (json_int_t)it->names,
		"attrs", (json_int_t)it->attrs));
}

/* The last line; who does not get it sees the end without it. */
static void
send_end(struct delivery *one, int r, const struct cache_key_call *call)
{
	json_t *end;

	if (r < 0)
		end = json_pack("{s:s}", "error",
		    call->message[0] != '\0' ? call->message : strerror(-r));
	else if (one->kind >= DELIVERY_FLUSH)
		end = json_pack("{s:b, s:I, s:I}", "done", 1, "found",
		    (json_int_t)call->found, "mended",
		    (json_int_t)call->mended);
	else
		end = json_pack("{s:b}", "done", 1);
	/* A message may name a key, which may be no UTF-8. */
	if (end == NULL)
		end = json_pack("{s:s}", "error", strerror(-r));
	(void)ctlline_send_json(one->fd, end);
}

static void *
run(void *arg)
{
	struct delivery *one = arg;
	struct deliveries *all = one->all;
	struct cache_key_call call = { .key = one->key,
		.bytes = send_bytes,
		.line = add_key,
		.upload = add_upload,
		.note = add_note,
		.left = send_left,
		.arg = one };
	int r;

	r = all->run(all->arg, one->kind, &call, &one->waiter);
	if (r == 0)
		r = send_lines(one);
	send_end(one, r, &call);
	json_decref(one->lines);
	one->lines = NULL;
	lock_take(&all->lock);
	(void)close(one->fd);
	one->fd = -1;
	one->is_over = true;
	lock_drop(&all->lock);
	return NULL;
}

static void
join(struct delivery *one)
{
	(void)pthread_join(one->thread, NULL); /* it exists */
	waiter_fini(&one->waiter);
	free(one->key);
	one->key = NULL;
	one->is_used = false;
}

/* A free slot; those that are over are. */
static struct delivery *
find_slot(struct deliveries *d)
{
	struct delivery *found = NULL;
	bool is_over;

	for (int i = 0; i < DELIVERIES_MAX; i++) {
		struct delivery *one = &d->slots[i];

		lock_take(&d->lock);
		is_over = one->is_over;
		lock_drop(&d->lock);
		if (one->is_used && is_over)
			join(one);
		if (!one->is_used)
			found = one;
	}
	return found;
}

int
delivery_start(
    struct deliveries *d, int fd, enum delivery_kind kind, struct buf *key)
{
	const struct timeval forever = { 0 };
	struct delivery *one = find_slot(d);
	int r;

	if (one == NULL)
		return -EBUSY;
	*one = (struct delivery){ .all = d, .fd = fd, .kind = kind };
	r = buf_take(key, &one->key);
	if (r < 0)
		return r;
	/* A pager may keep the pipe full: only this thread waits for it. */
	(void)setsockopt(
	    fd, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof(forever));
	waiter_init(&one->waiter);
	r = -pthread_create(&one->thread, NULL, run, one);
	if (r < 0) {
		waiter_fini(&one->waiter);
		free(one->key);
		one->key = NULL;
		return r;
	}
	one->is_used = true;
	return 0;
}

int
deliveries_new(delivery_fn *fn, void *arg, struct deliveries **ret)
{
	struct deliveries *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return -ENOMEM;
	d->run = fn;
	d->arg = arg;
	lock_init(&d->lock);
	*ret = d;
	return 0;
}

void
deliveries_free(struct deliveries *d)
{
	if (d == NULL)
		return;
	for (int i = 0; i < DELIVERIES_MAX; i++) {
		struct delivery *one = &d->slots[i];

		if (!one->is_used)
			continue;
		/* It waits for S3, or for who reads. */
		waiter_interrupt(&one->waiter);
		lock_take(&d->lock);
		if (one->fd >= 0)
			(void)shutdown(one->fd, SHUT_RDWR);
		lock_drop(&d->lock);
		join(one);
	}
	lock_fini(&d->lock);
	free(d);
}

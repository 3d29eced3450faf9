/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key.c - keys past the tree: the bytes of one, and which there are.
 *
 * Role:    what a person asks for who knows the key: it may have no path.
 *          Neither rows nor chunk files know of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/admin.h"
#include "cache/core.h"
#include "cache/pager.h"
#include "cache/trouble.h"
#include "s3/base/cleanup.h"

#define PART ((uint64_t)8 << 20) /* of a GET: what is in memory */

/* One part on its way. */
struct part {
	char *data;   /* owned, PART bytes */
	uint64_t off; /* of the object */
	uint64_t len;
};

/* Why, unless S3 has said it already. */
static int
complain(struct cache_key_call *call, int err, const char *why)
{
	(void)snprintf(call->message, sizeof(call->message), "%s", why);
	return err;
}

/* How a call of S3 ended. */
static int
judge(struct cache_key_call *call, const struct s3_call *s3_call)
{
	switch (s3_call->result.err) {
	case 0:
		return 0;
	case -ENOENT:
		return complain(call, -ENOENT, "there is no such key");
	case -ESTALE:
	case -ERANGE:
		return complain(call, -ESTALE,
		    "the object was changed while it was fetched");
	default:
		(void)complain(
		    call, s3_call->result.err, s3_call->result.message);
		return trouble_errno(s3_call);
	}
}

static int
check_key(struct cache *c, struct cache_key_call *call)
{
	const char *prefix = c->config.prefix;

	call->message[0] = '\0';
	if (strncmp(call->key, prefix, strlen(prefix)) != 0)
		return complain(call, -EPERM,
		    "the key is not below the prefix that is mounted");
	if (strlen(call->key) > S3_KEY_MAX)
		return complain(
		    call, -ENAMETOOLONG, "a key has at most 1024 bytes");
	return 0;
}

/* On the net thread. */
static int
take_bytes(void *arg, uint64_t off, const void *data, size_t len)
{
	struct part *part = arg;

	if (off < part->off || off - part->off > part->len ||
	    len > part->len - (off - part->off))
		return -EIO; /* the client checked it */
	memcpy(part->data + (off - part->off), data, len);
	return 0;
}

static int
get_part(struct cache *c, struct cache_key_call *call, const char *etag,
    struct part *part, struct waiter *w)
{
	struct s3_call get;
	int r;

	s3_call_init(&get, S3_GET_OBJECT);
	get.key = call->key;
	get.if_match = etag;
	get.off = part->off;
	get.len = part->len;
	get.sink = take_bytes;
	get.arg = part;
	(void)s3_run(c->s3, &get, w);
	r = judge(call, &get);
	if (r == 0 && get.received != part->len)
		r = complain(call, -EIO, "S3 gave too few bytes");
	s3_call_fini(&get);
	return r == -ENOENT ? complain(call, -ESTALE,
				  "the object went while it was fetched")
			    : r;
}

static int
get_parts(struct cache *c, struct cache_key_call *call,
    const struct s3_object *object, struct waiter *w)
{
	AUTO_FREE char *data = NULL;
	struct part part = { 0 };
	int r = 0;

	if (object->size == 0)
		return 0;
	if (object->etag == NULL)
		return complain(call, -EIO,
		    "S3 gave no ETag: parts could be of two versions");
	data = malloc(object->size < PART ? (size_t)object->size : PART);
	if (data == NULL)
		return -ENOMEM;
	part.data = data;
	while (r == 0 && part.off < object->size) {
		part.len = object->size - part.off;
		if (part.len > PART)
			part.len = PART;
		r = get_part(c, call, object->etag, &part, w);
		if (r == 0)
			r = call->bytes(call->arg, data, (size_t)part.len);
		part.off += part.len;
	}
	return r;
}

int
cache_key_get(struct cache *c, struct cache_key_call *call, struct waiter *w)
{
	struct s3_call head;
	int r = check_key(c, call);

	if (r < 0)
		return r;
	if (call->key[0] == '\0')
		return complain(call, -EINVAL, "a key has at least one byte");
	s3_call_init(&head, S3_HEAD_OBJECT);
	head.key = call->key;
	(void)s3_run(c->s3, &head, w);
	r = judge(call, &head);
	if (r == 0)
		r = get_parts(c, call, &head.object, w);
	s3_call_fini(&head);
	return r;
}

static int
give_page(struct cache_key_call *call, const struct s3_page *page)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < page->count; i++) {
		const struct s3_listed *listed = &page->entries[i];

		r = call->line(
		    call->arg, listed->key, listed->key_len, listed->size);
	}
	return r;
}

int
cache_key_list(struct cache *c, struct cache_key_call *call, struct waiter *w)
{
	const struct s3_page *page = NULL;
	struct pager *pager;
	int64_t sent_ms;
	int r = check_key(c, call);

	if (r == 0)
		r = pager_new(c->s3, call->key, false, NULL, &pager);
	if (r < 0)
		return r;
	do {
		r = pager_next(pager, w, &page, &sent_ms);
		if (r == 0 && page != NULL)
			r = give_page(call, page);
	} while (r == 0 && page != NULL);
	pager_free(pager);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zero.c - runs of zeros that S3 copies from an object of zeros.
 *
 * Role:    which bytes are zeros, and the object; part.c copies from it.
 * S3:      API_UploadPartCopy, "conditional writes".
 */
#include "cache/zero.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cache/core.h"
#include "cache/entry.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/crc.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/base/text.h"

#define NAME "zero/16777216" /* ZERO_SIZE */
#define TYPE "application/octet-stream"
#define MD5  "\"2c7ab85a893283e98c931e9511add182\"" /* of ZERO_SIZE zeros */

struct zero {
	char *key; /* [I] owned */
	struct lock lock;
	bool is_staged;  /* [lock] it is there, with this ETag */
	bool is_refused; /* [lock] */
	char *etag;      /* [lock] owned */
};

int
zero_new(struct cache *c, struct zero **ret)
{
	struct buf key = BUF_INIT(S3_KEY_MAX + sizeof(".pailfs/" NAME));
	struct zero *z = calloc(1, sizeof(*z));
	int r = z == NULL ? -ENOMEM : 0;

	if (r == 0)
		r = buf_printf(&key, "%s.pailfs/" NAME, c->config.prefix);
	if (r == 0)
		z->key = strdup(buf_str(&key));
	buf_fini(&key);
	if (z == NULL || z->key == NULL) {
		free(z);
		return r < 0 ? r : -ENOMEM;
	}
	/* A prefix may leave no room for the name. */
	z->is_refused = strlen(z->key) > S3_KEY_MAX;
	lock_init(&z->lock);
	*ret = z;
	return 0;
}

void
zero_free(struct zero *z)
{
	if (z == NULL)
		return;
	lock_fini(&z->lock);
	free(z->etag);
	free(z->key);
	free(z);
}

const char *
zero_key(struct cache *c)
{
	return c->zero->key;
}

uint64_t
zero_size(struct cache *c)
{
	bool is_refused;

	lock_take(&c->zero->lock);
	is_refused = c->zero->is_refused;
	lock_drop(&c->zero->lock);
	return is_refused ? 0 : ZERO_SIZE;
}

uint32_t
zero_crc(uint64_t len)
{
	static const uint8_t byte;
	uint32_t all = 0, power = crc32c(0, &byte, 1);

	/* ${power} is of 1, 2, 4 ... zeros. */
	for (uint64_t n = 1; len > 0; n *= 2, len /= 2) {
		if (len % 2 != 0)
			all = crc32c_combine(all, power, n);
		power = crc32c_combine(power, power, n);
	}
	return all;
}

/* ---- which bytes ---- */

int
zero_find(struct entry *e, struct rangeset *ret)
{
	struct rangeset dirty;
	int r;

	rangeset_init(&dirty);
	lock_take(&e->lock);
	r = rangeset_copy(&dirty, &e->chunk.dirty);
	lock_drop(&e->lock);
	for (size_t i = 0; r == 0 && i < dirty.count; i++)
		r = chunk_holes(&e->chunk, &dirty.ranges[i], S3_PART_MIN, ret);
	rangeset_fini(&dirty);
	return r;
}

/* ---- the object ---- */

/* On the net thread: what is sent. */
static int64_t
give_zeros(void *arg, uint64_t off, void *data, size_t len)
{
	size_t n = ZERO_SIZE - off < len ? (size_t)(ZERO_SIZE - off) : len;

	(void)arg;
	memset(data, 0, n);
	return (int64_t)n;
}

/* On the net thread: what came. */
static int
take_zeros(void *arg, uint64_t off, const void *data, size_t len)
{
	const uint8_t *p = data;

	(void)arg;
	(void)off;
	if (len > 0 && (p[0] != 0 || memcmp(p, p + 1, len - 1) != 0))
		return -EBADMSG;
	return 0;
}

static bool
is_refusal(int err)
{
	return err == -EACCES || err == -EINVAL || err == -EOPNOTSUPP;
}

/* Do ${call} on the object. */
static int
run(struct cache *c, struct s3_call *call)
{
	int r;

	call->key = c->zero->key;
	r = s3_run(c->s3, call, NULL);
	log_debug("zero call=%s key=%s err=%d request=%s",
	    s3_kind_name(call->kind), call->key, r, call->result.request_id);
	if (is_refusal(r))
		zero_refuse(c, call->result.message);
	return r;
}

/* Whether what is there, as ${head} found it, is zeros. */
static int
prove(struct cache *c, const struct s3_object *head)
{
	struct s3_call get;
	int r;

	if (head->size == ZERO_SIZE && text_same(head->etag, MD5))
		return 0;
	r = head->size == ZERO_SIZE ? 0 : -EBADMSG;
	if (r == 0) {
		s3_call_init(&get, S3_GET_OBJECT);
		get.if_match = head->etag;
		get.sink = take_zeros;
		r = run(c, &get);
		if (r == 0 && get.received != ZERO_SIZE)
			r = -EIO;
		s3_call_fini(&get);
	}
	if (r == -EBADMSG)
		zero_refuse(c, "it does not hold zeros: delete it");
	return r;
}

/* Is it there? */
static int
look(struct cache *c, char **ret_etag)
{
	struct s3_call head;
	int r;

	s3_call_init(&head, S3_HEAD_OBJECT);
	r = run(c, &head);
	if (r == 0)
		r = prove(c, &head.object);
	if (r == 0)
		*ret_etag = TAKE(head.object.etag);
	s3_call_fini(&head);
	return r;
}

/* Make it, if there is none.  Without a CRC32C: versitygw would say of each
 * range that is copied that it has the one of the whole. */
static int
make(struct cache *c)
{
	struct s3_call put;
	int r;

	s3_call_init(&put, S3_PUT_OBJECT);
	put.content_type = TYPE;
	put.if_none_match = "*";
	put.source = give_zeros;
	put.body_len = ZERO_SIZE;
	r = run(c, &put);
	s3_call_fini(&put);
	return r;
}

/* What is known.  -ENOENT: nothing yet; -EOPNOTSUPP: it is refused. */
static int
known(struct zero *z, char **ret_etag)
{
	int r = -ENOENT;

	lock_take(&z->lock);
	if (z->is_refused)
		r = -EOPNOTSUPP;
	else if (z->is_staged)
		r = 0;
	if (r == 0 && z->etag != NULL) {
		*ret_etag = strdup(z->etag);
		r = *ret_etag == NULL ? -ENOMEM : 0;
	}
	lock_drop(&z->lock);
	return r;
}

/* The object is marked busy: look, make, and look once more: it is proved, or
 * another was faster. */
static int
stage(struct cache *c, char **ret_etag)
{
	struct zero *z = c->zero;
	char *copy;
	int r;

	r = look(c, ret_etag);
	if (r == -ENOENT) {
		r = make(c);
		if (r == 0 || r == -ESTALE)
			r = look(c, ret_etag);
	}
	if (r < 0)
		return r;
	copy = text_copy(*ret_etag);
	if (copy == NULL && *ret_etag != NULL)
		return -ENOMEM;
	lock_take(&z->lock);
	text_set(&z->etag, copy);
	z->is_staged = true;
	lock_drop(&z->lock);
	return 0;
}

int
zero_get(struct cache *c, uint64_t bytes, char **ret_etag)
{
	struct keylock busy;
	int r;

	*ret_etag = NULL;
	r = known(c->zero, ret_etag);
	if (r != -ENOENT || bytes < ZERO_SIZE)
		return r;
	r = keylock_take(&c->keylocks, c->zero->key, NULL, &busy);
	if (r < 0)
		return r;
	r = known(c->zero, ret_etag);
	if (r == -ENOENT)
		r = stage(c, ret_etag);
	keylock_drop(&c->keylocks, &busy);
	return r;
}

void
zero_forget(struct cache *c, const char *etag)
{
	struct zero *z = c->zero;

	lock_take(&z->lock);
	if (text_same(z->etag, etag))
		z->is_staged = false;
	lock_drop(&z->lock);
}

void
zero_refuse(struct cache *c, const char *why)
{
	struct zero *z = c->zero;
	bool is_said;

	lock_take(&z->lock);
	is_said = z->is_refused;
	z->is_refused = true;
	lock_drop(&z->lock);
	if (!is_said)
		log_warn("zeros are sent like other bytes, they cannot be "
			 "copied from '%s': %s",
		    z->key, why);
}

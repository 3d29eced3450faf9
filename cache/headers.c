/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headers.c - the headers that an object is stored with, of its row.
 */
#include "cache/headers.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cache/attrs.h"
#include "cache/attrs_meta.h"
#include "cache/core.h"
#include "cache/mime.h"
#include "cache/view.h"
#include "s3/base/text.h"

#define TOKEN_BYTES 16
#define FAMILY_LEN  16 /* of a token */

void
headers_token(char ret[HEADERS_TOKEN_LEN + 1])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t bytes[TOKEN_BYTES];
	unsigned bits = 0, value = 0;
	size_t n = 0;

	/* So few bytes come whole; they fail only without a kernel of ours. */
	if (getrandom(bytes, sizeof(bytes), 0) != TOKEN_BYTES)
		abort();
	for (size_t i = 0; i < TOKEN_BYTES; i++) {
		value = (value << 8 | bytes[i]) & 0xffff;
		bits += 8;
		while (bits >= 6) {
			bits -= 6;
			ret[n++] = digits[value >> bits & 63];
		}
	}
	ret[n++] = digits[value << (6 - bits) & 63];
	ret[n] = '\0';
}

static bool
is_token(const char *s)
{
	return s != NULL && strlen(s) == HEADERS_TOKEN_LEN;
}

void
headers_token_like(const char *token, char ret[HEADERS_TOKEN_LEN + 1])
{
	headers_token(ret);
	if (is_token(token))
		memcpy(ret, token, FAMILY_LEN);
}

bool
headers_token_is_like(const char *a, const char *b)
{
	return is_token(a) && is_token(b) && memcmp(a, b, FAMILY_LEN) == 0;
}

/* A symlink's target is in its body, but for one that came in a header. */
static int
set_target(const struct row *row, struct attrs *a)
{
	if (row->kind != ROW_SYMLINK)
		return text_replace(&a->symlink, NULL);
	if (a->symlink == NULL && row->size == 0)
		return text_replace(&a->symlink, row->target);
	return 0;
}

/* All attributes of ${row} as callers see them, into ${a}. */
static int
set_attrs(struct cache *c, const struct row *row, struct attrs *a)
{
	struct cache_attr seen;
	int r;

	view_attr(c, row, &seen);
	a->has_mode = seen.mode != 0;
	a->mode = seen.mode;
	a->has_uid = true;
	a->uid = seen.uid;
	a->has_gid = true;
	a->gid = seen.gid;
	a->has_rdev = row->kind == ROW_SPECIAL && seen.rdev != 0;
	a->rdev = seen.rdev;
	a->has_mtime = seen.mtime_ns != 0;
	a->mtime_ns = seen.mtime_ns;
	a->has_atime = seen.atime_ns != 0;
	a->atime_ns = seen.atime_ns;
	a->has_ctime = seen.ctime_ns != 0;
	a->ctime_ns = seen.ctime_ns;
	r = set_target(row, a);
	return r == 0 ? text_replace(&a->token, row->token) : r;
}

static const char *
content_type(struct cache *c, const struct row *row)
{
	if (row->content_type != NULL)
		return row->content_type;
	switch (row->kind) {
	case ROW_DIR:
		return MIME_DIRECTORY;
	case ROW_SYMLINK:
	case ROW_SPECIAL:
		return MIME_DEFAULT;
	case ROW_UNKNOWN:
	case ROW_FILE:
		break;
	}
	return mime_of(c->mime, row->name);
}

int
headers_make(struct cache *c, const struct row *row, bool new_content,
    struct headers *ret)
{
	struct headers h = { 0 };
	struct attrs a;
	int r = 0;

	attrs_init(&a);
	if (row->meta != NULL)
		r = attrs_unpack(row->meta, row->meta_len, &a);
	if (r == 0)
		r = set_attrs(c, row, &a);
	if (r == 0)
		r = attrs_write(&a, new_content, &h.meta, &h.meta_count);
	attrs_fini(&a);
	if (r == 0)
		r = text_replace(&h.content_type, content_type(c, row));
	if (r < 0)
		headers_fini(&h);
	else
		*ret = h;
	return r;
}

void
headers_fini(struct headers *h)
{
	attrs_meta_free(h->meta, h->meta_count);
	free(h->content_type);
	*h = (struct headers){ 0 };
}

void
headers_apply(const struct headers *h, struct s3_call *call)
{
	call->content_type = h->content_type;
	call->meta = h->meta;
	call->meta_count = h->meta_count;
	if (call->kind == S3_COPY_OBJECT)
		call->replace_meta = true;
}

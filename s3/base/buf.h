/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h - a growing run of bytes, with a maximum.
 *
 * Calling sequence:
 *	struct buf b = BUF_INIT(1 << 20);
 *	r = buf_add(&b, data, len);
 *	r = buf_printf(&b, "%s=%d", name, value);
 *	... b.data, b.len; b.data[b.len] is always '\0' ...
 *	buf_fini(&b);
 *
 * Everything that comes from outside passes through one of these, so that
 * nobody's answer can use up the memory.  An error sticks: after a failed
 * call all later ones fail too and buf_error() tells, so that a sequence of
 * calls needs one check at its end.  No locks.
 */
#ifndef S3_BASE_BUF_H
#define S3_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;  /* owned; NULL while nothing was added */
	size_t len;  /* bytes used, without the final '\0' */
	size_t size; /* bytes allocated */
	size_t max;  /* len never exceeds this */
	int err;     /* 0, -ENOMEM, or -EOVERFLOW: over max */
};

/* clang-format off */
#define BUF_INIT(limit) { .data = NULL, .len = 0, .size = 0, .max = (limit), .err = 0 }
/* clang-format on */

void buf_init(struct buf *b, size_t max);

/* Free what ${b} holds; it is as after buf_init() with the same maximum. */
void buf_fini(struct buf *b);

/* Forget the bytes and the error, keep the memory. */
void buf_clear(struct buf *b);

/* Each returns 0, -ENOMEM, or -EOVERFLOW (more than max); then unchanged. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_add_char(struct buf *b, char c);
int buf_add_str(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Make room for ${more} bytes after len without adding them. */
int buf_reserve(struct buf *b, size_t more);

static inline int
buf_error(const struct buf *b)
{
	return b->err;
}

/**
 * buf_take(b, ret):
 * Hand the bytes over as a string in ${*ret} (owned by the caller; "" if
 * nothing was added).  ${b} is empty afterwards.
 * Returns: 0, or the error that stuck; then ${*ret} is untouched.
 */
int buf_take(struct buf *b, char **ret);

/* The bytes as a string, never NULL; valid until ${b} changes. */
static inline const char *
buf_str(const struct buf *b)
{
	return b->data != NULL ? b->data : "";
}

#endif

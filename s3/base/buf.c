/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.c - a growing run of bytes, with a maximum.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/buf.h"

#define SMALLEST 64

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf)BUF_INIT(max);
}

void
buf_fini(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->err = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

int
buf_reserve(struct buf *b, size_t more)
{
	size_t need, size;
	char *data;

	if (b->err < 0)
		return b->err;
	if (more > b->max - b->len || b->max == SIZE_MAX)
		return b->err = -EOVERFLOW;
	need = b->len + more + 1;
	if (need <= b->size)
		return 0;
	size = b->size < SMALLEST ? SMALLEST : b->size;
	while (size < need)
		size = size > SIZE_MAX / 2 ? need : size * 2;
	data = realloc(b->data, size);
	if (data == NULL)
		return b->err = -ENOMEM;
	b->data = data;
	b->size = size;
	b->data[b->len] = '\0';
	return 0;
}

int
buf_add(struct buf *b, const void *data, size_t len)
{
	int r = buf_reserve(b, len);

	if (r < 0)
		return r;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int
buf_add_char(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int
buf_add_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n, r;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return b->err = -EOVERFLOW;
	r = buf_reserve(b, (size_t)n);
	if (r < 0)
		return r;
	va_start(ap, fmt);
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

int
buf_take(struct buf *b, char **ret)
{
	int r = buf_reserve(b, 0);

	if (r < 0)
		return r;
	*ret = b->data;
	buf_init(b, b->max);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xattr.c - extended attributes in the metadata of a row.
 */
#include "cache/xattr.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "cache/attrs.h"
#include "cache/db.h"

/* The packed form of a row's metadata at most. */
#define PACKED_MAX (64U << 10)

/* The row's metadata as ${a} has it now. */
static int
pack(struct row *row, const struct attrs *a)
{
	struct buf meta = BUF_INIT(PACKED_MAX);
	char *data = NULL;
	size_t len;
	int r;

	r = attrs_pack(a, &meta);
	len = meta.len;
	if (r == 0)
		r = buf_take(&meta, &data);
	buf_fini(&meta);
	if (r < 0)
		return r;
	free(row->meta);
	row->meta = data;
	row->meta_len = len;
	return 0;
}

int
xattr_change(struct row *row, const struct xattr_set *x)
{
	struct attrs a;
	bool there;
	int r = 0;

	attrs_init(&a);
	if (row->meta != NULL)
		r = attrs_unpack(row->meta, row->meta_len, &a);
	there = r == 0 && attrs_xattr_find(&a, x->name) != NULL;
	if (r == 0 && there && (x->flags & XATTR_CREATE) != 0)
		r = -EEXIST;
	if (r == 0 && !there &&
	    (x->value == NULL || (x->flags & XATTR_REPLACE) != 0))
		r = -ENODATA;
	if (r == 0 && x->value == NULL)
		(void)attrs_xattr_remove(&a, x->name); /* it is there */
	else if (r == 0)
		r = attrs_xattr_set(&a, x->name, x->value, x->len);
	if (r == 0)
		r = pack(row, &a);
	attrs_fini(&a);
	return r;
}

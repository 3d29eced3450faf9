/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keytext.h - keys, which may hold any byte, as text of one line, and back.
 *
 * A key is written as it is, but for what could not be read, typed or sent as
 * text; such a byte is "%" and two hex digits, as in a URL:
 *
 *	%			itself, as %25
 *	control characters	and DEL, and U+0080 to U+009F
 *	bytes that are no UTF-8
 *	a blank			at either end of the key
 *
 * Read back, any byte may be written so ("%61" is "a").  Pure; no locks.
 */
#ifndef FS_KEYTEXT_H
#define FS_KEYTEXT_H

#include <stddef.h>

#include "s3/base/buf.h"

#define KEYTEXT_KEY_MAX ((size_t)1024) /* bytes, S3's limit */
#define KEYTEXT_MAX     (3 * KEYTEXT_KEY_MAX)

/* Append ${key} as text, which is UTF-8, to ${ret}: 0, or buf's error. */
int keytext_quote(const char *key, size_t len, struct buf *ret);

/**
 * keytext_unquote(text, ret):
 * Append the key that ${text} is to ${ret}.
 * Returns: 0; -EINVAL a "%" without two hex digits, or a NUL byte; buf's error.
 */
int keytext_unquote(const char *text, struct buf *ret);

#endif

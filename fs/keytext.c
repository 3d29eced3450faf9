/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keytext.c - keys, which may hold any byte, as text of one line, and back.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "fs/keytext.h"

static const char digits[] = "0123456789ABCDEF";

/* How long the character that begins with ${byte} is; 0: none does. */
static size_t
char_len(uint8_t byte)
{
	if (byte < 0x80)
		return 1;
	if (byte >= 0xc2 && byte < 0xe0)
		return 2;
	if (byte >= 0xe0 && byte < 0xf0)
		return 3;
	return byte >= 0xf0 && byte < 0xf5 ? 4 : 0;
}

/* Overlong, a surrogate, above U+10FFFF, or a control character. */
static bool
is_bad_pair(uint8_t first, uint8_t second)
{
	return (first == 0xc2 && second < 0xa0) ||
	       (first == 0xe0 && second < 0xa0) ||
	       (first == 0xed && second > 0x9f) ||
	       (first == 0xf0 && second < 0x90) ||
	       (first == 0xf4 && second > 0x8f);
}

/* The length of the character at ${p} if it is fit to be seen; else 0. */
static size_t
plain_len(const uint8_t *p, size_t left)
{
	size_t len = char_len(p[0]);

	if (len == 0 || len > left)
		return 0;
	if (len == 1)
		return p[0] >= 0x20 && p[0] != 0x7f && p[0] != '%';
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return is_bad_pair(p[0], p[1]) ? 0 : len;
}

int
keytext_quote(const char *key, size_t len, struct buf *ret)
{
	const uint8_t *p = (const uint8_t *)key;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = plain_len(p + i, len - i);
		if (p[i] == ' ' && (i == 0 || i == len - 1))
			n = 0;
		if (n > 0) {
			(void)buf_add(ret, p + i, n); /* the error sticks */
			continue;
		}
		n = 1;
		(void)buf_add_char(ret, '%');
		(void)buf_add_char(ret, digits[p[i] >> 4]);
		(void)buf_add_char(ret, digits[p[i] & 15]);
	}
	return buf_error(ret);
}

/* The value of a hex digit, or -1. */
static int
hex(char c)
{
	const char *p;

	if (c >= 'a' && c <= 'f')
		c = (char)(c - 'a' + 'A');
	p = c == '\0' ? NULL : strchr(digits, c);
	return p == NULL ? -1 : (int)(p - digits);
}

int
keytext_unquote(const char *text, struct buf *ret)
{
	for (const char *p = text; *p != '\0'; p++) {
		char c = *p;

		if (c == '%') {
			int high = hex(p[1]), low = high < 0 ? -1 : hex(p[2]);

			if (low < 0 || (high | low) == 0)
				return -EINVAL;
			c = (char)(high << 4 | low);
			p += 2;
		}
		(void)buf_add_char(ret, c); /* the error sticks */
	}
	return buf_error(ret);
}

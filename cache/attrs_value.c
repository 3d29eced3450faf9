/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attrs_value.c - the values of metadata headers: numbers, times, encodings.
 *
 * Role:    pure; what attrs.c reads and writes is made of these.
 */
#include "cache/attrs_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"

#define NS_PER_S UINT64_C(1000000000)
#define MODE_MAX 0177777 /* type and permissions */

/* ---- numbers ---- */

static const char *
skip_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* The digits of ${base} at ${*s}: at least one, up to ${max}; moves on. */
static bool
take_digits(const char **s, unsigned base, uint64_t max, uint64_t *ret)
{
	const char *p = *s;
	uint64_t value = 0, digit;

	for (; *p >= '0' && (unsigned)(*p - '0') < base; p++) {
		digit = (uint64_t)(*p - '0');
		if (value > (max - digit) / base)
			return false;
		value = value * base + digit;
	}
	if (p == *s)
		return false;
	*s = p;
	*ret = value;
	return true;
}

bool
attrs_value_number(const char *s, unsigned base, uint32_t max, uint32_t *ret)
{
	uint64_t value;

	s = skip_blanks(s);
	if (!take_digits(&s, base, max, &value) || *skip_blanks(s) != '\0')
		return false;
	*ret = (uint32_t)value;
	return true;
}

static bool
has_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return true;
	default:
		return false;
	}
}

bool
attrs_value_octal_mode(const char *s, uint32_t *ret)
{
	uint32_t mode;

	if (!attrs_value_number(s, 8, MODE_MAX, &mode) ||
	    (!has_type(mode) && (mode & S_IFMT) != 0))
		return false;
	*ret = mode;
	return true;
}

bool
attrs_value_mode(const char *s, uint32_t *ret)
{
	uint32_t mode;

	s = skip_blanks(s);
	if (s[0] == '0' && s[1] >= '0' && s[1] <= '7')
		return attrs_value_octal_mode(s, ret);
	if (attrs_value_number(s, 10, MODE_MAX, &mode) &&
	    (has_type(mode) || (mode & S_IFMT) == 0)) {
		*ret = mode;
		return true;
	}
	if (!attrs_value_octal_mode(s, &mode) ||
	    (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode)))
		return false;
	*ret = mode;
	return true;
}

/* The fraction of a second behind the '.': nine digits count. */
static uint64_t
take_fraction(const char **s)
{
	uint64_t ns = 0, unit = NS_PER_S / 10;

	for (; **s >= '0' && **s <= '9'; (*s)++) {
		ns += (uint64_t)(**s - '0') * unit;
		unit /= 10;
	}
	return ns;
}

/* The nanoseconds in the unit that ${*s} goes on with; moves on. */
static uint64_t
take_unit(const char **s)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 },
		{ "s", NS_PER_S } };
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strncmp(*s, units[i].text, strlen(units[i].text)) != 0)
			continue;
		*s += strlen(units[i].text);
		return units[i].ns;
	}
	return NS_PER_S;
}

bool
attrs_value_time(const char *s, bool has_unit, int64_t *ret)
{
	const uint64_t max = (uint64_t)INT64_MAX;
	uint64_t value, ns = 0, unit = NS_PER_S;
	bool negative, has_fraction;

	s = skip_blanks(s);
	negative = *s == '-';
	if (negative)
		s++;
	if (!take_digits(&s, 10, max, &value))
		return false;
	has_fraction = *s == '.';
	if (has_fraction) {
		s++;
		ns = take_fraction(&s);
	}
	if (has_unit)
		unit = take_unit(&s);
	if (*skip_blanks(s) != '\0' || (has_fraction && unit != NS_PER_S))
		return false;
	if (__builtin_mul_overflow(value, unit, &value) ||
	    __builtin_add_overflow(value, ns, &value))
		return false;
	if (value > max + (negative ? 1 : 0))
		return false;
	*ret = negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

/* ---- %XX and base64 ---- */

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *p;

	if (c >= 'A' && c <= 'F')
		c = (char)(c - 'A' + 'a');
	p = c != '\0' ? strchr(digits, c) : NULL;
	return p != NULL ? (int)(p - digits) : -1;
}

int
attrs_value_unescape(const char *s, char **ret, size_t *ret_len)
{
	AUTO_FREE char *text = malloc(strlen(s) + 1);
	size_t len = 0;
	int high, low;

	if (text == NULL)
		return -ENOMEM;
	for (; *s != '\0'; s++) {
		if (*s != '%') {
			text[len++] = *s;
			continue;
		}
		high = hex_digit(s[1]);
		low = high >= 0 ? hex_digit(s[2]) : -1;
		if (low < 0)
			return 0;
		text[len++] = (char)(high * 16 + low);
		s += 2;
	}
	text[len] = '\0';
	*ret = TAKE(text);
	*ret_len = len;
	return 1;
}

int
attrs_value_escape(struct buf *b, const char *s, const char *plain)
{
	int r = 0;

	for (; *s != '\0' && r == 0; s++) {
		if ((*s >= '0' && *s <= '9') || (*s >= 'A' && *s <= 'Z') ||
		    (*s >= 'a' && *s <= 'z') || strchr(plain, *s) != NULL)
			r = buf_add_char(b, *s);
		else
			r = buf_printf(b, "%%%02X", (unsigned)(uint8_t)*s);
	}
	return r;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

bool
attrs_value_base64(const char *s, size_t len, uint8_t *out, size_t *ret_len)
{
	size_t i, count = 0, pad = 0;
	uint32_t bits = 0;
	int value;

	while (len > 0 && s[len - 1] == '=' && pad < 2) {
		len--;
		pad++;
	}
	if (len % 4 == 1 || (pad > 0 && (len + pad) % 4 != 0))
		return false;
	for (i = 0; i < len; i++) {
		value = base64_value(s[i]);
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 != 0)
			out[count++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	*ret_len = count;
	return true;
}

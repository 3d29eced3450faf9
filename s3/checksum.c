/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checksum.c - CRC32C as S3 writes it.
 *
 * Role:    pure; between crc.c and the headers and documents of S3.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/checksum.h"
#include "s3/limits.h"

#define DIGITS 6 /* of four bytes in base64; then "==" */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz0123456789+/";

void
checksum_format(uint32_t crc, char ret[CHECKSUM_CRC32C_SIZE])
{
	uint64_t bits = (uint64_t)crc << 4; /* 36 bits are six digits */

	for (int i = 0; i < DIGITS; i++)
		ret[i] = alphabet[bits >> (30 - 6 * i) & 63];
	memcpy(ret + DIGITS, "==", 3);
}

/* Read "-N" at the end of a composite checksum. */
static int
parse_parts(const char *s, unsigned *ret)
{
	unsigned long n;
	char *end;

	if (s[0] != '-' || s[1] < '1' || s[1] > '9')
		return -EINVAL;
	n = strtoul(s + 1, &end, 10);
	if (*end != '\0' || n > S3_PARTS_MAX)
		return -EINVAL;
	*ret = (unsigned)n;
	return 0;
}

int
checksum_parse(const char *s, struct checksum *ret)
{
	uint64_t bits = 0;
	unsigned parts = 0;
	const char *digit;
	int r;

	for (int i = 0; i < DIGITS; i++) {
		digit = s[i] != '\0' ? strchr(alphabet, s[i]) : NULL;
		if (digit == NULL)
			return -EINVAL;
		bits = bits << 6 | (uint64_t)(digit - alphabet);
	}
	if ((bits & 15) != 0 || strncmp(s + DIGITS, "==", 2) != 0)
		return -EINVAL;
	if (s[DIGITS + 2] != '\0') {
		r = parse_parts(s + DIGITS + 2, &parts);
		if (r < 0)
			return r;
	}
	ret->crc32c = (uint32_t)(bits >> 4);
	ret->parts = parts;
	return 0;
}

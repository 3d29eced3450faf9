/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checksum.h - CRC32C as S3 writes it.
 *
 * x-amz-checksum-crc32c is base64 of the four bytes, highest first.  That of
 * a multipart object is either of the whole (FULL_OBJECT), or the CRC of the
 * CRCs of its parts (COMPOSITE), then followed by "-" and their number.
 * Pure.
 */
#ifndef S3_CHECKSUM_H
#define S3_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKSUM_CRC32C_SIZE 9 /* "4waSgw==" and '\0' */

struct checksum {
	uint32_t crc32c;
	unsigned parts; /* of a composite one; 0: of the whole object */
};

/* Write ${crc} as the value of x-amz-checksum-crc32c. */
void checksum_format(uint32_t crc, char ret[CHECKSUM_CRC32C_SIZE]);

/* Read such a value.  Returns: 0; -EINVAL. */
int checksum_parse(const char *s, struct checksum *ret);

#endif

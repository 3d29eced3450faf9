/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc.h - CRC32C (Castagnoli), as blocks, parts and S3 are checked with.
 *
 * The CRC of a whole is made from those of its parts without their bytes:
 *
 *	a = crc32c(0, data, 100);
 *	b = crc32c(0, data + 100, 28);
 *	crc32c_combine(a, b, 28) == crc32c(0, data, 128)
 *
 * For many parts of one length, ask crc32c_shift() once.  Pure; the
 * processor's own instruction is used where there is one.
 */
#ifndef S3_BASE_CRC_H
#define S3_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of what ${crc} is of (0: nothing), followed by ${data}. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The same in portable C, for machines without the instruction. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

/* The CRC of A followed by B: ${a} of A, ${b} of B, which is ${len_b} long. */
uint32_t crc32c_combine(uint32_t a, uint32_t b, uint64_t len_b);

/* What crc32c_combine_shift() wants to know of a length. */
uint32_t crc32c_shift(uint64_t len_b);

/* As crc32c_combine(), with ${shift} from crc32c_shift(len_b). */
uint32_t crc32c_combine_shift(uint32_t a, uint32_t b, uint32_t shift);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc.c - CRC32C (Castagnoli), as blocks, parts and S3 are checked with.
 *
 * A CRC is a polynomial over GF(2) modulo POLY, bits reversed: bit 31 is the
 * coefficient of x^0.  To append n zero bytes is to multiply by x^(8n), and
 * so two CRCs are combined by one multiplication.  The instruction of x86 has
 * a latency of three cycles but starts each cycle: three streams run at once
 * and are combined in the same way.
 */
#include <endian.h>
#include <string.h>

#include "s3/base/crc.h"

#define POLY   UINT32_C(0x82f63b78)
#define X0     UINT32_C(0x80000000) /* x^0, that is 1 */
#define X8     UINT32_C(0x00800000) /* x^8: one byte */
#define LANE   8192                 /* bytes of each of three streams */
#define X_LANE UINT32_C(0x28461564) /* x^(8 * LANE), checked by a test */

/*
 * Slicing by 8: slice[k][v] is the CRC of the byte v and k zero bytes.  It is
 * linear in the bits of v, so that eight numbers give the other 248.
 */
/* clang-format off */
#define BIT(v, b, c) (((v) >> (b) & 1) * UINT32_C(c))
#define S0(v) (BIT(v, 0, 0xf26b8303) ^ BIT(v, 1, 0xe13b70f7) ^ \
	BIT(v, 2, 0xc79a971f) ^ BIT(v, 3, 0x8ad958cf) ^ \
	BIT(v, 4, 0x105ec76f) ^ BIT(v, 5, 0x20bd8ede) ^ \
	BIT(v, 6, 0x417b1dbc) ^ BIT(v, 7, 0x82f63b78))
#define S1(v) (BIT(v, 0, 0x13a29877) ^ BIT(v, 1, 0x274530ee) ^ \
	BIT(v, 2, 0x4e8a61dc) ^ BIT(v, 3, 0x9d14c3b8) ^ \
	BIT(v, 4, 0x3fc5f181) ^ BIT(v, 5, 0x7f8be302) ^ \
	BIT(v, 6, 0xff17c604) ^ BIT(v, 7, 0xfbc3faf9))
#define S2(v) (BIT(v, 0, 0xa541927e) ^ BIT(v, 1, 0x4f6f520d) ^ \
	BIT(v, 2, 0x9edea41a) ^ BIT(v, 3, 0x38513ec5) ^ \
	BIT(v, 4, 0x70a27d8a) ^ BIT(v, 5, 0xe144fb14) ^ \
	BIT(v, 6, 0xc76580d9) ^ BIT(v, 7, 0x8b277743))
#define S3(v) (BIT(v, 0, 0xdd45aab8) ^ BIT(v, 1, 0xbf672381) ^ \
	BIT(v, 2, 0x7b2231f3) ^ BIT(v, 3, 0xf64463e6) ^ \
	BIT(v, 4, 0xe964b13d) ^ BIT(v, 5, 0xd725148b) ^ \
	BIT(v, 6, 0xaba65fe7) ^ BIT(v, 7, 0x52a0c93f))
#define S4(v) (BIT(v, 0, 0x38116fac) ^ BIT(v, 1, 0x7022df58) ^ \
	BIT(v, 2, 0xe045beb0) ^ BIT(v, 3, 0xc5670b91) ^ \
	BIT(v, 4, 0x8f2261d3) ^ BIT(v, 5, 0x1ba8b557) ^ \
	BIT(v, 6, 0x37516aae) ^ BIT(v, 7, 0x6ea2d55c))
#define S5(v) (BIT(v, 0, 0xef306b19) ^ BIT(v, 1, 0xdb8ca0c3) ^ \
	BIT(v, 2, 0xb2f53777) ^ BIT(v, 3, 0x6006181f) ^ \
	BIT(v, 4, 0xc00c303e) ^ BIT(v, 5, 0x85f4168d) ^ \
	BIT(v, 6, 0x0e045beb) ^ BIT(v, 7, 0x1c08b7d6))
#define S6(v) (BIT(v, 0, 0x68032cc8) ^ BIT(v, 1, 0xd0065990) ^ \
	BIT(v, 2, 0xa5e0c5d1) ^ BIT(v, 3, 0x4e2dfd53) ^ \
	BIT(v, 4, 0x9c5bfaa6) ^ BIT(v, 5, 0x3d5b83bd) ^ \
	BIT(v, 6, 0x7ab7077a) ^ BIT(v, 7, 0xf56e0ef4))
#define S7(v) (BIT(v, 0, 0x493c7d27) ^ BIT(v, 1, 0x9278fa4e) ^ \
	BIT(v, 2, 0x211d826d) ^ BIT(v, 3, 0x423b04da) ^ \
	BIT(v, 4, 0x847609b4) ^ BIT(v, 5, 0x0d006599) ^ \
	BIT(v, 6, 0x1a00cb32) ^ BIT(v, 7, 0x34019664))
#define V4(s, v) s(v), s((v) + 1), s((v) + 2), s((v) + 3)
#define V16(s, v) V4(s, v), V4(s, (v) + 4), V4(s, (v) + 8), V4(s, (v) + 12)
#define V64(s, v) V16(s, v), V16(s, (v) + 16), V16(s, (v) + 32), \
	V16(s, (v) + 48)
#define V256(s) { V64(s, 0), V64(s, 64), V64(s, 128), V64(s, 192) }

static const uint32_t slice[8][256] = {
	V256(S0), V256(S1), V256(S2), V256(S3),
	V256(S4), V256(S5), V256(S6), V256(S7)
};
/* clang-format on */

static uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

uint32_t
crc32c_portable(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t v;

	crc = ~crc;
	for (; len >= 8; p += 8, len -= 8) {
		v = load64(p) ^ crc;
		crc = 0;
		for (unsigned i = 0; i < 8; i++)
			crc ^= slice[7 - i][v >> 8 * i & 0xff];
	}
	for (; len > 0; p++, len--)
		crc = crc >> 8 ^ slice[0][(crc ^ *p) & 0xff];
	return ~crc;
}

/* The product of two polynomials modulo POLY. */
static uint32_t
multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (; a != 0; a <<= 1) {
		product ^= b & (0 - (a >> 31));
		b = b >> 1 ^ (POLY & (0 - (b & 1)));
	}
	return product;
}

uint32_t
crc32c_shift(uint64_t len_b)
{
	uint32_t shift = X0, square = X8;

	for (; len_b != 0; len_b >>= 1) {
		if (len_b & 1)
			shift = multiply(shift, square);
		square = multiply(square, square);
	}
	return shift;
}

uint32_t
crc32c_combine_shift(uint32_t a, uint32_t b, uint32_t shift)
{
	return multiply(a, shift) ^ b;
}

uint32_t
crc32c_combine(uint32_t a, uint32_t b, uint64_t len_b)
{
	return crc32c_combine_shift(a, b, crc32c_shift(len_b));
}

#if defined(__x86_64__)

/* As crc32c(), but without the inversions, for ${len} bytes of one stream. */
__attribute__((target("sse4.2"))) static uint32_t
one_stream(uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t c = crc;

	for (; len >= 8; p += 8, len -= 8)
		c = __builtin_ia32_crc32di(c, load64(p));
	crc = (uint32_t)c;
	for (; len > 0; p++, len--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}

__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t a, b, c;

	crc = ~crc;
	for (; len >= 3 * LANE; p += 3 * LANE, len -= 3 * LANE) {
		a = crc;
		b = 0;
		c = 0;
		for (size_t i = 0; i < LANE; i += 8) {
			a = __builtin_ia32_crc32di(a, load64(p + i));
			b = __builtin_ia32_crc32di(b, load64(p + i + LANE));
			c = __builtin_ia32_crc32di(c, load64(p + i + 2 * LANE));
		}
		crc = multiply((uint32_t)a, X_LANE) ^ (uint32_t)b;
		crc = multiply(crc, X_LANE) ^ (uint32_t)c;
	}
	return ~one_stream(crc, p, len);
}

#elif defined(__ARM_FEATURE_CRC32)

static uint32_t
crc32c_arm(uint32_t crc, const uint8_t *p, size_t len)
{
	crc = ~crc;
	for (; len >= 8; p += 8, len -= 8)
		crc = __builtin_aarch64_crc32cx(crc, load64(p));
	for (; len > 0; p++, len--)
		crc = __builtin_aarch64_crc32cb(crc, *p);
	return ~crc;
}

#endif

uint32_t
crc32c(uint32_t crc, const void *data, size_t len)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(crc, data, len);
#elif defined(__ARM_FEATURE_CRC32)
	return crc32c_arm(crc, data, len);
#endif
	return crc32c_portable(crc, data, len);
}

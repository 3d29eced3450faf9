/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.c - the checksum of a body as it comes.
 *
 * CRC64NVME and CRC32 are both reflected, with all bits set before and
 * inverted after: they differ in polynomial and width only.  They are made by
 * slicing by 8; to fill the 16 KiB of tables takes microseconds.
 */
#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/crc.h"
#include "s3/digest.h"

static const struct {
	size_t len;    /* bytes */
	uint64_t poly; /* reflected; 0: neither of the two */
} kinds[DIGEST_KIND_COUNT] = {
	[DIGEST_CRC32C] = { 4, 0 },
	[DIGEST_CRC64NVME] = { 8, UINT64_C(0x9a6c9329ac4bc9b5) },
	[DIGEST_CRC32] = { 4, UINT64_C(0xedb88320) },
	[DIGEST_SHA1] = { 20, 0 },
	[DIGEST_SHA256] = { 32, 0 },
};

void
digest_init(struct digest *d)
{
	*d = (struct digest){ .kind = DIGEST_KIND_COUNT };
}

void
digest_fini(struct digest *d)
{
	free(d->slices);
	EVP_MD_CTX_free(d->sha);
	digest_init(d);
}

/* slices[k][v] is the CRC of the byte v and k zero bytes. */
static void
fill_slices(uint64_t (*slices)[256], uint64_t poly)
{
	for (unsigned v = 0; v < 256; v++) {
		uint64_t crc = v;

		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (poly & (0 - (crc & 1)));
		slices[0][v] = crc;
	}
	for (unsigned k = 1; k < 8; k++) {
		for (unsigned v = 0; v < 256; v++) {
			uint64_t crc = slices[k - 1][v];

			slices[k][v] = crc >> 8 ^ slices[0][crc & 0xff];
		}
	}
}

static int
begin_sha(struct digest *d)
{
	const EVP_MD *md = d->kind == DIGEST_SHA1 ? EVP_sha1() : EVP_sha256();

	d->sha = EVP_MD_CTX_new();
	if (d->sha == NULL || EVP_DigestInit_ex(d->sha, md, NULL) != 1)
		return -ENOMEM;
	return 0;
}

int
digest_begin(struct digest *d, enum digest_kind kind)
{
	int r = 0;

	digest_fini(d);
	d->kind = kind;
	if (kind == DIGEST_SHA1 || kind == DIGEST_SHA256) {
		r = begin_sha(d);
	} else if (kinds[kind].poly != 0) {
		d->slices = malloc(8 * sizeof(*d->slices));
		if (d->slices != NULL)
			fill_slices(d->slices, kinds[kind].poly);
		else
			r = -ENOMEM;
	}
	if (r < 0)
		digest_fini(d);
	return r;
}

/* The CRC of what d->crc is of, followed by ${len} bytes. */
static uint64_t
add_sliced(const struct digest *d, const uint8_t *p, size_t len)
{
	uint64_t mask = d->kind == DIGEST_CRC32 ? UINT32_MAX : UINT64_MAX;
	uint64_t crc = d->crc ^ mask, v;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&v, p, sizeof(v));
		v = le64toh(v) ^ crc;
		crc = 0;
		for (unsigned i = 0; i < 8; i++)
			crc ^= d->slices[7 - i][v >> 8 * i & 0xff];
	}
	for (; len > 0; p++, len--)
		crc = crc >> 8 ^ d->slices[0][(crc ^ *p) & 0xff];
	return crc ^ mask;
}

int
digest_add(struct digest *d, const void *data, size_t len)
{
	if (d->sha != NULL)
		return EVP_DigestUpdate(d->sha, data, len) == 1 ? 0 : -EIO;
	if (d->slices != NULL)
		d->crc = add_sliced(d, data, len);
	else if (d->kind == DIGEST_CRC32C)
		d->crc = crc32c((uint32_t)d->crc, data, len);
	return 0;
}

int
digest_verify(struct digest *d, const char *value)
{
	unsigned char sum[EVP_MAX_MD_SIZE], text[DIGEST_VALUE_SIZE];
	size_t len;

	if (d->kind == DIGEST_KIND_COUNT)
		return -ENODATA;
	len = kinds[d->kind].len;
	if (strlen(value) != (len + 2) / 3 * 4)
		return -ENODATA;
	if (d->sha != NULL) {
		if (EVP_DigestFinal_ex(d->sha, sum, NULL) != 1)
			return -EIO;
	} else {
		for (size_t i = 0; i < len; i++)
			sum[i] = (unsigned char)(d->crc >> 8 * (len - 1 - i));
	}
	(void)EVP_EncodeBlock(text, sum, (int)len);
	return strcmp((char *)text, value) == 0 ? 0 : -EBADMSG;
}

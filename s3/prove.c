/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prove.c - whether a part that S3 has is the bytes that we have.
 *
 * Role:    compares what ListParts says with the bytes themselves.  Pure, but
 *          for what the source does.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/base/crc.h"
#include "s3/s3.h"

#define PIECE    ((size_t)128 << 10)
#define MD5_SIZE 16

static void
md5_freep(EVP_MD_CTX **md5)
{
	EVP_MD_CTX_free(*md5);
}

/* Whether ${etag} can be the MD5 of one body: 32 hexadecimal digits. */
static bool
is_md5(const char *etag)
{
	size_t len;

	if (etag == NULL)
		return false;
	etag += etag[0] == '"';
	len = strspn(etag, "0123456789abcdefABCDEF");
	return len == 2 * (size_t)MD5_SIZE &&
	       (etag[len] == '\0' || strcmp(etag + len, "\"") == 0);
}

static int
md5_begin(EVP_MD_CTX **ret)
{
	*ret = EVP_MD_CTX_new();
	if (*ret == NULL)
		return -ENOMEM;
	/* Not there, where only what is safe against people is allowed. */
	return EVP_DigestInit_ex(*ret, EVP_md5(), NULL) == 1 ? 0 : -EOPNOTSUPP;
}

static int
md5_compare(EVP_MD_CTX *md5, const char *etag)
{
	unsigned char sum[MD5_SIZE];
	char text[2 * MD5_SIZE + 1];

	if (EVP_DigestFinal_ex(md5, sum, NULL) != 1)
		return 0;
	for (size_t i = 0; i < MD5_SIZE; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", sum[i]);
	etag += etag[0] == '"';
	return strncasecmp(text, etag, 2 * MD5_SIZE) == 0;
}

/* All bytes of ${source}; ${md5} NULL: their CRC alone. */
static int
take_all(s3_source_fn *source, void *arg, uint64_t len, EVP_MD_CTX *md5,
    uint32_t *ret_crc)
{
	AUTO_FREE uint8_t *data = malloc(PIECE);
	uint32_t crc = 0;
	uint64_t off = 0;

	if (data == NULL)
		return -ENOMEM;
	while (off < len) {
		size_t want = len - off < PIECE ? (size_t)(len - off) : PIECE;
		int64_t n = source(arg, off, data, want);

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		crc = crc32c(crc, data, (size_t)n);
		if (md5 != NULL && EVP_DigestUpdate(md5, data, (size_t)n) != 1)
			return -EIO;
		off += (uint64_t)n;
	}
	*ret_crc = crc;
	return 0;
}

int
s3_part_is(const struct s3_part *part, s3_source_fn *source, void *arg,
    uint32_t *ret_crc32c)
{
	AUTO(md5_freep) EVP_MD_CTX *md5 = NULL;
	uint32_t crc = 0;
	int r = 0;

	if (part->etag == NULL || (!part->has_crc32c && !is_md5(part->etag)))
		return 0;
	if (!part->has_crc32c)
		r = md5_begin(&md5);
	if (r == 0)
		r = take_all(source, arg, part->size, md5, &crc);
	if (r < 0)
		return r == -EOPNOTSUPP ? 0 : r;
	r = part->has_crc32c ? part->crc32c == crc
			     : md5_compare(md5, part->etag);
	if (r == 1)
		*ret_crc32c = crc;
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.h - the checksum of a body as it comes, in the algorithm that its
 * server has one in.
 *
 *	digest_init(&d);
 *	r = digest_begin(&d, kind);		by the header that came
 *	r = digest_add(&d, data, len);		...
 *	r = digest_verify(&d, value);
 *	digest_fini(&d);
 *
 * S3 makes a CRC64NVME of each object that comes without a checksum; else it
 * has what the writer sent.  No locks; one thread at a time.
 */
#ifndef S3_DIGEST_H
#define S3_DIGEST_H

#include <stddef.h>
#include <stdint.h>

/* The values of x-amz-checksum-*; the cheap ones come first. */
enum digest_kind {
	DIGEST_CRC32C,
	DIGEST_CRC64NVME,
	DIGEST_CRC32,
	DIGEST_SHA1,
	DIGEST_SHA256,
	DIGEST_KIND_COUNT /* none */
};

#define DIGEST_VALUE_SIZE 56 /* the longest value, "-10000" and '\0' */

struct digest {
	enum digest_kind kind;
	uint64_t crc;
	uint64_t (*slices)[256]; /* owned; of CRC64NVME and CRC32 */
	void *sha;               /* owned; of the SHAs */
};

void digest_init(struct digest *d);
void digest_fini(struct digest *d);

/* Returns: 0; -ENOMEM. */
int digest_begin(struct digest *d, enum digest_kind kind);

/* ${len} more bytes.  Nothing was begun: nothing to do.  Returns: 0; -EIO. */
int digest_add(struct digest *d, const void *data, size_t len);

/**
 * digest_verify(d, value):
 * Compare the bytes with ${value}, as S3 writes it, of a whole object.
 * Returns: 0 they agree; -EBADMSG they differ; -ENODATA nothing was begun, or
 *     ${value} is composite or of another length; -EIO.
 */
int digest_verify(struct digest *d, const char *value);

#endif

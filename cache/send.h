/* SPDX-License-Identifier: Apache-2.0 */
/*
 * send.h - bytes of a chunk file as the body of a PUT or a part.
 *
 * The range is frozen, so that its bytes are the same each time they are read:
 * for the checksum, and for every try.  What of it is not here is fetched
 * first; if there is no room for that, the body goes through memory
 * (direct.h).  The CRCs of whole blocks are compared, or noted where there is
 * none; of what is wrong nothing is sent (verify.h).
 */
#ifndef CACHE_SEND_H
#define CACHE_SEND_H

#include <stdbool.h>
#include <stdint.h>

#include "s3/s3.h"

/* Opaque types. */
struct entry;

/* Where a part goes, and where the base of its file lies; all owned. */
struct send_part {
	unsigned number;
	char *key;
	char *upload_id;
	char *base_key;
	char *base_etag;      /* NULL: none */
	struct s3_part found; /* owned etag: what S3 has under the number, of
				 an earlier mount; number 0: nothing */
};

void send_part_fini(struct send_part *p);

/**
 * send_body(e, off, len, call):
 * Do ${call}, a PUT or UploadPart filled in but for its body, with [off, off +
 * len) of ${e}.  Locks: none is held.
 * Returns: call->result.err, or why there was no call (-ESTALE: bytes of the
 *     base are needed and cannot be had; call->result.attempts is 0).
 */
int send_body(
    struct entry *e, uint64_t off, uint64_t len, struct s3_call *call);

/* Likewise, a part: its ETag (owned) and CRC. */
int send_part(struct entry *e, const struct send_part *what, uint64_t off,
    uint64_t len, char **ret_etag, uint32_t *ret_crc);

/* Whether ${part}, of which ListParts told, is the bytes from ${off} on, all of
 * which are here; their CRC.  What cannot be proved is not. */
bool send_is(struct entry *e, uint64_t off, const struct s3_part *part,
    uint32_t *ret_crc);

/* Have all of [off, end) local.  The caller keeps it from eviction. */
int send_localise(struct entry *e, uint64_t off, uint64_t end);

#endif

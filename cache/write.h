/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write.h - changes of the bytes of an open file, into its chunk file.
 *
 * A change is: room is reserved; ranges on their way to S3 are waited for; the
 * first one marks the row DIRTY (with the db); the CRCs of the blocks are
 * withdrawn; the bytes are written, and are present and dirty from then on.
 * What lies between the old end and a write beyond it reads as zeros: a hole
 * in the chunk file, present and dirty like bytes.
 *
 * All calls are made without locks; the entry's lock is held while bytes are
 * written, so that no late fetch writes over them.
 */
#ifndef CACHE_WRITE_H
#define CACHE_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct entry;
struct waiter;

/* As cache_file_write(). */
int write_bytes(struct entry *e, uint64_t off, const void *data, size_t len,
    bool append, struct waiter *w);

/* Make the file ${size} bytes long. */
int write_truncate(struct entry *e, uint64_t size, struct waiter *w);

/**
 * write_clone(e, key, etag, size, w):
 * The file, which is empty, gets the ${size} bytes of the object ${key} with
 * ${etag}, wherever they are: none is moved before it is flushed.
 * Returns: 0; 1 it is not empty; -errno.
 */
int write_clone(struct entry *e, const char *key, const char *etag,
    uint64_t size, struct waiter *w);

/* [off, end) becomes zeros (within the file; ${grow}: also beyond its end). */
int write_zero(
    struct entry *e, uint64_t off, uint64_t end, bool grow, struct waiter *w);

#endif

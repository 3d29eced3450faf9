/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recover.h - what is owed to S3 from before: at start, once.
 *
 * What was refused when the last mount ended is tried again: bytes that an
 * upload was refused for, and attributes.  What a crash cut short was not
 * acknowledged to any program: names are as S3 has them, bytes that no close
 * had covered are let go of, and said.
 */
#ifndef CACHE_RECOVER_H
#define CACHE_RECOVER_H

/* Opaque types. */
struct cache;

/* Look at all rows by which something is owed; before the first call of the
 * façade.  Returns: 0; -errno of the database. */
int recover_run(struct cache *c);

#endif

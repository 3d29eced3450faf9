/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mime.h - the Content-Type of a file, by its name.
 *
 * From the system's shared-mime-info (globs2) or, failing that, mime.types;
 * read once.  Of them, names in full and suffixes ("*.tar.gz") count, other
 * patterns do not; a name in full goes first, then the longest suffix.  Case
 * matters only where the table says so.  A table that is larger than 4 MiB or
 * has nothing of use is as none.
 *
 * Threads: any, after mime_open(); no lock.
 */
#ifndef CACHE_MIME_H
#define CACHE_MIME_H

/* Opaque types. */
struct mime;

#define MIME_DEFAULT   "application/octet-stream"
#define MIME_DIRECTORY "application/x-directory"

/* Read the tables that are there; without any, a file has MIME_DEFAULT.
 * Returns: 0; -ENOMEM. */
int mime_open(struct mime **ret);

/* The same, from a globs2 ${globs} or else a mime.types ${types}. */
int mime_open_files(const char *globs, const char *types, struct mime **ret);

void mime_close(struct mime *m);

/* The type for ${name}, without folder; never NULL; valid until mime_close().
 */
const char *mime_of(const struct mime *m, const char *name);

#endif

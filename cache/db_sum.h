/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_sum.h - private to db*.c: a checksum at the end of each page of meta.db.
 *
 * SQLite has none: a bit that flips in a row's number or a range set would be
 * believed.  This is a VFS of SQLite's over the usual one.  What is written of
 * the database file gets, in the 8 bytes that SQLite keeps free at the end of
 * each page (byte 20 of the file says so), a CRC32C of the page and of its
 * place, and that again inverted; what is read is compared.  A file that has
 * no such bytes is read as it is.  The first 100 bytes of the file, its header,
 * are left out; and a page whose 8 bytes are zeros was never written.
 *
 * The log (meta.db-wal) has checksums of SQLite's own.
 */
#ifndef CACHE_DB_SUM_H
#define CACHE_DB_SUM_H

#include <sqlite3.h>

/* The bytes that are to be kept free: SQLITE_FCNTL_RESERVE_BYTES. */
#define DB_SUM_RESERVED 8

/* The name of the VFS for sqlite3_open_v2(), registered when it is first asked
 * for; NULL: no memory.  What does not match is SQLITE_IOERR_DATA. */
const char *db_sum_vfs(void);

#endif

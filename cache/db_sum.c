/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_sum.c - a checksum at the end of each page of meta.db.
 */
#include "cache/db_sum.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/crc.h"

#define VFS_NAME   "pailfs-sum"
#define HEADER     100 /* of the file; not summed up */
#define RESERVED   20  /* where it says how many bytes of a page are free */
#define PAGE_SIZE  16  /* where it says how long a page is: 2 bytes */
#define PAGE_LEAST 512

/* An open database file; the usual VFS's own follows. */
struct file {
	sqlite3_file base;
	bool has_sums;
	int page_size;
	sqlite3_file *real; /* behind this */
};

static struct file *
file_of(sqlite3_file *f)
{
	return (struct file *)(void *)f;
}

static sqlite3_file *
real_of(sqlite3_file *f)
{
	return file_of(f)->real;
}

/* ---- sums ---- */

/* Learn from the first bytes of the file. */
static void
take_header(struct file *f, const uint8_t *data)
{
	int size = data[PAGE_SIZE] << 8 | data[PAGE_SIZE + 1];

	f->page_size = size == 1 ? 65536 : size;
	f->has_sums = data[RESERVED] == DB_SUM_RESERVED;
}

static bool
is_page(const struct file *f, int len, sqlite3_int64 at)
{
	return f->has_sums && len >= PAGE_LEAST && len == f->page_size &&
	       at % len == 0;
}

static uint32_t
sum_of(const uint8_t *page, int len, sqlite3_int64 at)
{
	int skip = at == 0 ? HEADER : 0;
	uint64_t place = (uint64_t)at;
	uint32_t crc = crc32c(0, &place, sizeof(place));

	return crc32c(crc, page + skip, (size_t)(len - skip - DB_SUM_RESERVED));
}

static void
put_sum(uint8_t *page, int len, sqlite3_int64 at)
{
	uint32_t sums[2];

	sums[0] = sum_of(page, len, at);
	sums[1] = ~sums[0];
	memcpy(page + len - DB_SUM_RESERVED, sums, sizeof(sums));
}

static bool
is_good(const uint8_t *page, int len, sqlite3_int64 at)
{
	uint32_t sums[2];

	memcpy(sums, page + len - DB_SUM_RESERVED, sizeof(sums));
	if (sums[0] == 0 && sums[1] == 0)
		return true;
	return sums[0] == ~sums[1] && sums[0] == sum_of(page, len, at);
}

/* ---- the methods that look at bytes ---- */

static int
sum_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
	struct file *f = file_of(file);
	int rc = f->real->pMethods->xRead(f->real, data, len, at);

	if (rc != SQLITE_OK)
		return rc;
	if (at == 0 && len >= HEADER)
		take_header(f, data);
	if (is_page(f, len, at) && !is_good(data, len, at))
		return SQLITE_IOERR_DATA;
	return SQLITE_OK;
}

static int
sum_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	struct file *f = file_of(file);

	if (at == 0 && len >= HEADER)
		take_header(f, data);
	/* The bytes are nobody else's: SQLite keeps them free for this. */
	if (is_page(f, len, at))
		put_sum((uint8_t *)(uintptr_t)data, len, at);
	return f->real->pMethods->xWrite(f->real, data, len, at);
}

static int
sum_fetch(sqlite3_file *file, sqlite3_int64 at, int len, void **ret)
{
	(void)file;
	(void)at;
	(void)len;
	*ret = NULL; /* no mapping: it is read */
	return SQLITE_OK;
}

static int
sum_unfetch(sqlite3_file *file, sqlite3_int64 at, void *p)
{
	(void)file;
	(void)at;
	(void)p;
	return SQLITE_OK;
}

/* ---- those that do not ---- */

static int
sum_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int
sum_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int
sum_sync(sqlite3_file *f, int flags)
{
	return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int
sum_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), ret);
}

static int
sum_lock(sqlite3_file *f, int how)
{
	return real_of(f)->pMethods->xLock(real_of(f), how);
}

static int
sum_unlock(sqlite3_file *f, int how)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), how);
}

static int
sum_check_lock(sqlite3_file *f, int *ret)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int
sum_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int
sum_sector_size(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int
sum_device(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int
sum_shm_map(
    sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
	return real_of(f)->pMethods->xShmMap(
	    real_of(f), page, size, extend, ret);
}

static int
sum_shm_lock(sqlite3_file *f, int off, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), off, n, flags);
}

static void
sum_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int
sum_shm_unmap(sqlite3_file *f, int remove)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods methods = {
	.iVersion = 3,
	.xClose = sum_close,
	.xRead = sum_read,
	.xWrite = sum_write,
	.xTruncate = sum_truncate,
	.xSync = sum_sync,
	.xFileSize = sum_size,
	.xLock = sum_lock,
	.xUnlock = sum_unlock,
	.xCheckReservedLock = sum_check_lock,
	.xFileControl = sum_control,
	.xSectorSize = sum_sector_size,
	.xDeviceCharacteristics = sum_device,
	.xShmMap = sum_shm_map,
	.xShmLock = sum_shm_lock,
	.xShmBarrier = sum_shm_barrier,
	.xShmUnmap = sum_shm_unmap,
	.xFetch = sum_fetch,
	.xUnfetch = sum_unfetch,
};

/* ---- open ---- */

static int
sum_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
    int *ret_flags)
{
	sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
	struct file *f = file_of(file);
	int rc;

	(void)vfs;
	if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
		return usual->xOpen(usual, name, file, flags, ret_flags);
	*f = (struct file){ .real = (sqlite3_file *)(void *)(f + 1) };
	rc = usual->xOpen(usual, name, f->real, flags, ret_flags);
	/* SQLite closes what has methods. */
	f->base.pMethods = f->real->pMethods != NULL ? &methods : NULL;
	return rc;
}

const char *
db_sum_vfs(void)
{
	sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
	sqlite3_vfs *own = sqlite3_vfs_find(VFS_NAME);

	if (own != NULL)
		return own->zName;
	own = malloc(sizeof(*own));
	if (own == NULL || usual == NULL) {
		free(own);
		return NULL;
	}
	*own = *usual;
	own->pNext = NULL;
	own->zName = VFS_NAME;
	own->szOsFile += (int)sizeof(struct file);
	own->xOpen = sum_open;
	/* SQLite has it for as long as the process lives. */
	if (sqlite3_vfs_register(own, 0) != SQLITE_OK) {
		free(own);
		return NULL;
	}
	return own->zName;
}

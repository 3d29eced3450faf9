/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsck_file.c - what lies in the folder chunks/ and no row knows.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/entry.h"
#include "cache/fsck.h"
#include "cache/store.h"
#include "s3/base/cleanup.h"

/* The number that a chunk file in folder ${folder} is named after; 0: none of
 * ours is named so. */
static uint64_t
number_of(const char *name, unsigned folder)
{
	char *end = NULL;
	uint64_t node;

	if (!isdigit((unsigned char)name[0]) || name[0] == '0')
		return 0;
	errno = 0;
	node = strtoull(name, &end, 10);
	return errno == 0 && *end == '\0' && (node & 0xff) == folder ? node : 0;
}

/* Whether the daemon is making it, or uses it. */
static bool
is_in_use(struct fsck *f, uint64_t node)
{
	struct entry *e;

	if (!f->is_online)
		return false;
	e = entry_find(f->cache, node);
	entry_put(e);
	return e != NULL || node >= f->cache->boot_number;
}

/* Whether the database knows of it, or bytes in it are owed. */
static bool
is_known(struct fsck *f, uint64_t node)
{
	AUTO(row_fini) struct row row = { 0 };
	struct db_chunk facts = { 0 };
	bool owed = false;
	int r = db_chunk_get(f->cache->db, node, &facts);

	db_chunk_fini(&facts);
	if (r != -ENOENT)
		return true;
	r = fsck_owner(f, node, &row, &owed);
	return owed || (r < 0 && r != -ENOENT);
}

static int
check_name(struct fsck *f, int fd, unsigned folder, const char *name)
{
	uint64_t node = number_of(name, folder);
	char path[512];
	struct fsck_find find = { .name = path, .what = "orphan" };

	if (node != 0 && (is_in_use(f, node) || is_known(f, node)))
		return 0;
	(void)snprintf(path, sizeof(path), "chunks/%02x/%s", folder, name);
	if (node == 0) {
		find.what = "stranger";
		return fsck_tell(f, &find, "no such file is made here");
	}
	find.is_mended = f->call->repair && unlinkat(fd, name, 0) == 0;
	return fsck_tell(f, &find, "no name belongs to this chunk file");
}

static int
check_folder(struct fsck *f, unsigned number)
{
	char name[3];
	int fd, r = 0;
	struct dirent *one;
	DIR *dir;

	(void)snprintf(name, sizeof(name), "%02x", number);
	fd = openat(
	    f->cache->chunks_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (dir == NULL) {
		(void)close(fd); /* nothing written */
		return -ENOMEM;
	}
	while (r == 0 && (one = readdir(dir)) != NULL) {
		if (strcmp(one->d_name, ".") != 0 &&
		    strcmp(one->d_name, "..") != 0)
			r = check_name(f, fd, number, one->d_name);
	}
	(void)closedir(dir);
	return r;
}

int
fsck_files(struct fsck *f)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < STORE_FOLDERS; i++) {
		r = check_folder(f, i);
		if (r == 0)
			r = fsck_pause(f);
	}
	return r;
}

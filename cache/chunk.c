/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk.c - the local bytes of one version.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/chunk.h"
#include "cache/core.h"
#include "cache/db.h"
#include "s3/base/log.h"

#define PAGES_MAX 64 /* CRC pages in memory for one chunk: 4 KiB each */
#define NAME_LEN  32

struct crc_page {
	struct list link;
	uint64_t number;
	bool is_changed;
	bool is_stored; /* in the database; some of it may be outdated */
	uint32_t crc[DB_CRC_PAGE]; /* 0: none */
	uint8_t checked[DB_CRC_PAGE / 8];
};

/* "xx/NODE": 256 folders keep each of them small. */
static void
name_of(uint64_t node, char name[NAME_LEN])
{
	(void)snprintf(
	    name, NAME_LEN, "%02x/%" PRIu64, (unsigned)(node & 0xff), node);
}

static int
open_file(struct cache *c, uint64_t node)
{
	char name[NAME_LEN];
	int fd;

	name_of(node, name);
	fd = openat(c->chunks_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOENT) {
		char folder[3] = { name[0], name[1], '\0' };

		if (mkdirat(c->chunks_fd, folder, 0700) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(
		    c->chunks_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	}
	return fd < 0 ? -errno : fd;
}

uint64_t
chunk_file_size(struct cache *c, uint64_t node, uint64_t *ret_room)
{
	struct stat st = { 0 };
	char name[NAME_LEN];

	name_of(node, name);
	(void)fstatat(c->chunks_fd, name, &st, 0); /* there is none: 0 */
	if (ret_room != NULL)
		*ret_room = (uint64_t)st.st_blocks * 512;
	return (uint64_t)st.st_size;
}

int
chunk_resize_file(struct cache *c, uint64_t node, uint64_t size)
{
	int fd = open_file(c, node);
	int r = fd < 0 ? fd : 0;

	if (r == 0 && ftruncate(fd, (off_t)size) < 0)
		r = -errno;
	if (fd >= 0)
		(void)close(fd); /* nothing was written */
	return r;
}

/* What the database knows; nothing, where that is not to be trusted. */
static int
load_present(struct chunk *ch, uint64_t *ret_bytes)
{
	struct db_chunk facts;
	int r;

	r = db_chunk_get(ch->cache->db, ch->node, &facts);
	if (r == -ENOENT) {
		ch->is_changed = true;
		return 0;
	}
	if (r < 0)
		return r;
	ch->has_row = true;
	*ret_bytes = facts.bytes;
	ch->base_size = facts.base_size;
	/* What is dirty is nowhere else: without it there is no going on. */
	r = rangeset_unpack(facts.dirty, facts.dirty_len, &ch->dirty);
	if (r == 0)
		r = rangeset_unpack(
		    facts.present, facts.present_len, &ch->present);
	if (r == -EBADMSG && facts.dirty_len == 0) {
		log_debug("chunk=%" PRIu64 " facts damaged", ch->node);
		rangeset_clear(&ch->present);
		ch->is_changed = true;
		r = 0;
	}
	db_chunk_fini(&facts);
	if (r == -EBADMSG)
		db_found_damage(ch->cache->db);
	return r;
}

/*
 * After a crash the file may hold more than the database knows, or less: what
 * lies beyond the end of the file is not present, and what is not present
 * takes no room.  Dirty bytes that are not there are nowhere: they stay
 * present, so that who reads or sends them is told, and waits for no S3.
 */
static void
mend_file(struct chunk *ch)
{
	uint64_t size, bytes;
	struct stat st;

	if (fstat(ch->fd, &st) < 0)
		return; /* reading will tell */
	size = (uint64_t)st.st_size;
	bytes = rangeset_bytes(&ch->present);
	(void)rangeset_remove(&ch->present, size, UINT64_MAX);
	(void)rangeset_add_all(&ch->present, &ch->dirty); /* has its memory */
	if (rangeset_bytes(&ch->present) != bytes)
		ch->is_changed = true;
	chunk_find_holes(ch);
	if ((uint64_t)st.st_blocks * 512 <= chunk_room(ch) + 2 * CHUNK_BLOCK)
		return;
	chunk_trim(ch, 0, size);
	chunk_find_holes(ch); /* what went may have stood for some */
}

/* A block that is present in part, or has no CRC, proves nothing: after power
 * loss its bytes may never have reached the disk. */
static int
drop_border(struct chunk *ch, uint64_t at)
{
	uint64_t block = at / CHUNK_BLOCK;
	uint32_t crc;

	if (at % CHUNK_BLOCK == 0 || chunk_get_crc(ch, block, &crc))
		return 0;
	ch->is_changed = true;
	return rangeset_remove(
	    &ch->present, block * CHUNK_BLOCK, (block + 1) * CHUNK_BLOCK);
}

static int
drop_partial_blocks(struct chunk *ch)
{
	uint64_t at = 0, off, end;
	int r = 0;

	while (r == 0 &&
	       rangeset_next_run(&ch->present, at, UINT64_MAX, &off, &end)) {
		r = drop_border(ch, off);
		if (r == 0)
			r = drop_border(ch, end);
		at = end;
	}
	/* What is dirty is nowhere else. */
	return r == 0 ? rangeset_add_all(&ch->present, &ch->dirty) : r;
}

int
chunk_open(struct cache *c, uint64_t node, struct chunk *ret)
{
	uint64_t known = 0;
	int r;

	*ret = (struct chunk){ .cache = c, .node = node, .fd = -1 };
	rangeset_init(&ret->present);
	rangeset_init(&ret->dirty);
	rangeset_init(&ret->holes);
	list_init(&ret->pages);
	r = open_file(c, node);
	if (r < 0)
		return r;
	ret->fd = r;
	r = load_present(ret, &known);
	if (r == 0)
		r = drop_partial_blocks(ret);
	if (r < 0) {
		(void)close(ret->fd); /* nothing written */
		ret->fd = -1;
		rangeset_fini(&ret->present);
		rangeset_fini(&ret->dirty);
		return r;
	}
	mend_file(ret);
	space_changed(&c->space, known, chunk_room(ret));
	if (known != chunk_room(ret))
		ret->is_changed = true;
	/* A row for each file, so that no file is without an owner; if there
	 * is no room for it now, later. */
	r = chunk_flush(ret);
	return r == -ENOSPC || r == -EIO ? 0 : r;
}

static int
flush_page(struct chunk *ch, struct crc_page *page)
{
	int r;

	if (!page->is_changed)
		return 0;
	r = db_crc_put(ch->cache->db, ch->node, page->number, page->crc);
	if (r == 0) {
		page->is_changed = false;
		page->is_stored = true;
	}
	return r;
}

static int
flush_pages(struct chunk *ch)
{
	int r = 0;

	for (struct list *l = ch->pages.next; r == 0 && l != &ch->pages;
	     l = l->next)
		r = flush_page(ch, LIST_ENTRY(l, struct crc_page, link));
	return r;
}

/* The ranges; of them ${dirty_set} (NULL: none) are dirty. */
static int
put_facts(
    struct chunk *ch, const struct rangeset *dirty_set, uint64_t base_size)
{
	struct db_chunk facts = { .node = ch->node,
		.bytes = chunk_room(ch),
		.used_ms = cache_now_ms(ch->cache),
		.base_size = base_size };
	struct buf present = BUF_INIT(64 << 20);
	struct buf dirty = BUF_INIT(64 << 20);
	int r = rangeset_pack(&ch->present, &present);

	if (r == 0 && dirty_set != NULL)
		r = rangeset_pack(dirty_set, &dirty);
	if (r == 0) {
		facts.present = present.data;
		facts.present_len = present.len;
		facts.dirty = dirty.data;
		facts.dirty_len = dirty.len;
		r = db_chunk_put(ch->cache->db, &facts);
	}
	buf_fini(&present);
	buf_fini(&dirty);
	return r;
}

static void
is_stored(struct chunk *ch)
{
	ch->is_changed = false;
	ch->has_row = true;
}

int
chunk_flush(struct chunk *ch)
{
	int r = flush_pages(ch);

	if (r < 0 || !ch->is_changed)
		return r;
	r = put_facts(ch, &ch->dirty, ch->base_size);
	if (r == 0)
		is_stored(ch);
	return r;
}

void
chunk_unstored(struct chunk *ch)
{
	ch->is_changed = true;
	for (struct list *l = ch->pages.next; l != &ch->pages; l = l->next)
		LIST_ENTRY(l, struct crc_page, link)->is_changed = true;
}

int
chunk_flush_sent(struct chunk *ch, uint64_t size)
{
	int r = flush_pages(ch);

	return r == 0 ? put_facts(ch, NULL, size) : r;
}

void
chunk_set_sent(struct chunk *ch, uint64_t size)
{
	rangeset_clear(&ch->dirty);
	ch->base_size = size;
	is_stored(ch);
}

/* The database could not be told of the file: then it may not stay. */
static void
forget_file(struct chunk *ch)
{
	char name[NAME_LEN];

	name_of(ch->node, name);
	if (unlinkat(ch->cache->chunks_fd, name, 0) == 0)
		space_freed(&ch->cache->space, chunk_room(ch));
}

void
chunk_close(struct chunk *ch)
{
	struct list *l;

	if (ch->fd < 0)
		return;
	/* Facts only: what is not written is fetched again. */
	(void)chunk_flush(ch);
	if (!ch->has_row && rangeset_is_empty(&ch->dirty))
		forget_file(ch);
	while ((l = list_pop(&ch->pages)) != NULL)
		free(LIST_ENTRY(l, struct crc_page, link));
	rangeset_fini(&ch->present);
	rangeset_fini(&ch->dirty);
	rangeset_fini(&ch->holes);
	(void)close(ch->fd); /* bytes that matter were fsynced before */
	ch->fd = -1;
}

/* ${len} bytes are gone from a chunk file. */
static void
free_bytes(struct cache *c, uint64_t len)
{
	space_freed(&c->space, len);
	stats_add(&c->stats, STAT_EVICTED_BYTES, len);
}

uint64_t
chunk_delete(struct cache *c, uint64_t node)
{
	struct db_chunk facts;
	char name[NAME_LEN];
	bool removed;

	name_of(node, name);
	if (db_chunk_get(c->db, node, &facts) < 0)
		return 0; /* there is none */
	/* First: on a full disk the database has room only after that.  A row
	 * that stays names a file that is gone: harmless. */
	removed = unlinkat(c->chunks_fd, name, 0) == 0;
	if (removed)
		free_bytes(c, facts.bytes);
	(void)db_chunk_delete(c->db, node);
	db_chunk_fini(&facts);
	return removed ? facts.bytes : 0;
}

int
chunk_write(struct chunk *ch, uint64_t off, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n = pwrite(ch->fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int
chunk_read(struct chunk *ch, uint64_t off, void *data, size_t len)
{
	uint8_t *p = data;

	while (len > 0) {
		ssize_t n = pread(ch->fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO; /* shorter than what is present */
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* The names in a folder of chunks_fd. */
static int
sync_folder(struct cache *c, const char *name)
{
	int fd = openat(c->chunks_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		(void)close(fd); /* nothing was written */
	return r;
}

int
chunk_sync(struct chunk *ch)
{
	char name[NAME_LEN];
	int r = fdatasync(ch->fd) < 0 ? -errno : 0;

	name_of(ch->node, name);
	name[2] = '\0'; /* its folder, which may be new, too */
	if (r == 0)
		r = sync_folder(ch->cache, name);
	return r == 0 ? sync_folder(ch->cache, ".") : r;
}

/* The page of ${block}, from memory or the database; NULL: no memory. */
static struct crc_page *
page_of(struct chunk *ch, uint64_t block)
{
	uint64_t number = block / DB_CRC_PAGE;
	struct crc_page *page;

	for (struct list *l = ch->pages.next; l != &ch->pages; l = l->next) {
		page = LIST_ENTRY(l, struct crc_page, link);
		if (page->number == number) {
			list_remove(l);
			list_append(ch->pages.next, l); /* to the front */
			return page;
		}
	}
	if (ch->page_count == PAGES_MAX) {
		page = LIST_ENTRY(ch->pages.prev, struct crc_page, link);
		if (flush_page(ch, page) < 0)
			log_debug("chunk=%" PRIu64 " crc lost", ch->node);
		list_remove(&page->link);
	} else {
		page = malloc(sizeof(*page));
		if (page == NULL)
			return NULL;
		ch->page_count++;
	}
	*page = (struct crc_page){ .number = number };
	if (db_crc_get(ch->cache->db, ch->node, number, page->crc) < 0)
		memset(page->crc, 0, sizeof(page->crc));
	else
		page->is_stored = true;
	list_append(ch->pages.next, &page->link);
	return page;
}

bool
chunk_get_crc(struct chunk *ch, uint64_t block, uint32_t *ret)
{
	struct crc_page *page = page_of(ch, block);

	if (page == NULL || page->crc[block % DB_CRC_PAGE] == 0)
		return false;
	*ret = page->crc[block % DB_CRC_PAGE];
	return true;
}

void
chunk_set_crc(struct chunk *ch, uint64_t block, uint32_t crc)
{
	struct crc_page *page = page_of(ch, block);

	if (page == NULL)
		return; /* none is legal */
	page->crc[block % DB_CRC_PAGE] = crc;
	page->is_changed = true;
	chunk_set_checked(ch, block);
}

/* In memory. */
static void
drop_crc(struct crc_page *page, uint64_t i)
{
	page->crc[i] = 0;
	page->checked[i / 8] &= (uint8_t) ~(1U << (i % 8));
	page->is_changed = true;
}

int
chunk_clear_crc(struct chunk *ch, uint64_t block)
{
	struct crc_page *page = page_of(ch, block);
	uint64_t i = block % DB_CRC_PAGE;
	int r = 0;

	if (page == NULL)
		return -ENOMEM;
	if (page->crc[i] == 0)
		return 0;
	/* All of the page at once: the next blocks of it cost nothing. */
	if (page->is_stored)
		r = db_crc_clear(ch->cache->db, ch->node, page->number);
	if (r < 0)
		return r;
	page->is_stored = false;
	drop_crc(page, i);
	return 0;
}

bool
chunk_is_checked(struct chunk *ch, uint64_t block)
{
	struct crc_page *page = page_of(ch, block);
	uint64_t i = block % DB_CRC_PAGE;

	return page != NULL && (page->checked[i / 8] >> (i % 8) & 1) != 0;
}

void
chunk_set_checked(struct chunk *ch, uint64_t block)
{
	struct crc_page *page = page_of(ch, block);
	uint64_t i = block % DB_CRC_PAGE;

	if (page != NULL)
		page->checked[i / 8] |= (uint8_t)(1U << (i % 8));
}

int
chunk_withdraw(struct chunk *ch, uint64_t off, uint64_t end)
{
	uint64_t before = rangeset_bytes(&ch->present), room = chunk_room(ch);
	int r = rangeset_remove(&ch->holes, off, end);

	if (r == 0)
		r = rangeset_remove(&ch->present, off, end);
	if (r < 0 || rangeset_bytes(&ch->present) == before)
		return r;
	ch->is_changed = true;
	for (uint64_t b = off / CHUNK_BLOCK; b * CHUNK_BLOCK < end; b++) {
		struct crc_page *page = page_of(ch, b);

		if (page != NULL && page->crc[b % DB_CRC_PAGE] != 0)
			drop_crc(page, b % DB_CRC_PAGE);
	}
	/* Not present any more, whatever the file still holds. */
	free_bytes(ch->cache, room - chunk_room(ch));
	return chunk_flush(ch);
}

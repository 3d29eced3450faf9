/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_chunk.c - local bytes: what is said to be present, is; no CRC lies.
 *
 * Role:    unit test of cache/chunk.c.
 */
#include "tests/unit/cache_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include "cache/admin.h"
#include "cache/chunk.h"
#include "cache/core.h"
#include "cache/db.h"
#include "s3/base/crc.h"

#define NODE  UINT64_C(4711)
#define BLOCK CHUNK_BLOCK

static struct chunk chunk;
static uint8_t data[4 * CHUNK_BLOCK];

static void
open_chunk(void)
{
	assert_int_equal(chunk_open(cache, NODE, &chunk), 0);
}

/* Close as at an end of the program, or forget as in a crash. */
static void
close_chunk(void)
{
	chunk_close(&chunk);
}

static void
fill(uint64_t off, uint64_t len)
{
	assert_true(len <= sizeof(data));
	for (uint64_t i = 0; i < len; i++)
		data[i] = fake_byte(3, off + i);
	assert_int_equal(chunk_write(&chunk, off, data, len), 0);
	assert_int_equal(chunk_add(&chunk, off, len), 0);
}

static void
check_bytes(uint64_t off, uint64_t len)
{
	assert_int_equal(chunk_read(&chunk, off, data, len), 0);
	for (uint64_t i = 0; i < len; i++)
		assert_int_equal(data[i], fake_byte(3, off + i));
}

static void
chunk_path(char path[256])
{
	struct cache *c = cache;

	(void)snprintf(path, 256, "%s/chunks/%02x/%u", c->dir,
	    (unsigned)(NODE & 0xff), (unsigned)NODE);
}

static uint64_t
file_blocks(void)
{
	struct stat st;
	char path[256];

	chunk_path(path);
	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void
test_new(void **state)
{
	struct stat st;
	char path[256];
	uint32_t crc;

	(void)state;
	open_chunk();
	assert_true(rangeset_is_empty(&chunk.present));
	assert_false(chunk_get_crc(&chunk, 0, &crc));
	assert_false(chunk_is_checked(&chunk, 0));
	chunk_path(path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	close_chunk();
	close_chunk(); /* an unopened one is fine */
}

static void
test_facts_over_reopen(void **state)
{
	(void)state;
	open_chunk();
	fill(0, BLOCK);
	fill(5 * BLOCK, 100);
	close_chunk();
	close_cache();
	open_cache();
	open_chunk();
	assert_true(rangeset_has(&chunk.present, 0, BLOCK));
	check_bytes(0, BLOCK);
	/* A block in part, without a CRC, proves nothing: fetched again. */
	assert_int_equal(rangeset_bytes(&chunk.present), BLOCK);
	close_chunk();
}

/* The last block of a file is short; its CRC proves it. */
static void
test_tail_over_reopen(void **state)
{
	(void)state;
	open_chunk();
	fill(5 * BLOCK, 100);
	chunk_set_crc(&chunk, 5, 77);
	close_chunk();
	close_cache();
	open_cache();
	open_chunk();
	assert_true(rangeset_has(&chunk.present, 5 * BLOCK, 5 * BLOCK + 100));
	close_chunk();
}

/* Without a flush a crash forgets what came after it, and nothing more. */
static void
test_crash(void **state)
{
	struct chunk again;

	(void)state;
	open_chunk();
	fill(0, BLOCK);
	assert_int_equal(chunk_flush(&chunk), 0);
	fill(BLOCK, BLOCK);
	assert_int_equal(chunk_open(cache, NODE, &again), 0);
	assert_int_equal(rangeset_bytes(&again.present), BLOCK);
	assert_true(rangeset_has(&again.present, 0, BLOCK));
	chunk_close(&again);
	close_chunk();
}

/* What the database says of the one that is open. */
static void
expect_facts(uint64_t base_size, bool is_dirty)
{
	struct db_chunk facts;

	assert_int_equal(db_chunk_get(cache->db, NODE, &facts), 0);
	assert_int_equal(facts.base_size, base_size);
	assert_int_equal(facts.bytes, BLOCK);
	assert_int_equal(facts.dirty_len > 0, is_dirty);
	db_chunk_fini(&facts);
}

/* What S3 has is not dirty once the transaction is through that says so. */
static void
test_sent(void **state)
{
	(void)state;
	open_chunk();
	fill(0, BLOCK);
	assert_int_equal(rangeset_add(&chunk.dirty, 0, BLOCK), 0);
	chunk.is_changed = true;
	assert_int_equal(chunk_flush(&chunk), 0);
	expect_facts(0, true);
	assert_int_equal(db_begin(cache->db), 0);
	assert_int_equal(chunk_flush_sent(&chunk, BLOCK), 0);
	db_rollback(cache->db);
	expect_facts(0, true);
	assert_int_equal(rangeset_bytes(&chunk.dirty), BLOCK);
	assert_int_equal(db_begin(cache->db), 0);
	assert_int_equal(chunk_flush_sent(&chunk, BLOCK), 0);
	assert_int_equal(db_commit(cache->db), 0);
	chunk_set_sent(&chunk, BLOCK);
	assert_true(rangeset_is_empty(&chunk.dirty));
	assert_int_equal(chunk.base_size, BLOCK);
	assert_false(chunk.is_changed);
	expect_facts(BLOCK, false);
	close_chunk();
}

/* What a transaction that was rolled back stored is stored by the next one. */
static void
test_rolled_back(void **state)
{
	uint32_t crc[DB_CRC_PAGE];

	(void)state;
	open_chunk();
	assert_int_equal(chunk_flush(&chunk), 0);
	fill(0, BLOCK);
	chunk_set_crc(&chunk, 0, 77);
	assert_int_equal(db_begin(cache->db), 0);
	assert_int_equal(chunk_flush(&chunk), 0);
	db_rollback(cache->db);
	chunk_unstored(&chunk);
	assert_int_equal(db_crc_get(cache->db, NODE, 0, crc), -ENOENT);
	assert_int_equal(chunk_flush(&chunk), 0);
	expect_facts(0, false);
	assert_int_equal(db_crc_get(cache->db, NODE, 0, crc), 0);
	assert_int_equal(crc[0], 77);
	close_chunk();
}

static void
test_crc_over_reopen(void **state)
{
	uint32_t crc = 0;

	(void)state;
	open_chunk();
	fill(0, 2 * BLOCK);
	chunk_set_crc(&chunk, 0, crc32c(0, data, BLOCK));
	chunk_set_crc(&chunk, 1, 7);
	/* Far apart: other pages, and more than are kept in memory. */
	for (uint64_t i = 1; i <= 100; i++)
		chunk_set_crc(&chunk, i * DB_CRC_PAGE + i, (uint32_t)i);
	close_chunk();
	close_cache();
	open_cache();
	open_chunk();
	assert_true(chunk_get_crc(&chunk, 0, &crc));
	check_bytes(0, BLOCK);
	assert_int_equal(crc, crc32c(0, data, BLOCK));
	/* Not checked since it was opened, until somebody says so. */
	assert_false(chunk_is_checked(&chunk, 0));
	chunk_set_checked(&chunk, 0);
	assert_true(chunk_is_checked(&chunk, 0));
	assert_false(chunk_is_checked(&chunk, 1));
	for (uint64_t i = 1; i <= 100; i++) {
		assert_true(chunk_get_crc(&chunk, i * DB_CRC_PAGE + i, &crc));
		assert_int_equal(crc, i);
		assert_false(
		    chunk_get_crc(&chunk, i * DB_CRC_PAGE + i + 1, &crc));
	}
	chunk_clear_crc(&chunk, 1);
	assert_false(chunk_get_crc(&chunk, 1, &crc));
	close_chunk();
	open_chunk();
	assert_false(chunk_get_crc(&chunk, 1, &crc));
	close_chunk();
}

/* What is punched is withdrawn, from the database too, before the file is. */
static void
test_punch(void **state)
{
	struct db_chunk facts;
	struct chunk again;
	uint64_t blocks;
	uint32_t crc;

	(void)state;
	open_chunk();
	fill(0, 4 * BLOCK);
	for (uint64_t b = 0; b < 4; b++)
		chunk_set_crc(&chunk, b, 100);
	assert_int_equal(chunk_flush(&chunk), 0);
	blocks = file_blocks();
	assert_int_equal(chunk_punch(&chunk, BLOCK, 3 * BLOCK), 0);
	assert_true(file_blocks() <= blocks - 2 * BLOCK);
	assert_int_equal(rangeset_bytes(&chunk.present), 2 * BLOCK);
	assert_false(rangeset_has_any(&chunk.present, BLOCK, 3 * BLOCK));
	assert_true(chunk_get_crc(&chunk, 0, &crc));
	assert_false(chunk_get_crc(&chunk, 1, &crc));
	assert_false(chunk_get_crc(&chunk, 2, &crc));
	assert_false(chunk_is_checked(&chunk, 1));
	assert_true(chunk_get_crc(&chunk, 3, &crc));
	/* The database knows already, without a flush. */
	assert_int_equal(db_chunk_get(cache->db, NODE, &facts), 0);
	assert_int_equal(facts.bytes, 2 * BLOCK);
	db_chunk_fini(&facts);
	assert_int_equal(chunk_open(cache, NODE, &again), 0);
	assert_false(chunk_get_crc(&again, 2, &crc));
	assert_false(rangeset_has_any(&again.present, BLOCK, 3 * BLOCK));
	chunk_close(&again);
	check_bytes(0, BLOCK);
	check_bytes(3 * BLOCK, BLOCK);
	/* Nothing there to punch: no harm. */
	assert_int_equal(chunk_punch(&chunk, BLOCK, 3 * BLOCK), 0);
	close_chunk();
}

/* A part of a block: its CRC is of the whole, so it goes. */
static void
test_punch_part(void **state)
{
	uint32_t crc;

	(void)state;
	open_chunk();
	fill(0, 2 * BLOCK);
	chunk_set_crc(&chunk, 0, 1);
	chunk_set_crc(&chunk, 1, 2);
	assert_int_equal(chunk_punch(&chunk, BLOCK - 4096, BLOCK), 0);
	assert_false(chunk_get_crc(&chunk, 0, &crc));
	assert_true(chunk_get_crc(&chunk, 1, &crc));
	close_chunk();
}

/* The file lost its tail: what is beyond is not present any more. */
static void
test_truncated(void **state)
{
	struct cache_stats stats;
	char path[256];

	(void)state;
	open_chunk();
	fill(0, 4 * BLOCK);
	close_chunk();
	chunk_path(path);
	assert_int_equal(truncate(path, (off_t)BLOCK + 10), 0);
	open_chunk();
	assert_int_equal(rangeset_bytes(&chunk.present), BLOCK + 10);
	check_bytes(0, BLOCK + 10);
	close_chunk();
	assert_int_equal(unlink(path), 0);
	open_chunk();
	assert_true(rangeset_is_empty(&chunk.present));
	close_chunk();
	cache_get_stats(cache, &stats);
}

/* What is in the file and not known to be takes no room. */
static void
test_unknown_bytes(void **state)
{
	char path[256];
	int fd;

	(void)state;
	open_chunk();
	fill(0, BLOCK);
	close_chunk();
	chunk_path(path);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	for (int i = 1; i < 40; i++)
		assert_int_equal(
		    pwrite(fd, data, BLOCK, i * (off_t)BLOCK), (ssize_t)BLOCK);
	assert_int_equal(close(fd), 0);
	open_chunk();
	assert_int_equal(rangeset_bytes(&chunk.present), BLOCK);
	assert_true(file_blocks() <= 4 * BLOCK);
	check_bytes(0, BLOCK);
	close_chunk();
}

/* Damaged facts: nothing is present. */
static void
test_damaged_facts(void **state)
{
	char blob[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
	struct db_chunk facts = { .node = NODE,
		.bytes = BLOCK,
		.present = blob,
		.present_len = sizeof(blob) };

	(void)state;
	open_chunk();
	fill(0, BLOCK);
	close_chunk();
	assert_int_equal(db_chunk_put(cache->db, &facts), 0);
	open_chunk();
	assert_true(rangeset_is_empty(&chunk.present));
	close_chunk();
	/* And it is cold again for good. */
	assert_int_equal(db_chunk_get(cache->db, NODE, &facts), 0);
	assert_int_equal(facts.bytes, 0);
	assert_int_equal(facts.present_len, 0);
	db_chunk_fini(&facts);
}

static void
test_delete(void **state)
{
	struct db_chunk facts;
	struct stat st;
	char path[256];
	uint32_t crc;

	(void)state;
	open_chunk();
	fill(0, BLOCK);
	chunk_set_crc(&chunk, 0, 5);
	close_chunk();
	chunk_delete(cache, NODE);
	chunk_path(path);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(db_chunk_get(cache->db, NODE, &facts), -ENOENT);
	chunk_delete(cache, NODE); /* of what is not there: no harm */
	open_chunk();
	assert_true(rangeset_is_empty(&chunk.present));
	assert_false(chunk_get_crc(&chunk, 0, &crc));
	close_chunk();
}

/* Reading what is beyond the file's end is an error, not zeros. */
static void
test_short_read(void **state)
{
	(void)state;
	open_chunk();
	fill(0, 100);
	assert_int_equal(chunk_read(&chunk, 50, data, 51), -EIO);
	assert_int_equal(chunk_read(&chunk, 50, data, 50), 0);
	close_chunk();
}

/* Of what is there, holes are zeros; what cannot be told is no hole. */
static void
test_holes(void **state)
{
	static const uint64_t size = 64 * BLOCK;
	struct range all = { 0, size }, some = { 11 * BLOCK, 31 * BLOCK };
	struct rangeset holes;

	(void)state;
	rangeset_init(&holes);
	open_chunk();
	/* The file ends before: nothing is known of what it lacks. */
	assert_int_equal(chunk_holes(&chunk, &all, BLOCK, &holes), 0);
	assert_true(rangeset_is_empty(&holes));
	assert_false(chunk_is_hole(&chunk, &all));
	assert_int_equal(ftruncate(chunk.fd, (off_t)size), 0);
	assert_true(chunk_is_hole(&chunk, &all));
	fill(10 * BLOCK, BLOCK);
	fill(12 * BLOCK, BLOCK);
	fill(32 * BLOCK, 1);
	assert_false(chunk_is_hole(&chunk, &all));
	assert_true(chunk_is_hole(&chunk, &(struct range){ 0, 10 * BLOCK }));
	assert_int_equal(chunk_holes(&chunk, &all, 10 * BLOCK, &holes), 0);
	assert_int_equal(holes.count, 3);
	assert_true(rangeset_has(&holes, 0, 10 * BLOCK));
	assert_true(rangeset_has(&holes, 13 * BLOCK, 32 * BLOCK));
	assert_true(rangeset_has(&holes, 33 * BLOCK, size));
	assert_false(rangeset_has_any(&holes, 10 * BLOCK, 13 * BLOCK));
	assert_false(rangeset_has(&holes, 32 * BLOCK, 32 * BLOCK + 1));
	rangeset_clear(&holes);
	assert_int_equal(chunk_holes(&chunk, &some, BLOCK, &holes), 0);
	assert_int_equal(holes.count, 2);
	assert_int_equal(rangeset_bytes(&holes), 19 * BLOCK);
	rangeset_fini(&holes);
	close_chunk();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_new),
		T(test_facts_over_reopen),
		T(test_tail_over_reopen),
		T(test_crash),
		T(test_sent),
		T(test_rolled_back),
		T(test_crc_over_reopen),
		T(test_punch),
		T(test_punch_part),
		T(test_truncated),
		T(test_unknown_bytes),
		T(test_damaged_facts),
		T(test_delete),
		T(test_short_read),
		T(test_holes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache_bit_rot.c - a byte of a chunk file that is another after a restart.
 *
 * Role:    test of cache/verify.c: found when it is read, and before what lies
 *          beside it is changed; fetched anew where S3 has it, and else kept.
 */
#include "tests/unit/cache_names.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cache/admin.h"

#define SIZE    UINT64_C(300000)
#define AT_BYTE 200000 /* that is flipped: in the second block */

static struct cache_file *
open_it(int flags, uint64_t *ret_node)
{
	struct cache_attr attr = get(ROOT, "f");
	struct cache_file *f;

	assert_int_equal(cache_file_open(cache, attr.node, flags, NULL, &f), 0);
	*ret_node = attr.node;
	return f;
}

/* Byte AT_BYTE; what came of it. */
static int
read_it(struct cache_file *f, uint8_t *ret)
{
	struct cache_bytes bytes = { 0 };
	int r = cache_file_read(f, AT_BYTE, 1, NULL, &bytes);

	if (r == 0) {
		*ret = *(const uint8_t *)bytes.data;
		cache_bytes_put(cache, &bytes);
	}
	return r;
}

/* Flip a bit, while it is not mounted; return the byte as it was. */
static uint8_t
flip(uint64_t node)
{
	char path[1200];
	uint8_t byte, was;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/chunks/%02x/%lu", cache->dir,
	    (unsigned)(node & 0xff), (unsigned long)node);
	close_cache();
	file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, AT_BYTE, SEEK_SET), 0);
	assert_int_equal(fread(&was, 1, 1, file), 1);
	byte = was ^ 4;
	assert_int_equal(fseek(file, AT_BYTE, SEEK_SET), 0);
	assert_int_equal(fwrite(&byte, 1, 1, file), 1);
	assert_int_equal(fclose(file), 0);
	open_cache();
	tick();
	return was;
}

static uint64_t
bad_blocks(void)
{
	struct cache_stats st;

	cache_get_stats(cache, &st);
	return st.bad_blocks;
}

/* A file of S3's, all of it local, and a byte of it flipped. */
static uint64_t
rotten(void)
{
	struct cache_bytes bytes = { 0 };
	struct cache_file *f;
	uint64_t node;

	fake_put(s3, "f", SIZE, 1);
	f = open_it(O_RDONLY, &node);
	assert_int_equal(cache_file_read(f, 0, SIZE, NULL, &bytes), 0);
	cache_bytes_put(cache, &bytes);
	cache_file_close(f);
	assert_int_equal(flip(node), fake_byte(1, AT_BYTE));
	return node;
}

static void
test_read(void **state)
{
	struct cache_file *f;
	uint64_t node;
	uint8_t byte = 0;

	(void)state;
	(void)rotten();
	f = open_it(O_RDONLY, &node);
	assert_int_equal(read_it(f, &byte), 0);
	assert_int_equal(byte, fake_byte(1, AT_BYTE));
	assert_int_equal(bad_blocks(), 1);
	cache_file_close(f);
}

/* [off, end) is written, beside it in its block: what was flipped is not sent,
 * nor has it a CRC then that makes it right. */
static void
write_beside(uint64_t off, uint64_t end)
{
	static const uint8_t body[SIZE];
	struct cache_file *f;
	uint8_t byte = 0;
	uint64_t node;

	(void)rotten();
	f = open_it(O_RDWR, &node);
	assert_int_equal(
	    cache_file_write(f, off, body, end - off, false, NULL), 0);
	assert_int_equal(read_it(f, &byte), 0);
	assert_int_equal(byte, fake_byte(1, AT_BYTE));
	assert_int_equal(cache_file_flush(f, NULL), 0);
	cache_file_close(f);
	fake_read(s3, "f", AT_BYTE, &byte, 1);
	assert_int_equal(byte, fake_byte(1, AT_BYTE));
	assert_true(bad_blocks() > 0);
}

static void
test_write_after_it(void **state)
{
	(void)state;
	write_beside(AT_BYTE + 1, 262144);
}

static void
test_write_before_it(void **state)
{
	(void)state;
	write_beside(131072, AT_BYTE);
}

/* The only copy there is: it is not taken away, and not given either. */
static void
test_only_copy(void **state)
{
	static uint8_t body[SIZE];
	const struct cache_new what = { .flags = O_RDWR | O_CREAT,
		.mode = S_IFREG | 0644 };
	struct cache_attr attr;
	struct cache_file *f;
	uint64_t node;
	uint8_t byte;

	(void)state;
	memset(body, 7, sizeof(body));
	assert_int_equal(
	    cache_create(cache, &AT(ROOT, "f"), &what, NULL, &f, &attr), 0);
	assert_int_equal(
	    cache_file_write(f, 0, body, sizeof(body), false, NULL), 0);
	fake_fail(s3, S3_PUT_OBJECT, -EACCES, 1000);
	assert_int_equal(cache_file_flush(f, NULL), -EACCES);
	cache_file_close(f);
	assert_int_equal(flip(attr.node), 7);
	f = open_it(O_RDONLY, &node);
	assert_int_equal(read_it(f, &byte), -EIO);
	assert_int_equal(read_it(f, &byte), -EIO);
	cache_file_close(f);
	fake_fail(s3, S3_PUT_OBJECT, 0, 0);
	assert_false(fake_has(s3, "f"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_read),
		T(test_write_after_it),
		T(test_write_before_it),
		T(test_only_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

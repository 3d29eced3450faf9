/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attrs.c - metadata headers ("name: value" lines), and attributes as a
 * database keeps them (after a first byte 1): read, written, read again.
 */
#include "tests/fuzz/fuzz.h"

#include "cache/attrs.h"
#include "cache/attrs_meta.h"
#include "s3/base/buf.h"
#include "s3/s3.h"

#define HEADERS_MAX 32

/* What is kept is what was there. */
static void
check_pack(const struct attrs *a)
{
	struct buf b = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
	struct attrs back;

	attrs_init(&back);
	want(attrs_pack(a, &b) == 0);
	want(attrs_unpack(b.data, b.len, &back) == 0);
	want(attrs_pack(&back, &again) == 0);
	want(b.len == again.len && memcmp(b.data, again.data, b.len) == 0);
	attrs_fini(&back);
	buf_fini(&b);
	buf_fini(&again);
}

/* Written as headers and read again, it means the same. */
static void
check_write(const struct attrs *a)
{
	struct s3_meta *meta = NULL;
	size_t count = 0;
	struct attrs back;
	int r = attrs_write(a, false, &meta, &count);

	want(r == 0 || r == -ENOSPC);
	if (r < 0)
		return;
	attrs_init(&back);
	want(attrs_read(meta, count, NULL, &back) == 0);
	want(a->has_mode == back.has_mode && a->mode == back.mode);
	want(a->has_uid == back.has_uid && a->uid == back.uid);
	want(a->has_mtime == back.has_mtime && a->mtime_ns == back.mtime_ns);
	want(a->xattr_count == back.xattr_count);
	attrs_fini(&back);
	attrs_meta_free(meta, count);
}

static void
fuzz_headers(const uint8_t *data, size_t len)
{
	struct s3_meta meta[HEADERS_MAX];
	size_t count = 0;
	struct attrs a;

	while (len > 0 && count < HEADERS_MAX) {
		char *line = fuzz_take(&data, &len, '\n');
		char *value = strchr(line, ':');

		if (value != NULL)
			*value++ = '\0';
		meta[count].name = line;
		meta[count++].value =
		    fuzz_text((const uint8_t *)(value == NULL ? "" : value),
			value == NULL ? 0 : strlen(value));
	}
	attrs_init(&a);
	want(attrs_read(meta, count, "application/x-directory", &a) == 0);
	check_pack(&a);
	check_write(&a);
	attrs_fini(&a);
	while (count > 0) {
		free(meta[--count].name);
		free(meta[count].value);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct attrs a;
	int r;

	if (len == 0 || data[0] != 1) {
		fuzz_headers(data, len);
		return 0;
	}
	attrs_init(&a);
	r = attrs_unpack(data + 1, len - 1, &a);
	want(r == 0 || r == -EBADMSG);
	if (r == 0) {
		check_pack(&a);
		check_write(&a);
	}
	attrs_fini(&a);
	return 0;
}

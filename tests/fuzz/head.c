/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head.c - the head of an HTTP answer, line by line.
 */
#include "tests/fuzz/fuzz.h"

#include "s3/head.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct head h;
	int r = 0;

	head_init(&h);
	while (len > 0 && r == 0) {
		const uint8_t *end = memchr(data, '\n', len);
		size_t n = end != NULL ? (size_t)(end + 1 - data) : len;

		r = head_add(&h, (const char *)data, n);
		want(r == 0 || r == -EOVERFLOW);
		data += n;
		len -= n;
	}
	want(h.status <= 999);
	want(memchr(h.request_id, 0, sizeof(h.request_id)) != NULL);
	want(memchr(h.region, 0, sizeof(h.region)) != NULL);
	want(h.retry_ms >= -1);
	if (h.has_range)
		want(h.range_first <= h.range_last);
	head_fini(&h);
	return 0;
}

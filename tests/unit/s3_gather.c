/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_gather.c - a large body is given on in large pieces, at once.
 *
 * Role:    test of s3/exchange.h: what curl gives 16 KiB at a time.
 */
#include "tests/unit/unit.h"

#include <errno.h>

#include "s3/base/wait.h"
#include "s3/http.h"
#include "tests/unit/stub.h"

#define BODY   ((size_t)1000003)
#define BORDER EXCHANGE_GATHER

static struct stub stub;

struct probe {
	struct exchange x;
	struct waiter over;
	uint64_t expect_len;
	uint64_t fail_at; /* 0: never */
	uint64_t taken;
	unsigned pieces;
	unsigned crossing; /* pieces that go over a border */
	unsigned wrong;    /* bytes */
};

static char
byte_at(uint64_t off)
{
	return (char)(off * 7 + off / 251);
}

static int
on_prepare(struct exchange *x)
{
	struct probe *p = (struct probe *)(void *)x;

	x->method = "GET";
	x->url = stub.url;
	x->expect_len = p->expect_len;
	return 0;
}

static int
on_head(struct exchange *x)
{
	(void)x;
	return 0;
}

static int
on_data(struct exchange *x, const void *data, size_t len)
{
	struct probe *p = (struct probe *)(void *)x;
	const char *bytes = data;

	for (size_t i = 0; i < len; i++)
		p->wrong += bytes[i] != byte_at(p->taken + i);
	p->crossing += p->taken / BORDER != (p->taken + len - 1) / BORDER;
	p->pieces++;
	p->taken += len;
	return p->fail_at != 0 && p->taken >= p->fail_at ? -ENOSPC : 0;
}

static void
on_done(struct exchange *x)
{
	waiter_wake(&((struct probe *)(void *)x)->over);
}

static const struct exchange_ops ops = {
	.prepare = on_prepare,
	.head = on_head,
	.data = on_data,
	.done = on_done,
};

/* Let the server send the body, but for the last ${missing} bytes. */
static void
add_answer(size_t missing)
{
	char *text = malloc(BODY + 128);
	int head;

	assert_non_null(text);
	head = snprintf(
	    text, 128, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", BODY);
	for (size_t i = 0; i < BODY; i++)
		text[(size_t)head + i] = byte_at(i);
	stub_add_bytes(&stub, missing > 0 ? STUB_CLOSE : STUB_KEEP, text,
	    (size_t)head + BODY - missing);
	free(text);
}

static void
run(struct probe *p)
{
	const struct http_config config = { .clock = &clock_system,
		.user_agent = "test",
		.connections = 2,
		.timeout_s = 20 };
	struct http *h;

	assert_int_equal(http_open(&config, &h), 0);
	exchange_init(&p->x, &ops);
	waiter_init(&p->over);
	http_start(h, &p->x);
	assert_int_equal(waiter_wait(&p->over, 20000), 0);
	http_close(h);
	assert_int_equal(p->wrong, 0);
	assert_null(p->x.own.gathered);
	exchange_fini(&p->x);
	waiter_fini(&p->over);
}

static void
test_a_large_body(void **state)
{
	struct probe p = { .expect_len = BODY };

	(void)state;
	add_answer(0);
	run(&p);
	assert_int_equal(p.x.err, 0);
	assert_int_equal(p.taken, BODY);
	assert_int_equal(p.crossing, 0);
	assert_true(p.pieces < BODY / 16384);
}

/* What is not known to be large is given on as it comes. */
static void
test_a_small_one(void **state)
{
	struct probe p = { .expect_len = 0 };

	(void)state;
	add_answer(0);
	run(&p);
	assert_int_equal(p.x.err, 0);
	assert_int_equal(p.taken, BODY);
	assert_true(p.pieces >= BODY / 16384);
}

/* All that came is given, before the end is told. */
static void
test_cut_off(void **state)
{
	struct probe p = { .expect_len = BODY };

	(void)state;
	add_answer(5);
	run(&p);
	assert_int_equal(p.x.err, -ECONNRESET);
	assert_int_equal(p.taken, BODY - 5);
}

/* The owner's error ends it, wherever it comes up. */
static void
test_the_owner_fails(void **state)
{
	static const uint64_t at[] = { 1, BORDER, 3 * BORDER + 1, BODY };

	(void)state;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		struct probe p = { .expect_len = BODY, .fail_at = at[i] };

		add_answer(0);
		run(&p);
		assert_int_equal(p.x.err, -ENOSPC);
		assert_true(p.x.is_local);
		assert_true(p.taken >= at[i] && p.taken < at[i] + BORDER);
	}
	assert_non_null(strstr(stub_request(&stub, 0), "GET /"));
	assert_int_equal(stub_count(&stub), 3 + 4);
}

static void
test_no_body(void **state)
{
	struct probe p = { .expect_len = BODY };

	(void)state;
	stub_add(&stub, STUB_KEEP, "HTTP/1.1 204 No Content\r\n\r\n");
	run(&p);
	assert_int_equal(p.x.err, 0);
	assert_int_equal(p.pieces, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_large_body),
		cmocka_unit_test(test_a_small_one),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_the_owner_fails),
		cmocka_unit_test(test_no_body),
	};
	int r;

	stub_start(&stub);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)stub_stop(&stub);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_http.c - tests of the net thread and of the head of answers.
 */
#include "tests/unit/unit.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>

#include "s3/base/wait.h"
#include "s3/http.h"
#include "tests/unit/stub.h"

#define OK(length) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n"

static struct stub stub;

/* An exchange and all that was told of it. */
struct probe {
	struct exchange x;
	struct waiter over;
	const char *method;
	bool has_body;
	const char *body;
	uint64_t body_len;
	bool resend;
	int head_err;
	int prepare_again; /* how often to say -EAGAIN */
	char data[256];
	size_t data_len;
	unsigned heads;
	unsigned order; /* as which it was done */
};

static unsigned done_count; /* of the net thread */
static char url[128];

static int
on_prepare(struct exchange *x)
{
	struct probe *p = (struct probe *)(void *)x;

	if (p->prepare_again > 0) {
		p->prepare_again--;
		return -EAGAIN;
	}
	x->method = p->method;
	x->url = url;
	x->has_body = p->has_body;
	x->body = p->body;
	x->body_len = p->body_len;
	x->resend = p->resend;
	return 0;
}

static int64_t
on_source(struct exchange *x, uint64_t off, void *data, size_t len)
{
	(void)x;
	if (off >= 100)
		return -ENODEV;
	memset(data, 'x', 10);
	return len < 10 ? -EIO : 10;
}

static int
on_head(struct exchange *x)
{
	struct probe *p = (struct probe *)(void *)x;

	p->heads++;
	return p->head_err;
}

static int
on_data(struct exchange *x, const void *data, size_t len)
{
	struct probe *p = (struct probe *)(void *)x;

	if (p->data_len + len > sizeof(p->data))
		return -EOVERFLOW;
	memcpy(p->data + p->data_len, data, len);
	p->data_len += len;
	return 0;
}

static void
on_done(struct exchange *x)
{
	struct probe *p = (struct probe *)(void *)x;

	p->order = ++done_count;
	waiter_wake(&p->over);
}

static const struct exchange_ops ops = {
	.prepare = on_prepare,
	.source = on_source,
	.head = on_head,
	.data = on_data,
	.done = on_done,
};

static struct http *
open_http(unsigned connections, unsigned timeout_s)
{
	const struct http_config config = { .clock = &clock_system,
		.user_agent = "test",
		.connections = connections,
		.timeout_s = timeout_s };
	struct http *h;

	assert_int_equal(http_open(&config, &h), 0);
	return h;
}

static void
probe_init(struct probe *p, const char *method)
{
	memset(p, 0, sizeof(*p));
	exchange_init(&p->x, &ops);
	waiter_init(&p->over);
	p->method = method;
}

static void
probe_wait(struct probe *p)
{
	assert_int_equal(waiter_wait(&p->over, 20000), 0);
}

static void
probe_fini(struct probe *p)
{
	exchange_fini(&p->x);
	waiter_fini(&p->over);
}

/* Do one exchange. */
static void
run(struct http *h, struct probe *p, const char *method)
{
	probe_init(p, method);
	http_start(h, &p->x);
	probe_wait(p);
}

static int
setup(void **state)
{
	(void)state;
	stub_start(&stub);
	(void)snprintf(url, sizeof(url), "%s/a", stub.url);
	return 0;
}

static void
test_an_answer_is_told(void **state)
{
	struct http *h = open_http(2, 5);
	struct probe p;

	(void)state;
	stub_add(&stub, STUB_KEEP,
	    "HTTP/1.1 100 Continue\r\nETag: \"no\"\r\n\r\n"
	    "HTTP/1.1 206 Partial Content\r\n"
	    "Content-Range: bytes 5-9/100\r\nContent-Length: 5\r\n"
	    "ETag: \"e\"\r\nLast-Modified: Fri, 24 May 2013 00:00:00 GMT\r\n"
	    "x-amz-request-id: R1\r\nx-amz-meta-Mode:  33188 \r\n"
	    "X-Amz-Meta-empty:\r\nx-amz-version-id: v\r\n"
	    "x-amz-storage-class: GLACIER\r\nContent-Type: a/b\r\n"
	    "Retry-After: 3\r\nx-amz-bucket-region: eu-west-1\r\n"
	    "x-amz-checksum-crc32c: 4waSgw==\r\n"
	    "x-amz-checksum-type: FULL_OBJECT\r\n\r\nhello");
	run(h, &p, "GET");
	assert_int_equal(p.x.err, 0);
	assert_int_equal(p.heads, 1);
	assert_int_equal(p.x.head.status, 206);
	assert_int_equal(p.x.head.length, 5);
	assert_true(p.x.head.has_range);
	assert_int_equal(p.x.head.range_first, 5);
	assert_int_equal(p.x.head.range_last, 9);
	assert_int_equal(p.x.head.range_total, 100);
	assert_string_equal(p.x.head.object.etag, "\"e\"");
	assert_int_equal(
	    p.x.head.object.modified_ns, INT64_C(1369353600000000000));
	assert_string_equal(p.x.head.request_id, "R1");
	assert_int_equal(p.x.head.object.meta_count, 2);
	assert_string_equal(p.x.head.object.meta[0].name, "mode");
	assert_string_equal(p.x.head.object.meta[0].value, "33188");
	assert_string_equal(p.x.head.object.meta[1].value, "");
	assert_string_equal(p.x.head.object.version_id, "v");
	assert_string_equal(p.x.head.object.storage_class, "GLACIER");
	assert_string_equal(p.x.head.object.content_type, "a/b");
	assert_int_equal(p.x.head.retry_ms, 3000);
	assert_string_equal(p.x.head.region, "eu-west-1");
	assert_string_equal(p.x.head.checksums[DIGEST_CRC32C], "4waSgw==");
	assert_string_equal(p.x.head.checksum_type, "FULL_OBJECT");
	assert_int_equal(p.data_len, 5);
	assert_memory_equal(p.data, "hello", 5);
	assert_true(p.x.sent && p.x.sent_ms > 0);
	probe_fini(&p);
	http_close(h);
	(void)stub_stop(&stub);
}

static void
test_ranges_that_lie_are_no_ranges(void **state)
{
	static const char *const bad[] = { "bytes 5-4/100", "bytes 5-9/9",
		"bytes -9/10", "bytes 5-/10", "items 1-2/3", "bytes 1-2/3x",
		"bytes 99999999999999999999-1/2", "bytes 1-2" };
	struct head h;
	char line[128];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		head_init(&h);
		(void)snprintf(
		    line, sizeof(line), "Content-Range: %s\r\n", bad[i]);
		assert_int_equal(head_add(&h, line, strlen(line)), 0);
		assert_false(h.has_range);
		head_fini(&h);
	}
	head_init(&h);
	assert_int_equal(head_add(&h, "content-range: bytes 0-0/*\r\n", 28), 0);
	assert_true(h.has_range && h.range_total == HEAD_TOTAL_UNKNOWN);
	assert_int_equal(head_add(&h, "Content-Length: -1\r\n", 20), 0);
	assert_false(h.has_length);
	head_fini(&h);
	(void)stub_stop(&stub);
}

static void
test_a_flood_of_headers_ends(void **state)
{
	struct http *h = open_http(2, 5);
	char *text = malloc(200000);
	struct probe p;
	size_t len;

	(void)state;
	len = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\n");
	while (len < 150000)
		len += (size_t)sprintf(
		    text + len, "x-amz-meta-a%zu: %0500d\r\n", len, 1);
	(void)sprintf(text + len, "\r\n");
	stub_add(&stub, STUB_KEEP, text);
	run(h, &p, "GET");
	assert_int_equal(p.x.err, -EOVERFLOW);
	assert_int_equal(p.heads, 0);
	probe_fini(&p);
	free(text);
	http_close(h);
	(void)stub_stop(&stub);
}

static void
test_a_connection_is_kept(void **state)
{
	struct http *h = open_http(4, 5);
	struct probe p;

	(void)state;
	for (int i = 0; i < 5; i++) {
		stub_add(&stub, STUB_KEEP, OK("0"));
		run(h, &p, i % 2 == 0 ? "GET" : "HEAD");
		assert_int_equal(p.x.err, 0);
		probe_fini(&p);
	}
	http_close(h);
	assert_int_equal(stub_stop(&stub), 1);
}

/* The server takes a request on a kept connection and closes it. */
static void
test_only_the_owner_sends_again(void **state)
{
	struct http *h = open_http(4, 5);
	struct probe p;

	(void)state;
	stub_add(&stub, STUB_KEEP, OK("0"));
	stub_add(&stub, STUB_CLOSE, "");
	stub_add(&stub, STUB_KEEP, OK("0"));
	stub_add(&stub, STUB_CLOSE, "");
	stub_add(&stub, STUB_KEEP, OK("0"));
	run(h, &p, "PUT");
	assert_int_equal(p.x.err, 0);
	probe_fini(&p);
	run(h, &p, "PUT");
	assert_int_equal(p.x.err, -ECONNRESET);
	assert_true(p.x.sent);
	assert_int_equal(stub_count(&stub), 2);
	probe_fini(&p);
	run(h, &p, "GET");
	assert_int_equal(p.x.err, 0);
	probe_fini(&p);
	probe_init(&p, "GET");
	p.resend = true;
	http_start(h, &p.x);
	probe_wait(&p);
	assert_int_equal(p.x.err, 0);
	assert_int_equal(stub_count(&stub), 5);
	probe_fini(&p);
	http_close(h);
	(void)stub_stop(&stub);
}

static void
test_no_redirect_is_followed(void **state)
{
	struct http *h = open_http(4, 5);
	struct probe p;

	(void)state;
	stub_add(&stub, STUB_KEEP,
	    "HTTP/1.1 307 Moved\r\nLocation: /b\r\nContent-Length: 2\r\n\r\n"
	    "no");
	run(h, &p, "GET");
	assert_int_equal(p.x.err, 0);
	assert_int_equal(p.x.head.status, 307);
	assert_int_equal(stub_count(&stub), 1);
	probe_fini(&p);
	http_close(h);
	(void)stub_stop(&stub);
}

static void
test_broken_answers(void **state)
{
	static const struct {
		enum stub_then then;
		const char *text;
		int err;
	} cases[] = {
		{ STUB_CLOSE, "", -ECONNRESET },
		{ STUB_RESET, "", -ECONNRESET },
		{ STUB_CLOSE, OK("10") "short", -ECONNRESET },
		{ STUB_CLOSE, "HTTP/1.1 200 OK\r\nContent-Le", -ECONNRESET },
		{ STUB_CLOSE, "no http at all\r\n\r\n", -EBADMSG },
		{ STUB_CLOSE,
		    "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		    "chunked\r\n\r\nzz\r\nhello\r\n",
		    -ECONNRESET },
	};
	struct http *h = open_http(4, 5);
	struct probe p;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		stub_add(&stub, cases[i].then, cases[i].text);
		run(h, &p, "GET");
		assert_int_equal(p.x.err, cases[i].err);
		assert_true(p.x.sent && p.x.detail[0] != '\0');
		probe_fini(&p);
	}
	http_close(h);
	(void)stub_stop(&stub);
}

static void
test_nobody_listens(void **state)
{
	struct http *h = open_http(4, 5);
	struct probe p;

	(void)state;
	(void)stub_stop(&stub);
	run(h, &p, "PUT");
	assert_int_equal(p.x.err, -ECONNREFUSED);
	assert_false(p.x.sent);
	probe_fini(&p);
	http_close(h);
}

static void
test_silence_ends_in_time(void **state)
{
	struct http *h = open_http(4, 1);
	struct probe p, q;
	int64_t start = clock_mono_ms(&clock_system);

	(void)state;
	stub_add(&stub, STUB_KEEP, OK("10") "begin");
	run(h, &p, "GET");
	assert_int_equal(p.x.err, -ETIMEDOUT);
	assert_int_equal(p.data_len, 5);
	run(h, &q, "GET");
	assert_int_equal(q.x.err, -ETIMEDOUT);
	assert_int_equal(q.heads, 0);
	start = clock_mono_ms(&clock_system) - start;
	assert_true(start >= 2000 && start < 8000);
	probe_fini(&p);
	probe_fini(&q);
	http_close(h);
	(void)stub_stop(&stub);
}

static void
test_cancel_wherever_it_is(void **state)
{
	struct http *h = open_http(1, 20);
	struct probe active, queued, late, early;
	int64_t start = clock_mono_ms(&clock_system);

	(void)state;
	probe_init(&active, "GET");
	probe_init(&queued, "GET");
	probe_init(&late, "GET");
	probe_init(&early, "GET");
	http_start(h, &active.x);
	http_start(h, &queued.x);
	late.x.start_ms = start + 60000;
	http_start(h, &late.x);
	(void)stub_request(&stub, 0);
	http_cancel(h, &queued.x);
	http_cancel(h, &late.x);
	http_cancel(h, &early.x);
	http_start(h, &early.x);
	probe_wait(&queued);
	probe_wait(&late);
	probe_wait(&early);
	http_cancel(h, &active.x);
	http_cancel(h, &active.x);
	probe_wait(&active);
	assert_int_equal(active.x.err, -ECANCELED);
	assert_true(active.x.sent);
	assert_int_equal(queued.x.err, -ECANCELED);
	assert_int_equal(late.x.err, -ECANCELED);
	assert_int_equal(early.x.err, -ECANCELED);
	assert_false(queued.x.sent || late.x.sent || early.x.sent);
	assert_true(clock_mono_ms(&clock_system) - start < 5000);
	probe_fini(&active);
	probe_fini(&queued);
	probe_fini(&late);
	probe_fini(&early);
	http_close(h);
	(void)stub_stop(&stub);
}

static void
test_order_and_start_time(void **state)
{
	struct http *h = open_http(1, 20);
	struct probe p[4];
	int64_t start = clock_mono_ms(&clock_system);

	(void)state;
	for (int i = 0; i < 4; i++)
		probe_init(&p[i], "GET");
	http_start(h, &p[0].x);
	(void)stub_request(&stub, 0);
	p[1].x.background = true;
	p[2].x.start_ms = start + 300;
	p[3].prepare_again = 1;
	http_start(h, &p[1].x);
	http_start(h, &p[2].x);
	http_start(h, &p[3].x);
	for (int i = 0; i < 4; i++)
		stub_add(&stub, STUB_KEEP, OK("0"));
	for (int i = 0; i < 4; i++) {
		probe_wait(&p[i]);
		assert_int_equal(p[i].x.err, 0);
	}
	assert_true(p[2].x.sent_ms >= start + 300);
	assert_true(p[1].order < p[2].order);
	for (int i = 0; i < 4; i++)
		probe_fini(&p[i]);
	/* With all ready at once, the foreground goes first. */
	probe_init(&p[0], "GET");
	probe_init(&p[1], "GET");
	probe_init(&p[2], "GET");
	http_start(h, &p[0].x);
	(void)stub_request(&stub, 4);
	p[1].x.background = true;
	http_start(h, &p[1].x);
	http_start(h, &p[2].x);
	for (int i = 0; i < 3; i++)
		stub_add(&stub, STUB_KEEP, OK("0"));
	for (int i = 0; i < 3; i++)
		probe_wait(&p[i]);
	assert_true(p[2].order < p[1].order);
	for (int i = 0; i < 3; i++)
		probe_fini(&p[i]);
	http_close(h);
	(void)stub_stop(&stub);
}

static void
test_bodies_go_up(void **state)
{
	struct http *h = open_http(2, 5);
	struct probe p;

	(void)state;
	stub_add(&stub, STUB_KEEP, OK("0"));
	stub_add(&stub, STUB_KEEP, OK("0"));
	stub_add(&stub, STUB_KEEP, OK("0"));
	probe_init(&p, "PUT");
	p.has_body = true;
	http_start(h, &p.x);
	probe_wait(&p);
	assert_int_equal(p.x.err, 0);
	assert_non_null(
	    strcasestr(stub_request(&stub, 0), "Content-Length: 0\r\n"));
	assert_null(strcasestr(stub_request(&stub, 0), "Expect"));
	probe_fini(&p);
	probe_init(&p, "POST");
	p.has_body = true;
	p.body_len = 100;
	http_start(h, &p.x);
	probe_wait(&p);
	assert_int_equal(p.x.err, 0);
	assert_int_equal(p.x.sent_len, 100);
	assert_int_equal(strncmp(stub_request(&stub, 1), "POST /a ", 8), 0);
	assert_non_null(
	    strcasestr(stub_request(&stub, 1), "Content-Length: 100\r\n"));
	probe_fini(&p);
	probe_init(&p, "PUT");
	p.has_body = true;
	p.body_len = 200;
	http_start(h, &p.x);
	probe_wait(&p);
	assert_int_equal(p.x.err, -ENODEV);
	assert_true(p.x.is_local);
	probe_fini(&p);
	http_close(h);
	(void)stub_stop(&stub);
}

static void
test_the_owner_may_refuse_a_head(void **state)
{
	struct http *h = open_http(2, 5);
	struct probe p;

	(void)state;
	stub_add(&stub, STUB_KEEP, OK("5") "hello");
	probe_init(&p, "GET");
	p.head_err = -ESTALE;
	http_start(h, &p.x);
	probe_wait(&p);
	assert_int_equal(p.x.err, -ESTALE);
	assert_true(p.x.is_local);
	assert_int_equal(p.data_len, 0);
	probe_fini(&p);
	http_close(h);
	(void)stub_stop(&stub);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_an_answer_is_told, setup),
		cmocka_unit_test_setup(
		    test_ranges_that_lie_are_no_ranges, setup),
		cmocka_unit_test_setup(test_a_flood_of_headers_ends, setup),
		cmocka_unit_test_setup(test_a_connection_is_kept, setup),
		cmocka_unit_test_setup(test_only_the_owner_sends_again, setup),
		cmocka_unit_test_setup(test_no_redirect_is_followed, setup),
		cmocka_unit_test_setup(test_broken_answers, setup),
		cmocka_unit_test_setup(test_nobody_listens, setup),
		cmocka_unit_test_setup(test_silence_ends_in_time, setup),
		cmocka_unit_test_setup(test_cancel_wherever_it_is, setup),
		cmocka_unit_test_setup(test_order_and_start_time, setup),
		cmocka_unit_test_setup(test_bodies_go_up, setup),
		cmocka_unit_test_setup(test_the_owner_may_refuse_a_head, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

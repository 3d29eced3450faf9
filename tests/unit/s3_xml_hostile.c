/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_xml_hostile.c - tests of s3/xml*.c: documents that no S3 sends.
 *
 * Each answer is cut and damaged at every byte: whatever comes out, nothing
 * may crash, leak, or be given out after a failure.
 */
#include "tests/unit/s3_xml.h"

#include "s3/base/buf.h"

#define ROUNDS   3000
#define CLOSE_5  "</a></a></a></a></a>"
#define CLOSE_15 CLOSE_5 CLOSE_5 CLOSE_5
#define LIST_END "</ListBucketResult>"

static void
test_not_the_document(void **state)
{
	static const char *const bad[] = {
		"",
		"   ",
		"\n",
		"<",
		"<html><body>503</body></html>",
		"<CopyPartResult><ETag>x</ETag></CopyPartResult>",
		"{\"a\": 1}",
		"<ListBucketResult/>x",
		"<ListBucketResult/><ListBucketResult/>",
		"<ListBucketResult></listBucketResult>",
		"<ListBucketResult><a></ListBucketResult></a>",
		"<ListBucketResult>\001</ListBucketResult>",
		"<ListBucketResult>\xff</ListBucketResult>",
		"<ListBucketResult>&nbsp;</ListBucketResult>",
		"<!DOCTYPE a><ListBucketResult/>",
		"<!DOCTYPE a SYSTEM \"http://127.0.0.1:9/\"><ListBucketResult/>",
		"<!DOCTYPE a [<!ENTITY b \"c\">]><ListBucketResult/>",
		"<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"
		"<ListBucketResult><Contents><Key>&x;</Key></Contents>"
		"</ListBucketResult>",
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		if (try(LIST, bad[i]) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(
	    try(LIST, "<?xml version='1.0'?><ListBucketResult/> "), 0);
}

/* Push ${count} times ${text} between ${head} and ${tail}. */
static int
push_many(const char *head, const char *text, size_t count, const char *tail)
{
	struct results res;
	struct xml *x;
	int r;

	results_init(&res);
	assert_int_equal(xml_open_list(&res.page, &x), 0);
	r = xml_push(x, head, strlen(head));
	for (size_t i = 0; i < count && r == 0; i++)
		r = xml_push(x, text, strlen(text));
	if (r == 0)
		r = xml_push(x, tail, strlen(tail));
	r = xml_end(x);
	xml_free(x);
	results_fini(&res);
	return r;
}

/* More of anything than S3 sends ends the parser early. */
static void
test_limits(void **state)
{
	const char *contents =
	    "<Contents><Key>k</Key><Size>1</Size></Contents>";

	(void)state;
	assert_int_equal(push_many("<ListBucketResult>", contents, 5000,
			     "</ListBucketResult>"),
	    0);
	assert_int_equal(push_many("<ListBucketResult>", contents, 20000,
			     "</ListBucketResult>"),
	    -EBADMSG);
	assert_int_equal(
	    push_many("<ListBucketResult>", "<a>", 15, CLOSE_15 LIST_END), 0);
	assert_int_equal(push_many("<ListBucketResult><a>", "<a>", 15,
			     CLOSE_15 "</a>" LIST_END),
	    -EBADMSG);
	assert_int_equal(push_many("<ListBucketResult>", "<a/>", 300000,
			     "</ListBucketResult>"),
	    -EBADMSG);
	assert_int_equal(push_many("<ListBucketResult><Contents><Key>", "kkkk",
			     3000, "</Key></Contents></ListBucketResult>"),
	    -EBADMSG);
	assert_int_equal(push_many("<ListBucketResult><Contents><Key>", "kkkk",
			     1500, "</Key></Contents></ListBucketResult>"),
	    0);
	assert_int_equal(
	    push_many("<ListBucketResult ", "xxxxxxxx", 100000, ""), -EBADMSG);
	/* A server that keeps the connection alive for a long time. */
	assert_int_equal(push_many("<?xml version='1.0'?>", "          \n",
			     100000, "<ListBucketResult/>"),
	    0);
}

/* A tag with many attributes costs time that grows with their square. */
static void
test_many_attributes(void **state)
{
	struct buf b = BUF_INIT(16 << 20);
	struct results res;

	(void)state;
	results_init(&res);
	(void)buf_add_str(&b, "<ListBucketResult");
	for (int i = 0; i < 100000; i++)
		(void)buf_printf(&b, " a%d=''", i);
	(void)buf_add_str(&b, "/>");
	assert_int_equal(buf_error(&b), 0);
	assert_int_equal(
	    parse_steps(LIST, b.data, b.len, SIZE_MAX, &res), -EBADMSG);
	buf_fini(&b);
}

/* An answer that ends early is none, wherever it ends. */
static void
test_cut(void **state)
{
	struct results res;
	size_t len;

	(void)state;
	for (int a = 0; a < ANSWER_COUNT; a++) {
		results_init(&res);
		assert_int_equal(parse((enum answer)a, texts[a], &res), 0);
		results_fini(&res);
		len = strlen(texts[a]);
		for (size_t cut = 0; cut < len; cut++) {
			results_init(&res);
			assert_int_equal(parse_steps((enum answer)a, texts[a],
					     cut, 100, &res),
			    -EBADMSG);
			assert_int_equal(res.deletes[0].err, 77);
			assert_null(res.page.entries);
			assert_null(res.written.etag);
			assert_null(res.string);
			results_fini(&res);
		}
	}
}

/* Damage: a byte changed, taken out, or a stretch repeated. */
static void
damage(char *text, size_t *len, uint32_t *rnd)
{
	size_t at, n;

	*rnd = *rnd * 1664525U + 1013904223U;
	at = (*rnd >> 4) % *len;
	n = (*rnd >> 20) % 40;
	switch (*rnd >> 30) {
	case 0:
		text[at] = (char)(*rnd >> 12);
		break;
	case 1:
		text[at] = "<>&;/\"'%!\0"[(*rnd >> 12) % 10];
		break;
	case 2:
		memmove(text + at, text + at + 1, *len - at - 1);
		*len -= *len > 1;
		break;
	default:
		n = n < *len - at ? n : *len - at;
		memmove(text + at + n, text + at, *len - at);
		*len += n;
		break;
	}
}

static void
test_damaged(void **state)
{
	struct results res;
	char text[8192];
	uint32_t rnd = 20130524;
	size_t len;
	int r;

	(void)state;
	for (int i = 0; i < ROUNDS * ANSWER_COUNT; i++) {
		enum answer a = (enum answer)(i % ANSWER_COUNT);

		len = strlen(texts[a]);
		memcpy(text, texts[a], len);
		for (uint32_t n = 0; n <= rnd >> 29; n++)
			damage(text, &len, &rnd);
		results_init(&res);
		r = parse_steps(a, text, len, 1 + (rnd >> 16) % 300, &res);
		assert_true(
		    r == 0 || r == -EBADMSG || r == -EDOM || r == -EREMOTEIO);
		if (r < 0) {
			assert_int_equal(res.deletes[0].err, 77);
			assert_null(res.page.entries);
		}
		results_fini(&res);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_the_document),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_many_attributes),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

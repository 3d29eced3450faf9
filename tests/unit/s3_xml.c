/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_xml.c - tests of s3/xml*.c: what good documents are read and written as.
 */
#include "tests/unit/s3_xml.h"

#include "s3/base/buf.h"

static void
check_list(const struct s3_page *page)
{
	const struct s3_listed *e = page->entries;

	assert_int_equal(page->count, 4);
	assert_string_equal(page->next_token, "1+%2F=");
	assert_string_equal(e[0].key, "a/b c\001%");
	assert_int_equal(e[0].key_len, 7);
	assert_int_equal(e[0].size, INT64_C(5497558138880));
	assert_int_equal(e[0].modified_ns, TIME_NS);
	assert_string_equal(e[0].etag, "\"abc\"");
	assert_string_equal(e[0].storage_class, "GLACIER");
	assert_false(e[0].is_prefix);
	assert_string_equal(e[1].key, "a/\xc3\xa4");
	assert_null(e[1].etag);
	assert_null(e[1].storage_class);
	assert_true(e[2].is_prefix && e[3].is_prefix);
	assert_string_equal(e[2].key, "a/x/");
	assert_string_equal(e[3].key, "a/y/");
}

static void
test_list(void **state)
{
	struct results res;

	(void)state;
	for (size_t step = 1; step < 40; step += 3) {
		results_init(&res);
		assert_int_equal(
		    parse_steps(LIST, list_text, strlen(list_text), step, &res),
		    0);
		check_list(&res.page);
		results_fini(&res);
	}
}

/* A server that does not know encoding-type sends keys as they are. */
static void
test_list_raw(void **state)
{
	struct results res;

	(void)state;
	results_init(&res);
	assert_int_equal(
	    parse(LIST,
		"<ListBucketResult><IsTruncated>false</IsTruncated>"
		"<NextContinuationToken>x</NextContinuationToken>"
		"<Contents><Key>a+b%20&amp;<![CDATA[<c>]]></Key><Size>1</Size>"
		"</Contents></ListBucketResult>",
		&res),
	    0);
	assert_int_equal(res.page.count, 1);
	assert_string_equal(res.page.entries[0].key, "a+b%20&<c>");
	assert_null(res.page.next_token);
	results_fini(&res);

	/* It says that it encodes, and does not. */
	results_init(&res);
	assert_int_equal(
	    parse(LIST,
		"<ListBucketResult><EncodingType>url</EncodingType>"
		"<Contents><Key>100%</Key><Size>1</Size></Contents>"
		"<Contents><Key>a%00b</Key><Size>1</Size></Contents>"
		"</ListBucketResult>",
		&res),
	    0);
	assert_string_equal(res.page.entries[0].key, "100%");
	assert_int_equal(res.page.entries[1].key_len, 3);
	assert_memory_equal(res.page.entries[1].key, "a\0b", 4);
	results_fini(&res);
}

#define LIST_OF(body) "<ListBucketResult>" body "</ListBucketResult>"
#define TRUNCATED     "<IsTruncated>true</IsTruncated>"

/* What is wrong is named. */
static void
check_detail(const char *text, const char *want)
{
	struct results res;
	struct xml *x;

	results_init(&res);
	assert_int_equal(open_answer(LIST, &res, &x), 0);
	(void)xml_push(x, text, strlen(text));
	assert_int_equal(xml_end(x), -EDOM);
	assert_string_equal(xml_detail(x), want);
	xml_free(x);
	results_fini(&res);
}

static void
test_list_pages(void **state)
{
	static const char *const bad[] = {
		LIST_OF(TRUNCATED),
		LIST_OF(TRUNCATED
		    "<NextContinuationToken></NextContinuationToken>"),
		LIST_OF("<IsTruncated>maybe</IsTruncated>"),
		LIST_OF("<Contents><Size>1</Size></Contents>"),
		LIST_OF("<Contents><Key></Key><Size>1</Size></Contents>"),
		LIST_OF("<Contents><Key>a</Key><Size>-1</Size></Contents>"),
		LIST_OF("<Contents><Key>a</Key><Size>1x</Size></Contents>"),
		LIST_OF("<Contents><Key>a</Key><Size>18446744073709551616"
			"</Size></Contents>"),
		LIST_OF("<CommonPrefixes><Prefix/></CommonPrefixes>"),
	};
	struct results res;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_int_equal(try(LIST, bad[i]), -EDOM);
	check_detail(LIST_OF("<Contents><Key>a</Key><Size>99999999999999999999"
			     "</Size></Contents>"),
	    "the value of Contents/Size is impossible");
	check_detail(
	    LIST_OF(TRUNCATED), "there is another page, but not where");
	/* An empty page that is not the last one. */
	results_init(&res);
	assert_int_equal(parse(LIST,
			     LIST_OF(TRUNCATED "<NextContinuationToken>t"
					       "</NextContinuationToken>"),
			     &res),
	    0);
	assert_int_equal(res.page.count, 0);
	assert_string_equal(res.page.next_token, "t");
	results_fini(&res);
	assert_int_equal(try(LIST, "<ListBucketResult/>"), 0);
}

static void
test_error(void **state)
{
	struct results res;
	const struct xml_error *e;
	struct xml *x;

	(void)state;
	results_init(&res);
	for (int a = 0; a < ANSWER_COUNT; a++) {
		assert_int_equal(open_answer((enum answer)a, &res, &x), 0);
		assert_int_equal(xml_push(x, " \r\n", 3), 0);
		assert_int_equal(
		    xml_push(x, error_text, strlen(error_text)), 0);
		assert_int_equal(xml_end(x), a == ERROR ? 0 : -EREMOTEIO);
		e = xml_error(x);
		assert_string_equal(e->code, "RequestTimeTooSkewed");
		assert_string_equal(e->message, "The difference < x");
		assert_string_equal(e->region, "eu-west-1");
		assert_string_equal(e->bucket, "pail");
		assert_string_equal(e->request_id, "R1");
		assert_string_equal(e->endpoint, "h");
		assert_int_equal(e->server_time_ns, TIME_NS);
		assert_int_equal(e->max_skew_ms, 900000);
		xml_free(x);
	}
	assert_int_equal(res.deletes[0].err, 77);
	results_fini(&res);
	xml_free(NULL);
}

static void
test_error_of_sts(void **state)
{
	static const char text[] =
	    "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredToken</Code>"
	    "<Message>m</Message></Error><RequestId>R</RequestId>"
	    "</ErrorResponse>";
	struct results res;
	struct xml *x;

	(void)state;
	results_init(&res);
	assert_int_equal(xml_open_sts(&res.sts, &x), 0);
	assert_int_equal(xml_push(x, text, strlen(text)), 0);
	assert_int_equal(xml_end(x), -EREMOTEIO);
	assert_string_equal(xml_error(x)->code, "ExpiredToken");
	assert_string_equal(xml_error(x)->request_id, "R");
	xml_free(x);
}

static void
test_written(void **state)
{
	struct results res;

	(void)state;
	results_init(&res);
	assert_int_equal(parse(COPY, copy_text, &res), 0);
	assert_string_equal(res.written.etag, "\"9b2c\"");
	assert_int_equal(res.written.modified_ns, TIME_NS);
	assert_string_equal(res.written.crc32c, "4waSgw==");
	assert_string_equal(res.written.type, "FULL_OBJECT");
	results_fini(&res);
	assert_int_equal(parse(COPY_PART, copy_part_text, &res), 0);
	assert_string_equal(res.written.etag, "\"9b2c\"");
	assert_string_equal(res.written.crc32c, "");
	results_fini(&res);
	assert_int_equal(parse(COMPLETE, complete_text, &res), 0);
	assert_string_equal(res.written.etag, "\"3858-2\"");
	assert_string_equal(res.written.crc32c, "4waSgw==-2");
	results_fini(&res);
	assert_int_equal(
	    try(COPY, "<CopyObjectResult></CopyObjectResult>"), -EBADMSG);
}

static void
test_strings(void **state)
{
	struct results res;

	(void)state;
	results_init(&res);
	assert_int_equal(parse(CREATE, create_text, &res), 0);
	assert_string_equal(res.string, "VX_1.2-3");
	results_fini(&res);
	results_init(&res);
	assert_int_equal(parse(LOCATION, location_text, &res), 0);
	assert_string_equal(res.string, "eu-central-1");
	results_fini(&res);
	results_init(&res);
	assert_int_equal(parse(LOCATION, "<LocationConstraint/>", &res), 0);
	assert_string_equal(res.string, "us-east-1");
	results_fini(&res);
	results_init(&res);
	assert_int_equal(parse(STS, sts_text, &res), 0);
	assert_string_equal(res.sts.access, "A");
	assert_string_equal(res.sts.secret, "S");
	assert_string_equal(res.sts.token, "T");
	assert_int_equal(res.sts.expires_ns, TIME_NS);
	results_fini(&res);
	assert_int_equal(
	    try(CREATE, "<InitiateMultipartUploadResult/>"), -EBADMSG);
}

static void
test_delete(void **state)
{
	struct results res;

	(void)state;
	results_init(&res);
	assert_int_equal(parse(DELETE, delete_text, &res), 0);
	assert_int_equal(res.deletes[0].err, 0);
	assert_int_equal(res.deletes[1].err, -EACCES);
	assert_int_equal(res.deletes[2].err, -EIO); /* nothing was said */
	assert_int_equal(res.deletes[3].err, -ESTALE);
	assert_int_equal(res.deletes[4].err, 0);
	results_fini(&res);
}

static void
test_parts(void **state)
{
	struct results res;

	(void)state;
	results_init(&res);
	assert_int_equal(parse(PARTS, parts_text, &res), 0);
	assert_int_equal(res.parts.next, 3);
	/* The same page again would be without end. */
	assert_int_equal(parse(PARTS, parts_text, &res), -EDOM);
	assert_int_equal(res.parts.count, 2);
	assert_int_equal(
	    parse(PARTS,
		"<ListPartsResult><Part><PartNumber>10000</PartNumber><ETag>e"
		"</ETag></Part></ListPartsResult>",
		&res),
	    0);
	assert_int_equal(res.parts.next, 0);
	assert_int_equal(res.parts.count, 3);
	assert_int_equal(res.parts.parts[0].size, 5242880);
	assert_true(res.parts.parts[0].has_crc32c);
	assert_int_equal(res.parts.parts[0].crc32c, 0xe3069283);
	assert_int_equal(res.parts.parts[1].number, 3);
	assert_false(res.parts.parts[1].has_crc32c);
	assert_int_equal(res.parts.parts[2].number, 10000);
	results_fini(&res);
	assert_int_equal(try(PARTS, "<ListPartsResult><Part><PartNumber>10001"
				    "</PartNumber><ETag>e</ETag></Part>"
				    "</ListPartsResult>"),
	    -EDOM);
}

static void
test_uploads(void **state)
{
	struct results res;

	(void)state;
	results_init(&res);
	assert_int_equal(parse(UPLOADS, uploads_text, &res), 0);
	assert_int_equal(res.uploads.count, 2);
	assert_string_equal(res.uploads.next_key, "b+");
	assert_string_equal(res.uploads.next_id, "U2");
	assert_string_equal(res.uploads.uploads[0].key, "a b");
	assert_int_equal(res.uploads.uploads[0].initiated_ns, TIME_NS);
	assert_int_equal(parse(UPLOADS, uploads_text, &res), -EDOM);
	assert_int_equal(
	    parse(UPLOADS, "<ListMultipartUploadsResult/>", &res), 0);
	assert_int_equal(res.uploads.count, 2);
	assert_null(res.uploads.next_key);
	results_fini(&res);
}

static void
test_write_delete(void **state)
{
	struct s3_delete d[] = { { .key = "a<&>\"'\t\n\r\xf0\x9f\x98\x80" },
		{ .key = "b", .if_match = "\"e\"" } };
	struct buf b = BUF_INIT(10000);

	(void)state;
	assert_int_equal(xml_write_delete(&b, d, 2), 0);
	assert_string_equal(buf_str(&b),
	    HEAD "<Delete" NS "><Object><Key>a&#60;&#38;&#62;&#34;&#39;&#9;"
		 "&#10;&#13;\xf0\x9f\x98\x80</Key></Object><Object><Key>b</Key>"
		 "<ETag>&#34;e&#34;</ETag></Object></Delete>");
	buf_clear(&b);
	d[1].key = "b\001";
	assert_int_equal(xml_write_delete(&b, d, 2), -EILSEQ);
	buf_fini(&b);
}

static void
test_can_carry(void **state)
{
	static const char *const bad[] = { "\001", "a\037", "\xff", "\xc3",
		"\xc0\x80", "\xed\xa0\x80", "\xef\xbf\xbe", "\xef\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\x80",
		"\xe2\x82" };

	(void)state;
	assert_true(xml_can_carry(""));
	assert_true(xml_can_carry("\t\n\r \x7f\xc2\x80\xed\x9f\xbf\xee\x80\x80"
				  "\xef\xbf\xbd\xf4\x8f\xbf\xbf"));
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_false(xml_can_carry(bad[i]));
}

static void
test_write_complete(void **state)
{
	char e1[] = "\"a\"", e2[] = "b";
	const struct s3_part parts[] = { { .number = 1, .etag = e1 },
		{ .number = 10000,
		    .etag = e2,
		    .crc32c = 0xe3069283,
		    .has_crc32c = true } };
	struct buf b = BUF_INIT(1000), tiny = BUF_INIT(100);

	(void)state;
	assert_int_equal(xml_write_complete(&b, parts, 2), 0);
	assert_string_equal(buf_str(&b),
	    HEAD "<CompleteMultipartUpload" NS "><Part><PartNumber>1"
		 "</PartNumber><ETag>&#34;a&#34;</ETag></Part><Part>"
		 "<PartNumber>10000</PartNumber><ETag>b</ETag>"
		 "<ChecksumCRC32C>4waSgw==</ChecksumCRC32C></Part>"
		 "</CompleteMultipartUpload>");
	buf_fini(&b);
	assert_int_equal(xml_write_complete(&tiny, parts, 2), -EOVERFLOW);
	buf_fini(&tiny);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_list_raw),
		cmocka_unit_test(test_list_pages),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_error_of_sts),
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_uploads),
		cmocka_unit_test(test_write_delete),
		cmocka_unit_test(test_can_carry),
		cmocka_unit_test(test_write_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

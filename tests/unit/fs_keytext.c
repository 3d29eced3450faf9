/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_keytext.c - keys as text, and back.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fs/keytext.h"

static const struct {
	const char *key, *text;
} pairs[] = {
	{ "", "" }, { "a//b/../c", "a//b/../c" }, { "100%", "100%25" },
	{ "a%41", "a%2541" }, { "tab\there\n", "tab%09here%0A" },
	{ "\x7f\x1b[31m", "%7F%1B[31m" }, { " a b ", "%20a b%20" },
	{ " ", "%20" }, { "\"\\'$", "\"\\'$" },
	{ "caf\xc3\xa9", "caf\xc3\xa9" },
	{ "\xe6\x97\xa5/\xf0\x9f\x93\xbc", "\xe6\x97\xa5/\xf0\x9f\x93\xbc" },
	{ "\xff\xfe", "%FF%FE" }, { "\xc3", "%C3" }, /* cut */
	{ "\xe6\x97"
	  "a",
	    "%E6%97a" },          /* likewise */
	{ "\xc2\x9b", "%C2%9B" }, /* CSI */
	{ "\xc0\xaf", "%C0%AF" }, /* overlong */
	{ "\xe0\x9f\xbf", "%E0%9F%BF" }, { "\xf0\x8f\xbf\xbf", "%F0%8F%BF%BF" },
	{ "\xed\xa0\x80", "%ED%A0%80" },        /* a surrogate */
	{ "\xf4\x90\x80\x80", "%F4%90%80%80" }, /* above U+10FFFF */
};

static void
test_pairs(void **state)
{
	struct buf b = BUF_INIT(KEYTEXT_MAX);

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const char *key = pairs[i].key;

		buf_clear(&b);
		assert_int_equal(keytext_quote(key, strlen(key), &b), 0);
		assert_string_equal(buf_str(&b), pairs[i].text);
		buf_clear(&b);
		assert_int_equal(keytext_unquote(pairs[i].text, &b), 0);
		assert_string_equal(buf_str(&b), key);
	}
	buf_fini(&b);
}

static void
test_other_ways_to_write_it(void **state)
{
	struct buf b = BUF_INIT(KEYTEXT_MAX);

	(void)state;
	assert_int_equal(keytext_unquote("%61%2f\xff%fF", &b), 0);
	assert_string_equal(buf_str(&b), "a/\xff\xff");
	buf_fini(&b);
}

static void
test_what_is_no_key(void **state)
{
	static const char *const texts[] = { "%", "a%4", "%%", "%zz", "%4g",
		"%00", "a%00b", "% 4" };
	struct buf b = BUF_INIT(KEYTEXT_MAX);

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(keytext_unquote(texts[i], &b), -EINVAL);
	assert_int_equal(keytext_quote("a\0b", 3, &b), 0);
	assert_string_equal(buf_str(&b) + b.len - 5, "a%00b");
	buf_fini(&b);
}

/* Any bytes there may be: the text is UTF-8, and gives them back. */
static void
test_random(void **state)
{
	struct buf text = BUF_INIT(KEYTEXT_MAX), back = BUF_INIT(KEYTEXT_MAX);
	unsigned seed = 1;
	char key[1024];

	(void)state;
	for (int i = 0; i < 3000; i++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(key) + 1;
		json_t *json;

		if (i % 8 != 0)
			len = len % 8 + 1;
		for (size_t k = 0; k < len; k++)
			key[k] = (char)(rand_r(&seed) % 255 + 1);
		buf_clear(&text);
		buf_clear(&back);
		assert_int_equal(keytext_quote(key, len, &text), 0);
		json = json_stringn(buf_str(&text), text.len);
		assert_non_null(json);
		json_decref(json);
		assert_int_equal(keytext_unquote(buf_str(&text), &back), 0);
		assert_int_equal(back.len, len);
		assert_memory_equal(back.data, key, len);
	}
	buf_fini(&text);
	buf_fini(&back);
}

static void
test_the_longest(void **state)
{
	struct buf b = BUF_INIT(KEYTEXT_MAX);
	char key[1025];

	(void)state;
	memset(key, 1, sizeof(key));
	assert_int_equal(keytext_quote(key, 1024, &b), 0);
	assert_int_equal(b.len, KEYTEXT_MAX);
	buf_clear(&b);
	assert_int_equal(keytext_quote(key, 1025, &b), -EOVERFLOW);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_other_ways_to_write_it),
		cmocka_unit_test(test_what_is_no_key),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_the_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

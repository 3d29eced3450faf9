/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml.c - the answers of S3 as documents: which one, in pieces of how many
 * bytes, and the text.  The names in listing pages go on to cache/path.c.
 */
#include "tests/fuzz/fuzz.h"

#include "cache/path.h"
#include "tests/unit/s3_xml.h"

static void
check_path(const struct s3_listed *listed, const char *prefix)
{
	struct path path;

	path_classify(prefix, prefix[0] == '\0', listed, &path);
	want(path.name_len <= 255);
	if (path.name_len == 0)
		return;
	want(path.name >= listed->key &&
	     path.name + path.name_len <= listed->key + listed->key_len);
	want(memchr(path.name, '/', path.name_len) == NULL);
	want(memchr(path.name, '\0', path.name_len) == NULL);
}

static void
check(enum answer answer, const struct results *res)
{
	for (size_t i = 0; answer == LIST && i < res->page.count; i++) {
		const struct s3_listed *listed = &res->page.entries[i];

		want(listed->key != NULL &&
		     listed->key[listed->key_len] == '\0');
		check_path(listed, "");
		check_path(listed, "a/");
	}
	for (size_t i = 0; answer == PARTS && i < res->parts.count; i++)
		want(res->parts.parts[i].number >= 1 &&
		     res->parts.parts[i].number <= 10000);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum answer answer;
	struct results res;
	struct xml *x;
	size_t step;
	int r = 0;

	if (len < 2)
		return 0;
	answer = (enum answer)(data[0] % ANSWER_COUNT);
	step = data[1] == 0 ? len : data[1];
	results_init(&res);
	want(open_answer(answer, &res, &x) == 0);
	for (size_t off = 2; off < len && r == 0; off += step)
		r = xml_push(x, (const char *)data + off,
		    len - off < step ? len - off : step);
	r = xml_end(x);
	want(r <= 0);
	xml_free(x);
	if (r == 0)
		check(answer, &res);
	results_fini(&res);
	return 0;
}

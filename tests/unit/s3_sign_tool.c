/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_sign_tool.c - the signer as a program, for tests/sys/test_sign.py.
 *
 * Role:    with "-", reads requests and writes what they are signed as.
 *          Without arguments, checks itself.
 *
 * A request is lines of words, each word but the first in hex of its bytes
 * ("." for none), and ends with the line "sign":
 *
 *	method M | endpoint URL | bucket B | key K | path-style
 *	param NAME VALUE | header NAME VALUE | payload P | region R
 *	access A | secret S | token T | time SECONDS
 *
 * The answer is four lines: host, path, query, authorization.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/sign.h"
#include "s3/url.h"

#define HEADERS_MAX 40

enum word {
	METHOD,
	ENDPOINT,
	BUCKET,
	KEY,
	PAYLOAD,
	REGION,
	ACCESS,
	SECRET,
	TOKEN,
	TIME,
	WORD_COUNT
};

static const char *const names[] = { "method", "endpoint", "bucket", "key",
	"payload", "region", "access", "secret", "token", "time" };

struct tool {
	char *words[WORD_COUNT]; /* owned, as are all strings; NULL: not set */
	bool path_style;
	struct {
		char *name;
		char *value;
	} params[URL_PARAMS_MAX], headers[HEADERS_MAX];
	size_t params_count;
	size_t headers_count;
	struct sign_cache cache;
};

static int
digit(char c)
{
	return c >= 'a' ? c - 'a' + 10 : c - '0';
}

/* The bytes of one word, owned; "" if it is missing. */
static char *
unhex(const char *word)
{
	size_t len = word != NULL && word[0] != '.' ? strlen(word) / 2 : 0;
	char *s = calloc(1, len + 1);

	if (s == NULL)
		abort();
	for (size_t i = 0; i < len; i++)
		s[i] = (char)(digit(word[2 * i]) << 4 | digit(word[2 * i + 1]));
	return s;
}

static void
tool_clear(struct tool *t)
{
	for (size_t i = 0; i < WORD_COUNT; i++) {
		free(t->words[i]);
		t->words[i] = NULL;
	}
	for (size_t i = 0; i < t->params_count; i++) {
		free(t->params[i].name);
		free(t->params[i].value);
	}
	for (size_t i = 0; i < t->headers_count; i++) {
		free(t->headers[i].name);
		free(t->headers[i].value);
	}
	t->params_count = 0;
	t->headers_count = 0;
	t->path_style = false;
}

/* Fill in one line.  false: it is none of ours. */
static bool
tool_line(struct tool *t, const char *name, const char *a, const char *b)
{
	if (strcmp(name, "param") == 0 && t->params_count < URL_PARAMS_MAX) {
		t->params[t->params_count].name = unhex(a);
		t->params[t->params_count++].value = unhex(b);
		return true;
	}
	if (strcmp(name, "header") == 0 && t->headers_count < HEADERS_MAX) {
		t->headers[t->headers_count].name = unhex(a);
		t->headers[t->headers_count++].value = unhex(b);
		return true;
	}
	if (strcmp(name, "path-style") == 0)
		return t->path_style = true;
	for (size_t i = 0; i < WORD_COUNT; i++) {
		if (strcmp(name, names[i]) == 0) {
			free(t->words[i]);
			t->words[i] = unhex(a);
			return true;
		}
	}
	return false;
}

static int
tool_sign_target(
    struct tool *t, const struct url_target *target, const char *query)
{
	struct sign_header headers[HEADERS_MAX + 1];
	struct sign_keys keys = { t->words[ACCESS], t->words[SECRET],
		t->words[TOKEN] };
	struct sign_request rq = {
		.method = t->words[METHOD],
		.path = target->path,
		.query = query,
		.headers = headers,
		.headers_count = t->headers_count + 1,
		.payload = t->words[PAYLOAD],
		.region = t->words[REGION],
		.time_s = strtoll(t->words[TIME], NULL, 10),
	};
	struct signature sig;
	int r;

	for (size_t i = 0; i < t->headers_count; i++)
		headers[i] = (struct sign_header){ t->headers[i].name,
			t->headers[i].value };
	headers[t->headers_count] =
	    (struct sign_header){ "host", target->host };
	r = sign_request(&rq, &keys, &t->cache, &sig);
	if (r < 0)
		return r;
	(void)printf("%s\n%s\n%s\n%s\n", target->host, target->path, query,
	    sig.authorization);
	sign_fini(&sig);
	return 0;
}

static int
tool_sign(struct tool *t)
{
	struct url_param params[URL_PARAMS_MAX];
	struct buf query = BUF_INIT(1 << 16);
	struct endpoint endpoint;
	struct url_target target;
	int r;

	for (size_t i = 0; i < WORD_COUNT; i++) {
		if (t->words[i] == NULL && i != KEY && i != TOKEN &&
		    i != PAYLOAD)
			return -EINVAL;
	}
	for (size_t i = 0; i < t->params_count; i++)
		params[i] =
		    (struct url_param){ t->params[i].name, t->params[i].value };
	r = url_parse_endpoint(t->words[ENDPOINT], &endpoint);
	if (r == 0)
		r = url_target_init(&target, &endpoint, t->words[BUCKET],
		    t->words[KEY], t->path_style);
	if (r < 0)
		return r;
	r = url_query(&query, params, t->params_count);
	if (r == 0)
		r = tool_sign_target(t, &target, buf_str(&query));
	buf_fini(&query);
	url_target_fini(&target);
	return r;
}

static int
tool_run(FILE *f)
{
	struct tool t = { .cache = SIGN_CACHE_INIT };
	char *line = NULL, *save, *name, *a, *b;
	size_t size = 0;
	int r = 0;

	while (r == 0 && getline(&line, &size, f) > 0) {
		name = strtok_r(line, " \n", &save);
		a = name != NULL ? strtok_r(NULL, " \n", &save) : NULL;
		b = a != NULL ? strtok_r(NULL, " \n", &save) : NULL;
		if (name != NULL && strcmp(name, "sign") == 0) {
			r = tool_sign(&t);
			tool_clear(&t);
			(void)fflush(stdout); /* the reader will miss it */
		} else if (name == NULL || !tool_line(&t, name, a, b)) {
			r = -EINVAL;
		}
	}
	if (r < 0)
		(void)fprintf(stderr, "s3_sign_tool: %s\n", strerror(-r));
	tool_clear(&t);
	sign_cache_fini(&t.cache);
	free(line);
	return r < 0 ? 1 : 0;
}

static void
test_words(void **state)
{
	struct tool t = { .path_style = false };

	(void)state;
	assert_true(tool_line(&t, "key", "612fc3a4", NULL));
	assert_string_equal(t.words[KEY], "a/\xc3\xa4");
	assert_true(tool_line(&t, "param", "61", "."));
	assert_string_equal(t.params[0].value, "");
	assert_false(tool_line(&t, "kee", "61", NULL));
	assert_int_equal(tool_sign(&t), -EINVAL);
	tool_clear(&t);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
	};

	if (argc == 2 && strcmp(argv[1], "-") == 0)
		return tool_run(stdin);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

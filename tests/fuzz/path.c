/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.c - a key and the prefix of a directory, to a name and back; keys as
 * text for people and back.
 */
#include "tests/fuzz/fuzz.h"

#include "cache/path.h"
#include "fs/keytext.h"
#include "s3/s3.h"

/* A name that came of a key leads to that key. */
static void
check_back(const struct path *path, const char *prefix, const char *key)
{
	char name[256];
	char *joined = NULL;
	int r;

	memcpy(name, path->name, path->name_len);
	name[path->name_len] = '\0';
	want(path_check_name(name, prefix[0] == '\0') == 0);
	r = path_join(prefix, name, path->kind == PATH_DIRECTORY, &joined);
	want(r == 0 || r == -ENAMETOOLONG);
	if (r == 0 && path->kind == PATH_FILE)
		want(strcmp(joined, key) == 0);
	if (r == 0 && path->kind == PATH_DIRECTORY)
		want(strncmp(joined, key, strlen(joined)) == 0);
	free(joined);
}

static void
check_text(const uint8_t *data, size_t len)
{
	struct buf text = BUF_INIT(KEYTEXT_MAX + 16);
	struct buf back = BUF_INIT(KEYTEXT_KEY_MAX + 16);
	int r;

	if (len > KEYTEXT_KEY_MAX || (len > 0 && memchr(data, 0, len) != NULL))
		return;
	want(keytext_quote((const char *)data, len, &text) == 0);
	r = keytext_unquote(buf_str(&text), &back);
	want(r == 0 && back.len == len);
	want(len == 0 || memcmp(back.data, data, len) == 0);
	buf_fini(&text);
	buf_fini(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *prefix = fuzz_take(&data, &len, '\n');
	struct buf key = BUF_INIT(4096);
	struct s3_listed listed = { .key_len = len };
	struct path path;
	char *text;

	check_text(data, len);
	text = fuzz_text(data, len);
	(void)keytext_unquote(text, &key);
	buf_fini(&key);
	listed.key = text;
	listed.is_prefix = len > 0 && text[len - 1] == '/';
	path_classify(prefix, prefix[0] == '\0', &listed, &path);
	if (path.kind == PATH_FILE || path.kind == PATH_DIRECTORY)
		check_back(&path, prefix, text);
	free(text);
	free(prefix);
	return 0;
}

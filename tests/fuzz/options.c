/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - the command line; a line is a word.
 */
#include "tests/fuzz/fuzz.h"

#include "fs/options.h"

#define WORDS_MAX 8

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *argv[WORDS_MAX + 2] = { NULL }, *words[WORDS_MAX + 1];
	char message[512] = "";
	struct options o;
	int argc = 0, r;

	argv[argc++] = fuzz_text((const uint8_t *)"pailfs", 6);
	while (len > 0 && argc <= WORDS_MAX)
		argv[argc++] = fuzz_take(&data, &len, '\n');
	memcpy(words, argv, sizeof(words));
	r = options_parse(argc, argv, &o, message, sizeof(message));
	want(r <= 0);
	want(r == 0 || message[0] != '\0');
	if (r == 0 && !o.help && !o.version) {
		want(o.bucket != NULL && o.mountpoint != NULL);
		want(o.prefix[0] == '\0' ||
		     o.prefix[strlen(o.prefix) - 1] == '/');
		want(o.mountpoint[0] == '/');
	}
	options_fini(&o);
	while (argc > 0)
		free(words[--argc]);
	return 0;
}

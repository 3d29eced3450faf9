/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlconflict.c - pailctl conflicts: losers of conflicts, listed, and one of
 * the two versions chosen.
 *
 * To choose is to remove or rename a file of the mount, as any program does:
 * the daemon has all that keeps others' changes from being lost.
 */
#include "fs/ctlconflict.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/ctlcall.h"
#include "fs/ctlpath.h"
#include "fs/keytext.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"

/* A path below the mount, as keytext.h writes it; NULL: none. */
static const char *
text_of(json_t *one, const char *name)
{
	return json_string_value(
	    json_object_get(json_object_get(one, name), "text"));
}

static const char *
word_of(json_t *one, const char *name)
{
	const char *word = json_string_value(json_object_get(one, name));

	return word == NULL ? "" : word;
}

/* ---- list ---- */

static void
print_page(const struct ctlcall *call, json_t *page)
{
	json_t *one;
	size_t i;

	json_array_foreach(page, i, one)
	{
		const char *file = text_of(one, "file");

		(void)printf("%s/%s\t%s\t%s\t%s\t%" JSON_INTEGER_FORMAT "%s\n",
		    call->mountpoint, file == NULL ? "" : file,
		    word_of(one, "what"), word_of(one, "host"),
		    word_of(one, "time"),
		    json_integer_value(json_object_get(one, "size")),
		    json_is_true(json_object_get(one, "sent"))
			? ""
			: "\tnot in S3 yet");
	}
}

/* The next page after ${*from}, which moves on; NULL: it failed, and that is
 * said; empty: there are no more. */
static json_t *
ask_page(struct ctlcall *call, json_int_t *from)
{
	json_t *page = ctlcall_ask(call, "conflicts", *from);
	size_t count = json_array_size(page);

	if (count > 0)
		*from = json_integer_value(
		    json_object_get(json_array_get(page, count - 1), "number"));
	return page;
}

/* ---- choose ---- */

/* The one that is ${text}, a new reference; NULL: it failed, and that is
 * said. */
static json_t *
find(struct ctlcall *call, const char *file, const char *text)
{
	json_t *page = NULL, *one, *found = NULL;
	json_int_t from = 0;
	size_t i;

	do {
		json_decref(page);
		page = ask_page(call, &from);
		json_array_foreach(page, i, one)
		{
			const char *is = text_of(one, "file");

			if (is != NULL && strcmp(is, text) == 0)
				found = json_incref(one);
		}
	} while (found == NULL && json_array_size(page) > 0);
	if (found == NULL && page != NULL)
		(void)ctlcall_fail("no loser of a conflict is", file,
		    "pailctl conflicts lists those there are");
	json_decref(page);
	return found;
}

/* Let ${file}, which is ${one}, take the name that it lost. */
static int
take(struct ctlcall *call, const char *file, json_t *one)
{
	struct buf path = BUF_INIT(PATH_MAX), below = BUF_INIT(KEYTEXT_KEY_MAX);
	const char *of = text_of(one, "of");
	int r;

	if (strcmp(word_of(one, "what"), "partial") == 0)
		return ctlcall_fail("cannot take", file,
		    "bytes of it are missing: its attribute "
		    "user.pailfs.missing says which; copy what you need");
	if (of == NULL)
		return ctlcall_fail("cannot take", file,
		    "the name that it lost was shortened: rename it yourself");
	r = keytext_unquote(of, &below);
	if (r == 0)
		r = buf_printf(
		    &path, "%s/%s", call->mountpoint, buf_str(&below));
	if (r == 0 && rename(file, buf_str(&path)) < 0)
		r = -errno;
	buf_fini(&path);
	buf_fini(&below);
	return r < 0 ? ctlcall_fail("cannot take", file, strerror(-r)) : 0;
}

static int
choose(struct ctlcall *call, const char *file)
{
	struct buf text = BUF_INIT(KEYTEXT_MAX);
	json_t *one = NULL;
	struct stat st;
	int r;

	/* Who looks at it makes the daemon know it. */
	r = lstat(file, &st) < 0 ? -errno : ctlpath_below(call, file, &text);
	if (r == 0)
		one = find(call, file, buf_str(&text));
	else
		(void)ctlcall_fail("cannot find", file,
		    r == -EXDEV ? "it is not in this mount" : strerror(-r));
	buf_fini(&text);
	if (one == NULL)
		return EXIT_FAILURE;
	if (call->take != NULL)
		r = take(call, file, one);
	else if (unlink(file) < 0)
		r = ctlcall_fail("cannot remove", file, strerror(errno));
	json_decref(one);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
ctlconflict_run(struct ctlcall *call)
{
	const char *file = call->keep != NULL ? call->keep : call->take;

	if (ctlcall_connect(call) < 0)
		return EXIT_FAILURE;
	return file == NULL ? ctlcall_list(call, ask_page, print_page)
			    : choose(call, file);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlwarm.c - pailctl warm and evict: what is cached of a file or folder is
 * all of it, or nothing.
 */
#include "fs/ctlwarm.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/ctlcall.h"
#include "fs/ctlnote.h"
#include "fs/ctltext.h"

/* How often a line is printed where it cannot be written over, in seconds. */
#define LINE_S 2

/* How far it is. */
struct warm {
	bool is_terminal; /* standard error */
	bool is_shown;
	time_t told_s;
	json_int_t files;
	json_int_t bytes;
	json_int_t names;
};

/* "12 files, 3.4 MiB, of 20 names". */
static void
print_done(FILE *to, const struct warm *w)
{
	char text[32];

	(void)fprintf(to,
	    "%" JSON_INTEGER_FORMAT " files, %s, of %" JSON_INTEGER_FORMAT
	    " names",
	    w->files, ctltext_size(w->bytes, text), w->names);
}

/* A line is written over the one before. */
static void
show_over(struct warm *w)
{
	(void)fputs("\rcached: ", stderr);
	print_done(stderr, w);
	(void)fputs("\033[K", stderr); /* the rest of the one before */
	(void)fflush(stderr);
	w->is_shown = true;
}

static void
show_line(struct warm *w)
{
	time_t now = time(NULL);

	if (w->told_s == 0)
		w->told_s = now; /* what takes no time needs no line */
	if (now - w->told_s < LINE_S)
		return;
	w->told_s = now;
	(void)fputs("pailctl: cached by now: ", stderr);
	print_done(stderr, w);
	(void)fputc('\n', stderr);
}

/* ${line} is of what is cached by now. */
static void
show(void *arg, json_t *line)
{
	struct warm *w = arg;

	w->files = json_integer_value(json_object_get(line, "files"));
	w->bytes = json_integer_value(json_object_get(line, "bytes"));
	w->names = json_integer_value(json_object_get(line, "names"));
	if (w->is_terminal)
		show_over(w);
	else
		show_line(w);
}

/* What it came to. */
static void
print_end(struct ctlcall *call, const struct ctlnote *note, struct warm *w)
{
	json_t *all;

	if (!call->as_json) {
		ctlnote_print(call, note);
		(void)fputs("cached: ", stdout);
		print_done(stdout, w);
		(void)fputc('\n', stdout);
		return;
	}
	all = json_pack("{s:I, s:I, s:I, s:O}", "files", w->files, "bytes",
	    w->bytes, "names", w->names, "notes", note->all);
	ctlcall_print(all);
	json_decref(all);
}

/* Whether it ended for lack of room: the last note says so. */
static bool
is_full(const struct ctlnote *note)
{
	size_t count = json_array_size(note->all);
	const char *what =
	    count == 0 ? NULL
		       : json_string_value(json_object_get(
			     json_array_get(note->all, count - 1), "what"));

	return what != NULL && strcmp(what, "full") == 0;
}

int
ctlwarm_run(struct ctlcall *call)
{
	struct warm w = { .is_terminal = isatty(STDERR_FILENO) == 1 };
	struct ctlnote note = { .command = "warm", .show = show, .arg = &w };
	int r = ctlnote_ask(call, &note);

	if (w.is_shown)
		(void)fputs("\r\033[K", stderr);
	if (r == 0)
		print_end(call, &note, &w);
	if (r == 0 && is_full(&note))
		(void)fputs(
		    "pailctl: the cache is full: this is not all\n", stderr);
	else if (r == 0 && note.found > 0)
		(void)fprintf(stderr,
		    "pailctl: not cached: %" JSON_INTEGER_FORMAT "\n",
		    note.found);
	ctlnote_fini(&note);
	return r < 0 || note.found > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
ctlevict_run(struct ctlcall *call)
{
	struct ctlnote note = { .command = "evict" };
	int r = ctlnote_ask(call, &note);

	ctlnote_fini(&note);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

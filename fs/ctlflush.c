/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlflush.c - pailctl flush: what is not in S3 is sent now.
 */
#include "fs/ctlflush.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fs/ctlcall.h"
#include "fs/ctlnote.h"
#include "fs/ctltext.h"

/* How often a line is printed where there is no bar, in seconds. */
#define LINE_S 2

/* How far it is, for people. */
struct flush {
	bool has_bar; /* standard error is a terminal */
	bool is_shown;
	json_int_t total; /* bytes, the most that were left */
	time_t told_s;
};

static json_int_t
number(json_t *line, const char *name)
{
	return json_integer_value(json_object_get(line, name));
}

/* "3 files, 12.3 MiB, 2 names, attributes of 1": what of it is not 0. */
static void
print_left(json_t *line)
{
	char text[32];

	(void)fprintf(stderr, "%" JSON_INTEGER_FORMAT " files, %s",
	    number(line, "files"), ctltext_size(number(line, "bytes"), text));
	if (number(line, "names") > 0)
		(void)fprintf(stderr, ", %" JSON_INTEGER_FORMAT " names",
		    number(line, "names"));
	if (number(line, "attrs") > 0)
		(void)fprintf(stderr, ", attributes of %" JSON_INTEGER_FORMAT,
		    number(line, "attrs"));
}

/* A line is written over the one before. */
static void
show_bar(struct flush *f, json_t *line)
{
	char bar[CTLTEXT_BAR];

	(void)fprintf(stderr, "\r%s  still ",
	    ctltext_bar(f->total - number(line, "bytes"), f->total, bar));
	print_left(line);
	(void)fputs("\033[K", stderr); /* the rest of the one before */
	(void)fflush(stderr);
	f->is_shown = true;
}

static void
show_line(struct flush *f, json_t *line)
{
	time_t now = time(NULL);

	if (f->told_s == 0)
		f->told_s = now; /* what takes no time needs no line */
	if (now - f->told_s < LINE_S)
		return;
	f->told_s = now;
	(void)fputs("pailctl: still to be sent: ", stderr);
	print_left(line);
	(void)fputc('\n', stderr);
}

/* ${line} is of what is on its way. */
static void
show(void *arg, json_t *line)
{
	struct flush *f = arg;

	if (number(line, "bytes") > f->total)
		f->total = number(line, "bytes");
	if (f->has_bar)
		show_bar(f, line);
	else
		show_line(f, line);
}

int
ctlflush_run(struct ctlcall *call)
{
	struct flush f = { .has_bar = isatty(STDERR_FILENO) == 1 };
	struct ctlnote note = { .command = "flush", .show = show, .arg = &f };
	int r = ctlnote_ask(call, &note);

	if (f.is_shown)
		(void)fputs("\r\033[K", stderr);
	if (r == 0)
		ctlnote_print(call, &note);
	if (r == 0 && note.found > 0)
		(void)fprintf(stderr,
		    "pailctl: not in S3, kept, and tried again: "
		    "%" JSON_INTEGER_FORMAT "\n",
		    note.found);
	ctlnote_fini(&note);
	return r < 0 || note.found > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlstatus.c - pailctl status: what a mount does, and did.
 */
#include "fs/ctlstatus.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "fs/ctlcall.h"
#include "fs/ctltext.h"

#define SENDING_MAX 8 /* uploads that are shown */
#define WATCH_MS    1000
#define ROWS_MIN    2

static void
print_line(FILE *to, const char *name, const char *value)
{
	(void)fprintf(to, "%-16s %s\n", name, value);
}

static void
print_text(FILE *to, json_t *from, const char *name, const char *label)
{
	const char *text = json_string_value(json_object_get(from, name));

	if (text != NULL && text[0] != '\0')
		print_line(to, label, text);
}

static void
print_size(FILE *to, json_t *from, const char *name, const char *label)
{
	char text[32];

	print_line(to, label,
	    ctltext_size(
		json_integer_value(json_object_get(from, name)), text));
}

static void
print_count(FILE *to, json_t *from, const char *name, const char *label)
{
	(void)fprintf(to, "%-16s %" JSON_INTEGER_FORMAT "\n", label,
	    json_integer_value(json_object_get(from, name)));
}

/* A path below the mount, quoted where it must be. */
static const char *
path_text(json_t *from, const char *name)
{
	json_t *path = json_object_get(from, name);

	return json_string_value(json_object_get(path, "text"));
}

/* "  a -> b: copying, 12 of 2000 copied" */
static void
print_renames(FILE *to, json_t *list)
{
	size_t i;
	json_t *one;

	json_array_foreach(list, i, one)
	{
		(void)fprintf(to,
		    "%-16s %s -> %s: %s, %" JSON_INTEGER_FORMAT
		    " of %" JSON_INTEGER_FORMAT " copied, %" JSON_INTEGER_FORMAT
		    " deleted\n",
		    "rename", path_text(one, "from"), path_text(one, "to"),
		    json_string_value(json_object_get(one, "stage")),
		    json_integer_value(json_object_get(one, "copied")),
		    json_integer_value(json_object_get(one, "total")),
		    json_integer_value(json_object_get(one, "deleted")));
	}
}

/* "    45 %  of 20.0 MiB       d/f": those that were waited for longest. */
static void
print_sending(FILE *to, json_t *list)
{
	char text[32];
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		json_int_t size =
		    json_integer_value(json_object_get(one, "size"));
		json_int_t sent =
		    json_integer_value(json_object_get(one, "sent"));

		if (i == SENDING_MAX)
			break; /* --json has more */
		(void)fprintf(to, "    %3d %% of    %-12s %s\n",
		    ctltext_percent(sent, size), ctltext_size(size, text),
		    json_string_value(json_object_get(one, "text")));
	}
}

static void
print_status(FILE *to, json_t *status)
{
	json_t *cache = json_object_get(status, "cache");
	json_t *s3 = json_object_get(status, "s3");
	json_t *count;
	const char *name;
	char used[32], size[32];

	print_text(to, status, "state", "state");
	print_text(to, status, "bucket", "bucket");
	print_text(to, status, "prefix", "prefix");
	print_text(to, status, "endpoint", "endpoint");
	print_text(to, status, "region", "region");
	print_line(to, "mode",
	    json_is_true(json_object_get(status, "read_only"))
		? "read-only"
		: "read and write");
	print_count(to, status, "pid", "pid");
	print_count(to, status, "uptime_s", "uptime, s");
	print_text(to, cache, "dir", "cache folder");
	(void)fprintf(to, "%-16s %s of %s\n", "cache used",
	    ctltext_size(
		json_integer_value(json_object_get(cache, "used")), used),
	    ctltext_size(
		json_integer_value(json_object_get(cache, "size")), size));
	print_count(to, cache, "entries", "entries known");
	print_count(to, cache, "open_files", "open files");
	print_size(to, cache, "read_bytes", "read");
	print_size(to, cache, "hit_bytes", "  from cache");
	print_size(to, cache, "evicted_bytes", "evicted");
	print_count(to, cache, "checked_blocks", "blocks checked");
	print_count(to, cache, "bad_blocks", "bad blocks");
	print_count(to, cache, "odd_keys", "odd keys");
	print_size(to, cache, "dirty_bytes", "not in S3 yet");
	print_count(to, cache, "dirty_files", "  files");
	print_count(to, cache, "uploads", "  on their way");
	print_sending(to, json_object_get(status, "sending"));
	print_count(to, cache, "failed_files", "  refused by S3");
	print_count(to, cache, "oldest_s", "  oldest, s");
	print_count(to, cache, "dirty_attrs", "  attributes");
	print_count(to, cache, "owed_creates", "  names made");
	print_count(to, cache, "owed_deletes", "  names removed");
	print_count(to, cache, "owed_renames", "  names changed");
	print_count(to, cache, "failed_names", "  of them, refused");
	print_count(to, cache, "conflicts", "conflicts");
	print_renames(to, json_object_get(status, "renames"));
	print_count(to, cache, "names_back", "changes undone");
	if (json_integer_value(json_object_get(cache, "away_s")) > 0)
		print_count(to, cache, "away_s", "S3 is away, s");
	print_size(to, s3, "bytes_down", "S3 down");
	print_size(to, s3, "bytes_up", "S3 up");
	print_count(to, s3, "in_flight", "S3 in flight");
	print_count(to, s3, "retries", "S3 retries");
	print_count(to, s3, "errors", "S3 errors");
	json_object_foreach(json_object_get(s3, "requests"), name, count)
	{
		(void)fprintf(to, "  %-22s %" JSON_INTEGER_FORMAT "\n", name,
		    json_integer_value(count));
	}
}

/* A picture of the terminal's height, over the one before. */
static void
show_screen(json_t *status)
{
	struct winsize window = { 0 };
	char *text = NULL, *line, *rest;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	unsigned rows = 0;

	if (to == NULL)
		return; /* no memory: the next one */
	print_status(to, status);
	if (fclose(to) != 0) {
		free(text);
		return;
	}
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) < 0 ||
	    window.ws_row < ROWS_MIN)
		window.ws_row = UINT16_MAX;
	(void)fputs("\033[H", stdout);
	for (line = strtok_r(text, "\n", &rest);
	     line != NULL && ++rows < window.ws_row;
	     line = strtok_r(NULL, "\n", &rest))
		(void)printf("%s\033[K\n", line);
	(void)fputs("\033[J", stdout);
	free(text);
}

static void
show(const struct ctlcall *call, json_t *status)
{
	if (call->as_json && call->watch) {
		(void)json_dumpf(status, stdout, JSON_COMPACT);
		(void)putchar('\n');
	} else if (call->as_json) {
		ctlcall_print(status);
	} else if (call->watch && isatty(STDOUT_FILENO) == 1) {
		show_screen(status);
	} else {
		print_status(stdout, status);
		if (call->watch)
			(void)putchar('\n');
	}
	(void)fflush(stdout); /* seen in the end */
}

/* Wait for the time of the next; false: Ctrl-C came first. */
static bool
pause_for_next(int signal_fd)
{
	struct pollfd fd = { .fd = signal_fd, .events = POLLIN };

	return poll(&fd, 1, WATCH_MS) == 0;
}

/* Ctrl-C ends it in order. */
static int
catch_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int
ctlstatus_run(struct ctlcall *call)
{
	int signal_fd = call->watch ? catch_signals() : -1;
	bool is_screen =
	    call->watch && !call->as_json && isatty(STDOUT_FILENO) == 1;
	json_t *status = NULL;

	if (ctlcall_connect(call) < 0)
		return EXIT_FAILURE;
	if (is_screen)
		(void)fputs("\033[2J", stdout);
	do {
		json_decref(status);
		status = ctlcall_ask(call, "status", 0);
		if (status == NULL)
			return EXIT_FAILURE;
		show(call, status);
	} while (
	    call->watch && ferror(stdout) == 0 && pause_for_next(signal_fd));
	json_decref(status);
	return EXIT_SUCCESS;
}

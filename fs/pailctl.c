/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pailctl.c - the client of the control socket.
 */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

#include "fs/ctlsock.h"
#include "fs/mountinfo.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"

#define EXIT_USAGE 2
#define WORDS_MAX  3
#define ANSWER_MAX (64U << 20)

/* A daemon never waits for S3 before it answers. */
#define PATIENCE_S 10

/* One run of the program. */
struct call {
	char *mountpoint;  /* owned, as the kernel shows it */
	const char *level; /* of log_level, or NULL */
	bool as_json;
};

static int
fail(const char *what, const char *mountpoint, const char *why)
{
	(void)fprintf(stderr, "pailctl: %s '%s': %s\n", what, mountpoint, why);
	return -1;
}

static int
find_mount(const char *mountpoint, struct mountinfo *ret)
{
	if (mountinfo_find(mountpoint, ret) == 0 && ret->is_pailfs)
		return 0;
	return fail("no pailfs is mounted on", mountpoint,
	    "findmnt -t fuse.pailfs lists those there are");
}

/* Wait at most ${seconds} for an answer, 0: for ever. */
static void
set_patience(int fd, int seconds)
{
	struct timeval patience = { .tv_sec = seconds };

	(void)setsockopt(
	    fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

/* Connect to the daemon of ${mountpoint}: a descriptor, or -1 and said. */
static int
connect_to(const char *mountpoint)
{
	struct mountinfo info;
	int fd;

	if (find_mount(mountpoint, &info) < 0)
		return -1;
	fd = ctlsock_connect(&info);
	if (fd == -EACCES)
		return fail("the mount is not yours on", mountpoint,
		    "ask its owner, or root");
	if (fd < 0)
		return fail("no daemon answers for", mountpoint,
		    "it has died (pailctl umount clears it), or had another "
		    "$XDG_RUNTIME_DIR");
	set_patience(fd, PATIENCE_S);
	return fd;
}

/* One line from the daemon as JSON; NULL: it ended. */
static json_t *
read_answer(int fd)
{
	struct buf text = BUF_INIT(ANSWER_MAX);
	json_t *value = NULL;
	char c;

	errno = 0;
	while (recv(fd, &c, 1, 0) == 1) {
		if (c == '\n') {
			value =
			    json_loads(buf_str(&text), JSON_DECODE_ANY, NULL);
			break;
		}
		if (buf_add_char(&text, c) < 0)
			break;
	}
	buf_fini(&text);
	return value;
}

/* Send a command and read its answer; NULL: there was none, and that is said,
 * as is an answer that is an error.  ${from}: of a page, else 0. */
static json_t *
ask_from(int fd, const struct call *call, const char *command, json_int_t from)
{
	json_t *request = json_pack("{s:s, s:s?, s:I}", "cmd", command, "level",
	    call->level, "from", from);
	char *line = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
	json_t *answer = NULL;
	const char *error;

	json_decref(request);
	if (line != NULL && send(fd, line, strlen(line), MSG_NOSIGNAL) > 0 &&
	    send(fd, "\n", 1, MSG_NOSIGNAL) == 1)
		answer = read_answer(fd);
	free(line);
	error = json_string_value(json_object_get(answer, "error"));
	if (answer != NULL && error == NULL)
		return answer;
	(void)fail("no answer from the daemon of", call->mountpoint,
	    error != NULL     ? error
	    : errno == EAGAIN ? "it is there, but hangs"
			      : "it just ended");
	json_decref(answer);
	return NULL;
}

static json_t *
ask(int fd, const struct call *call, const char *command)
{
	return ask_from(fd, call, command, 0);
}

/* "12.3 MiB" */
static const char *
size_text(json_int_t bytes, char text[32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB",
		"PiB" };
	double n = (double)bytes;
	int i = 0;

	for (; n >= 1024 && i < 5; i++)
		n /= 1024;
	(void)snprintf(text, 32, i == 0 ? "%.0f %s" : "%.1f %s", n, units[i]);
	return text;
}

static void
print_line(const char *name, const char *value)
{
	(void)printf("%-16s %s\n", name, value);
}

static void
print_text(json_t *from, const char *name, const char *label)
{
	const char *text = json_string_value(json_object_get(from, name));

	if (text != NULL && text[0] != '\0')
		print_line(label, text);
}

static void
print_size(json_t *from, const char *name, const char *label)
{
	char text[32];

	print_line(label,
	    size_text(json_integer_value(json_object_get(from, name)), text));
}

static void
print_count(json_t *from, const char *name, const char *label)
{
	(void)printf("%-16s %" JSON_INTEGER_FORMAT "\n", label,
	    json_integer_value(json_object_get(from, name)));
}

static void
print_status(json_t *status)
{
	json_t *cache = json_object_get(status, "cache");
	json_t *s3 = json_object_get(status, "s3");
	json_t *count;
	const char *name;
	char used[32], size[32];

	print_text(status, "state", "state");
	print_text(status, "bucket", "bucket");
	print_text(status, "prefix", "prefix");
	print_text(status, "endpoint", "endpoint");
	print_text(status, "region", "region");
	print_line("mode", json_is_true(json_object_get(status, "read_only"))
			       ? "read-only"
			       : "read (writing is refused)");
	print_count(status, "pid", "pid");
	print_count(status, "uptime_s", "uptime, s");
	print_text(cache, "dir", "cache folder");
	(void)printf("%-16s %s of %s\n", "cache used",
	    size_text(json_integer_value(json_object_get(cache, "used")), used),
	    size_text(
		json_integer_value(json_object_get(cache, "size")), size));
	print_count(cache, "entries", "entries known");
	print_count(cache, "open_files", "open files");
	print_size(cache, "read_bytes", "read");
	print_size(cache, "hit_bytes", "  from cache");
	print_size(cache, "evicted_bytes", "evicted");
	print_count(cache, "bad_blocks", "bad blocks");
	print_count(cache, "odd_keys", "odd keys");
	print_size(s3, "bytes_down", "S3 down");
	print_size(s3, "bytes_up", "S3 up");
	print_count(s3, "in_flight", "S3 in flight");
	print_count(s3, "retries", "S3 retries");
	print_count(s3, "errors", "S3 errors");
	json_object_foreach(json_object_get(s3, "requests"), name, count)
	{
		(void)printf("  %-22s %" JSON_INTEGER_FORMAT "\n", name,
		    json_integer_value(count));
	}
}

static void
print_json(json_t *value)
{
	(void)json_dumpf(value, stdout, JSON_INDENT(2));
	(void)putchar('\n');
}

static int
do_status(const struct call *call)
{
	AUTO_CLOSE int fd = connect_to(call->mountpoint);
	json_t *status = fd < 0 ? NULL : ask(fd, call, "status");

	if (status == NULL)
		return EXIT_FAILURE;
	if (call->as_json)
		print_json(status);
	else
		print_status(status);
	json_decref(status);
	return EXIT_SUCCESS;
}

static void
print_odd(json_t *page)
{
	json_t *one;
	size_t i;

	json_array_foreach(page, i, one)
	{
		const char *key =
		    json_string_value(json_object_get(one, "key"));

		(void)printf("%s\t%s\n", key == NULL ? "(not UTF-8)" : key,
		    json_string_value(json_object_get(one, "reason")));
	}
}

static int
do_odd(const struct call *call)
{
	AUTO_CLOSE int fd = connect_to(call->mountpoint);
	json_t *all = fd < 0 ? NULL : json_array(), *page = NULL;
	json_int_t from = 0;

	if (all == NULL)
		return EXIT_FAILURE;
	/* A page a time: there may be many. */
	do {
		json_decref(page);
		page = ask_from(fd, call, "odd", from);
		from += (json_int_t)json_array_size(page);
		if (call->as_json)
			(void)json_array_extend(all, page);
		else
			print_odd(page);
	} while (json_array_size(page) > 0);
	if (call->as_json && page != NULL)
		print_json(all);
	json_decref(all);
	if (page == NULL)
		return EXIT_FAILURE;
	json_decref(page);
	return EXIT_SUCCESS;
}

static int
do_log_level(const struct call *call)
{
	AUTO_CLOSE int fd = connect_to(call->mountpoint);
	json_t *answer = fd < 0 ? NULL : ask(fd, call, "log_level");
	int status = answer == NULL ? EXIT_FAILURE : EXIT_SUCCESS;

	json_decref(answer);
	return status;
}

/* The daemon has died: only the mount is left. */
static int
clear(const char *mountpoint)
{
	int r = mountinfo_unmount(mountpoint, true);

	(void)fail(r < 0 ? "cannot clear" : "cleared", mountpoint,
	    r < 0 ? strerror(-r) : "its daemon had died: see its log");
	return EXIT_FAILURE;
}

/* Unmount, wait for the daemon's end, pass its status on. */
static int
do_umount(const struct call *call)
{
	const char *mountpoint = call->mountpoint;
	struct mountinfo info;
	AUTO_CLOSE int fd = -1;
	struct statvfs vfs;
	json_t *answer;
	int r, status = EXIT_FAILURE;

	if (find_mount(mountpoint, &info) < 0)
		return EXIT_FAILURE;
	fd = ctlsock_connect(&info);
	if (fd < 0 && statvfs(mountpoint, &vfs) < 0 && errno == ENOTCONN)
		return clear(mountpoint);
	if (fd < 0)
		fd = connect_to(mountpoint); /* says why not */
	if (fd < 0)
		return EXIT_FAILURE;
	set_patience(fd, PATIENCE_S);
	answer = ask(fd, call, "wait");
	if (answer == NULL)
		return EXIT_FAILURE;
	json_decref(answer);
	r = mountinfo_unmount(mountpoint, false);
	if (r < 0) {
		(void)fail("cannot unmount", mountpoint,
		    r == -EBUSY ? "it is in use: fuser -vm shows by whom"
				: strerror(-r));
		return EXIT_FAILURE;
	}
	set_patience(fd, 0); /* what is to be sent may take its time */
	answer = read_answer(fd);
	if (json_is_object(answer))
		status =
		    (int)json_integer_value(json_object_get(answer, "status"));
	else
		(void)fail("unmounted", mountpoint,
		    "but its daemon ended without a word: see its log");
	json_decref(answer);
	return status;
}

/* The commands, one table. */
static const struct {
	const char *name;
	int (*run)(const struct call *call);
	bool has_level;
	const char *help;
} commands[] = {
	{ "status", do_status, false, "what the mount does, and did" },
	{ "umount", do_umount, false, "unmount, and wait until all is done" },
	{ "odd", do_odd, false, "keys of the bucket that have no path" },
	{ "log_level", do_log_level, true,
	    "log error, warning, info or debug from now on" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void
print_help(FILE *to)
{
	(void)fputs("usage: pailctl COMMAND MOUNTPOINT [--json]\n\n", to);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		char left[40];

		(void)snprintf(left, sizeof(left), "%s MOUNTPOINT%s",
		    commands[i].name, commands[i].has_level ? " LEVEL" : "");
		(void)fprintf(to, "  %-28s %s\n", left, commands[i].help);
	}
	(void)fputs("\n  --json     what status and odd say, for programs\n"
		    "  --help     this\n"
		    "  --version  which version this is\n",
	    to);
}

static int
usage(const char *what, const char *word)
{
	(void)fprintf(
	    stderr, "pailctl: %s%s: pailctl --help says more\n", what, word);
	return EXIT_USAGE;
}

static int
run(struct call *call, char *const words[], int count)
{
	size_t i = 0;
	int r;

	while (i < COMMAND_COUNT && strcmp(commands[i].name, words[0]) != 0)
		i++;
	if (i == COMMAND_COUNT)
		return usage("unknown command ", words[0]);
	if (count < (commands[i].has_level ? 3 : 2))
		return usage("too few arguments for ", words[0]);
	if (count > (commands[i].has_level ? 3 : 2))
		return usage("too many arguments for ", words[0]);
	call->level = commands[i].has_level ? words[2] : NULL;
	r = mountinfo_canonical(words[1], &call->mountpoint);
	if (r < 0) {
		(void)fail("no mount point", words[1], strerror(-r));
		return EXIT_FAILURE;
	}
	r = commands[i].run(call);
	free(call->mountpoint);
	return r;
}

int
main(int argc, char **argv)
{
	struct call call = { .mountpoint = NULL };
	char *words[WORDS_MAX];
	int count = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			call.as_json = true;
		} else if (strcmp(argv[i], "--help") == 0 ||
			   strcmp(argv[i], "-h") == 0) {
			print_help(stdout);
			return EXIT_SUCCESS;
		} else if (strcmp(argv[i], "--version") == 0) {
			(void)printf("pailctl %s\n", PAILFS_VERSION);
			return EXIT_SUCCESS;
		} else if (argv[i][0] == '-') {
			return usage("unknown option ", argv[i]);
		} else if (count == WORDS_MAX) {
			return usage("too many arguments: ", argv[i]);
		} else {
			words[count++] = argv[i];
		}
	}
	if (count == 0) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	return run(&call, words, count);
}

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
#include <sys/un.h>
#include <unistd.h>

#include "fs/control.h"
#include "fs/mountinfo.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"

#define EXIT_USAGE 2
#define ANSWER_MAX (64U << 20)

static int
fail(const char *what, const char *mountpoint, const char *why)
{
	(void)fprintf(stderr, "pailctl: %s '%s': %s\n", what, mountpoint, why);
	return -1;
}

/* Connect to the daemon of ${mountpoint}: a descriptor, or -1 and said. */
static int
connect_to(const char *mountpoint)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct mountinfo info;
	struct ucred who;
	socklen_t who_len = sizeof(who);
	int fd, len;

	if (mountinfo_find(mountpoint, &info) < 0 || !info.is_pailfs)
		return fail("no pailfs is mounted on", mountpoint,
		    "findmnt -t fuse.pailfs lists those there are");
	len = snprintf(to.sun_path + 1, sizeof(to.sun_path) - 1, CONTROL_NAME,
	    info.major, info.minor);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail("cannot reach", mountpoint, strerror(errno));
	if (connect(fd, (const struct sockaddr *)&to,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			    (size_t)len)) < 0) {
		(void)close(fd);
		return fail("no daemon answers for", mountpoint,
		    "is it dead? mounting again clears it");
	}
	/* Anybody may take a name: talk only to root or to ourselves. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_len) < 0 ||
	    (who.uid != 0 && who.uid != geteuid() && geteuid() != 0)) {
		(void)close(fd);
		return fail("the daemon is not yours on", mountpoint,
		    "ask its owner, or root");
	}
	return fd;
}

/* One line from the daemon as JSON; NULL: it ended. */
static json_t *
read_answer(int fd)
{
	struct buf text = BUF_INIT(ANSWER_MAX);
	json_t *value = NULL;
	char c;

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

static json_t *
ask(int fd, const char *command)
{
	char line[64];
	int len = snprintf(line, sizeof(line), "{\"cmd\":\"%s\"}\n", command);

	if (send(fd, line, (size_t)len, MSG_NOSIGNAL) != len)
		return NULL;
	return read_answer(fd);
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

static int
do_status(const char *mountpoint, bool as_json)
{
	AUTO_CLOSE int fd = connect_to(mountpoint);
	json_t *status;

	if (fd < 0)
		return EXIT_FAILURE;
	status = ask(fd, "status");
	if (!json_is_object(status)) {
		json_decref(status);
		(void)fail("no answer from", mountpoint, "it just ended");
		return EXIT_FAILURE;
	}
	if (as_json) {
		(void)json_dumpf(status, stdout, JSON_INDENT(2));
		(void)putchar('\n');
	} else {
		print_status(status);
	}
	json_decref(status);
	return EXIT_SUCCESS;
}

static int
do_odd(const char *mountpoint, bool as_json)
{
	AUTO_CLOSE int fd = connect_to(mountpoint);
	json_t *list, *one;
	size_t i;

	if (fd < 0)
		return EXIT_FAILURE;
	list = ask(fd, "odd");
	if (as_json) {
		(void)json_dumpf(list, stdout, JSON_INDENT(2));
		(void)putchar('\n');
	} else {
		json_array_foreach(list, i, one)
		{
			const char *key =
			    json_string_value(json_object_get(one, "key"));

			(void)printf("%s\t%s\n",
			    key == NULL ? "(not UTF-8)" : key,
			    json_string_value(json_object_get(one, "reason")));
		}
	}
	json_decref(list);
	return EXIT_SUCCESS;
}

/* Unmount, wait for the daemon's end, pass its status on. */
static int
do_umount(const char *mountpoint, bool as_json)
{
	AUTO_CLOSE int fd = connect_to(mountpoint);
	json_t *answer;
	int r, status = EXIT_FAILURE;

	(void)as_json;
	if (fd < 0)
		return EXIT_FAILURE;
	json_decref(ask(fd, "wait"));
	r = mountinfo_unmount(mountpoint, false);
	if (r < 0) {
		(void)fail("cannot unmount", mountpoint,
		    r == -EBUSY ? "it is in use: fuser -vm shows by whom"
				: strerror(-r));
		return EXIT_FAILURE;
	}
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
	int (*run)(const char *mountpoint, bool as_json);
	const char *help;
} commands[] = {
	{ "status", do_status, "what the mount does, and did" },
	{ "umount", do_umount, "unmount, and wait until all is done" },
	{ "odd", do_odd, "keys of the bucket that have no path" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void
print_help(FILE *to)
{
	(void)fputs("usage: pailctl COMMAND [--json] MOUNTPOINT\n\n", to);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		(void)fprintf(
		    to, "  %-10s %s\n", commands[i].name, commands[i].help);
	(void)fputs("\n  --json     for programs\n", to);
	(void)fputs("  --help, --version\n", to);
}

/* The absolute path of ${word}. */
static void
find_path(const char *word, char path[PATH_MAX])
{
	char here[PATH_MAX / 2];

	/* A dead mount does not answer realpath(): take the words. */
	if (realpath(word, path) != NULL)
		return;
	if (word[0] == '/' || getcwd(here, sizeof(here)) == NULL)
		(void)snprintf(path, PATH_MAX, "%s", word);
	else
		(void)snprintf(path, PATH_MAX, "%s/%.2000s", here, word);
}

int
main(int argc, char **argv)
{
	const char *command = NULL, *word = NULL;
	char mountpoint[PATH_MAX];
	bool as_json = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			as_json = true;
		} else if (strcmp(argv[i], "--help") == 0) {
			print_help(stdout);
			return EXIT_SUCCESS;
		} else if (strcmp(argv[i], "--version") == 0) {
			(void)printf("pailctl %s\n", PAILFS_VERSION);
			return EXIT_SUCCESS;
		} else if (command == NULL) {
			command = argv[i];
		} else {
			word = argv[i];
		}
	}
	if (command == NULL || word == NULL) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	find_path(word, mountpoint);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, command) == 0)
			return commands[i].run(mountpoint, as_json);
	}
	(void)fprintf(stderr,
	    "pailctl: unknown command '%s': pailctl --help lists them\n",
	    command);
	return EXIT_USAGE;
}

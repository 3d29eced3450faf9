/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pailctl.c - the client of the control socket.
 */
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/ctlcall.h"
#include "fs/ctlconflict.h"
#include "fs/ctldrop.h"
#include "fs/ctlflush.h"
#include "fs/ctlfsck.h"
#include "fs/ctlodd.h"
#include "fs/ctlstatus.h"
#include "fs/ctltext.h"
#include "fs/ctlupload.h"
#include "fs/ctlwarm.h"
#include "fs/mountinfo.h"
#include "fs/mountpoint.h"

#define EXIT_USAGE 2
#define WORDS_MAX  3

/* How often the daemon is asked how far it is, and how often that is printed.
 */
#define LOOK_MS      50
#define LOOKS_A_LINE 40
#define TOLD_A_LINE  5

static int
do_log_level(struct ctlcall *call)
{
	json_t *answer = ctlcall_connect(call) < 0
			     ? NULL
			     : ctlcall_ask(call, "log_level", 0);
	int status = answer == NULL ? EXIT_FAILURE : EXIT_SUCCESS;

	json_decref(answer);
	return status;
}

/* The daemon has died: only the mount is left. */
static int
clear(const char *mountpoint, const struct mountinfo *info)
{
	int r = mountinfo_clear(mountpoint, info);

	(void)ctlcall_fail(r < 0 ? "cannot clear" : "cleared", mountpoint,
	    r < 0 ? strerror(-r) : "its daemon had died: see its log");
	return EXIT_FAILURE;
}

/* What is to be sent still; now and then. */
static void
print_progress(json_t *drain)
{
	char text[32];

	(void)fprintf(stderr,
	    "pailctl: still to be sent: %" JSON_INTEGER_FORMAT " files, %s, "
	    "and attributes of %" JSON_INTEGER_FORMAT "\n",
	    json_integer_value(json_object_get(drain, "files")),
	    ctltext_size(
		json_integer_value(json_object_get(drain, "bytes")), text),
	    json_integer_value(json_object_get(drain, "attrs")));
}

/* How far sending is; it is started if ${is_start}.  NULL: no answer, and that
 * is said. */
static json_t *
ask_drain(struct ctlcall *call, bool is_start)
{
	/* If it fails, the daemon ended, and reading tells. */
	(void)ctlline_send_json(call->daemon.fd,
	    json_pack("{s:s, s:b}", "cmd", "drain", "start", is_start));
	return ctlcall_answer(call);
}

/* Have all sent while it is mounted still; -1: the daemon hangs, and that is
 * said.  What cannot be sent is told at the end. */
static int
drain(struct ctlcall *call)
{
	const struct timespec pause = { 0, LOOK_MS * 1000000L };
	json_t *answer = ask_drain(call, true);
	unsigned looks = 0;
	int r;

	while (json_is_true(json_object_get(answer, "draining"))) {
		if (looks++ % LOOKS_A_LINE == LOOKS_A_LINE - 1)
			print_progress(answer);
		json_decref(answer);
		(void)nanosleep(&pause, NULL);
		answer = ask_drain(call, false);
	}
	r = answer == NULL ? -1 : 0;
	json_decref(answer);
	return r;
}

/* What did not get through: files, and (${back}) changes of names. */
static void
print_left(const json_t *left, const json_t *back)
{
	json_int_t files = json_integer_value(left);
	json_int_t names = json_integer_value(back);

	if (names > 0)
		(void)fprintf(stderr,
		    "pailctl: refused, named in the log, and taken back: "
		    "changes of %" JSON_INTEGER_FORMAT " names\n",
		    names);
	if (files > 0 || names == 0)
		(void)fprintf(stderr,
		    "pailctl: not in S3, named in the log, and kept for the "
		    "next mount: %" JSON_INTEGER_FORMAT " files\n",
		    files);
}

/* The mount is gone: the status of the daemon, which may send still. */
static int
wait_for_end(struct ctlcall *call)
{
	int status = EXIT_FAILURE;
	bool is_over = false;
	unsigned lines = 0;
	json_t *answer;

	ctlcall_patience(call, 0); /* what is to be sent may take its time */
	while (!is_over && ctlline_read(&call->daemon, &answer) == 0) {
		json_t *left = json_object_get(answer, "left");
		json_t *end = json_object_get(answer, "status");

		is_over = end != NULL;
		if (is_over)
			status = (int)json_integer_value(end);
		else if (left != NULL)
			print_left(left, json_object_get(answer, "back"));
		else if (lines++ % TOLD_A_LINE == 0)
			print_progress(answer);
		json_decref(answer);
	}
	if (!is_over)
		(void)ctlcall_fail("unmounted", call->mountpoint,
		    "but its daemon ended without a word: see its log");
	return status;
}

/* Have all sent, unmount, wait for the daemon's end, pass its status on. */
static int
do_umount(struct ctlcall *call)
{
	const char *mountpoint = call->mountpoint;
	struct mountinfo info;
	json_t *answer;
	int r;

	if (ctlcall_find(mountpoint, &info) < 0)
		return EXIT_FAILURE;
	if (mountpoint_is_dead(mountpoint, &info))
		return clear(mountpoint, &info);
	if (ctlcall_connect(call) < 0)
		return EXIT_FAILURE; /* it said why */
	if (drain(call) < 0)
		return EXIT_FAILURE;
	answer = ctlcall_ask(call, "wait", 0);
	if (answer == NULL)
		return EXIT_FAILURE;
	json_decref(answer);
	r = mountinfo_unmount(mountpoint);
	if (r < 0) {
		(void)ctlcall_fail("cannot unmount", mountpoint,
		    r == -EBUSY ? "it is in use: fuser -vm shows by whom"
				: strerror(-r));
		return EXIT_FAILURE;
	}
	return wait_for_end(call);
}

/* What comes after a command. */
enum takes {
	TAKES_MOUNT,
	TAKES_LEVEL, /* and a word */
	TAKES_GIVEN, /* a mount, or a path in one */
	TAKES_PATH   /* likewise, or nothing: the mount of "." */
};

/* The commands, one table. */
static const struct {
	const char *name;
	int (*run)(struct ctlcall *call);
	enum takes takes;
	const char *help;
} commands[] = {
	{ "status", ctlstatus_run, TAKES_MOUNT,
	    "what the mount does, and did" },
	{ "umount", do_umount, TAKES_MOUNT,
	    "send what is to be sent, unmount, and wait for the end" },
	{ "flush", ctlflush_run, TAKES_PATH,
	    "send what is to be sent of it, and wait" },
	{ "drop", ctldrop_run, TAKES_GIVEN,
	    "forget what is cached of it, if S3 has all" },
	{ "warm", ctlwarm_run, TAKES_GIVEN,
	    "fetch all of it into the cache that has room" },
	{ "evict", ctlevict_run, TAKES_GIVEN,
	    "free the room of its bytes that S3 has" },
	{ "fsck", ctlfsck_run, TAKES_GIVEN,
	    "check a mount or a cache folder; see --repair" },
	{ "odd", ctlodd_run, TAKES_MOUNT,
	    "keys of the bucket that have no path" },
	{ "conflicts", ctlconflict_run, TAKES_MOUNT,
	    "losers of conflicts; see --keep and --take" },
	{ "uploads", ctlupload_run, TAKES_MOUNT,
	    "multipart uploads that S3 has and nobody completed" },
	{ "log_level", do_log_level, TAKES_LEVEL,
	    "log error, warning, info or debug from now on" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void
print_help(FILE *to)
{
	static const char *const takes[] = { [TAKES_MOUNT] = "MOUNTPOINT",
		[TAKES_LEVEL] = "MOUNTPOINT LEVEL",
		[TAKES_GIVEN] = "PATH",
		[TAKES_PATH] = "[PATH]" };

	(void)fputs("usage: pailctl COMMAND MOUNTPOINT [options]\n\n", to);
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		char left[40];

		(void)snprintf(left, sizeof(left), "%s %s", commands[i].name,
		    takes[commands[i].takes]);
		(void)fprintf(to, "  %-28s %s\n", left, commands[i].help);
	}
	(void)fputs(
	    "\n  PATH is a mount point, or a file or folder in a mount (of fsck: "
	    "a mount point\n  or a cache folder); where none is given, the "
	    "mount that one is in.\n"
	    "\n  --json         what a command says, for programs\n"
	    "  --watch        status: again each second, until Ctrl-C\n"
	    "  --repair       fsck: mend what loses nothing\n"
	    "  --list PREFIX  odd: all keys of S3 that begin so, and their "
	    "sizes\n"
	    "  --get KEY      odd: what S3 has under a key\n"
	    "  --output FILE  of --get: into this file, not to the terminal\n"
	    "  --keep FILE    conflicts: what has the name stays, FILE goes\n"
	    "  --take FILE    conflicts: FILE takes the place of the other\n"
	    "  --help         this\n"
	    "  --version      which version this is\n",
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
usage_of_other(const char *option, const char *command, const char *given)
{
	(void)fprintf(stderr, "pailctl: %s is an option of %s, not of %s\n",
	    option, command, given);
	return EXIT_USAGE;
}

/* The words of command ${i}. */
static int
check_words(size_t i, char *const words[], int count)
{
	enum takes takes = commands[i].takes;

	if (count < 2 && takes != TAKES_PATH)
		return usage(takes == TAKES_GIVEN
				 ? "a path is missing after "
				 : "the mount point is missing after ",
		    words[0]);
	if (count < 3 && takes == TAKES_LEVEL)
		return usage("the level is missing after ", words[1]);
	if (count > (takes == TAKES_LEVEL ? 3 : 2))
		return usage("too many arguments for ", words[0]);
	return 0;
}

static int
run(struct ctlcall *call, char *const words[], int count)
{
	size_t i = 0;
	int r;

	while (i < COMMAND_COUNT && strcmp(commands[i].name, words[0]) != 0)
		i++;
	if (i == COMMAND_COUNT)
		return usage("unknown command ", words[0]);
	r = check_words(i, words, count);
	if (r != 0)
		return r;
	call->level = commands[i].takes == TAKES_LEVEL ? words[2] : NULL;
	call->path = count < 2 ? NULL : words[1];
	if (commands[i].takes < TAKES_GIVEN) {
		r = mountinfo_canonical(words[1], &call->mountpoint);
		if (r < 0) {
			(void)ctlcall_fail(
			    "no mount point", words[1], strerror(-r));
			return EXIT_FAILURE;
		}
	}
	r = commands[i].run(call);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)ctlcall_fail("cannot write", "-", strerror(errno));
		r = EXIT_FAILURE;
	}
	free(call->mountpoint);
	return r;
}

/* The options that take a word, one table, and the command that has them. */
static const struct {
	const char *name;
	const char *command;
	size_t field; /* of struct ctlcall */
	bool has_json;
} word_options[] = {
	{ "--get", "odd", offsetof(struct ctlcall, get), false },
	{ "--list", "odd", offsetof(struct ctlcall, list), true },
	{ "--output", "odd", offsetof(struct ctlcall, output), false },
	{ "--keep", "conflicts", offsetof(struct ctlcall, keep), false },
	{ "--take", "conflicts", offsetof(struct ctlcall, take), false },
};

#define WORD_OPTION_COUNT (sizeof(word_options) / sizeof(word_options[0]))

/* Where the word of option ${i} goes. */
static const char **
word_of(struct ctlcall *call, size_t i)
{
	return (const char **)(void *)((char *)call + word_options[i].field);
}

static const char **
word_option(struct ctlcall *call, const char *name)
{
	for (size_t i = 0; i < WORD_OPTION_COUNT; i++)
		if (strcmp(name, word_options[i].name) == 0)
			return word_of(call, i);
	return NULL;
}

/* Options without a word that another command has. */
static int
check_flags(struct ctlcall *call, const char *command)
{
	if (call->watch && strcmp(command, "status") != 0)
		return usage_of_other("--watch", "status", command);
	if (call->repair && strcmp(command, "fsck") != 0)
		return usage_of_other("--repair", "fsck", command);
	return 0;
}

/* Options that do not go together. */
static int
check_options(struct ctlcall *call, const char *command)
{
	for (size_t i = 0; i < WORD_OPTION_COUNT; i++) {
		const char *name = word_options[i].name;

		if (*word_of(call, i) == NULL)
			continue;
		if (strcmp(word_options[i].command, command) != 0)
			return usage_of_other(
			    name, word_options[i].command, command);
		if (call->as_json && !word_options[i].has_json)
			return usage("--json does not go with ", name);
	}
	if (call->get != NULL && call->list != NULL)
		return usage("--get does not go with ", "--list");
	if (call->output != NULL && call->get == NULL)
		return usage("--output goes with ", "--get only");
	if (call->keep != NULL && call->take != NULL)
		return usage("--keep does not go with ", "--take");
	return 0;
}

int
main(int argc, char **argv)
{
	struct ctlcall call = CTLCALL_INIT;
	char *words[WORDS_MAX];
	int count = 0, r;

	for (int i = 1; i < argc; i++) {
		const char **word = word_option(&call, argv[i]);

		if (word != NULL) {
			if (++i == argc)
				return usage(
				    "a word is missing after ", argv[i - 1]);
			*word = argv[i];
		} else if (strcmp(argv[i], "--json") == 0) {
			call.as_json = true;
		} else if (strcmp(argv[i], "--watch") == 0) {
			call.watch = true;
		} else if (strcmp(argv[i], "--repair") == 0) {
			call.repair = true;
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
	r = check_flags(&call, words[0]);
	if (r == 0)
		r = check_options(&call, words[0]);
	return r != 0 ? r : run(&call, words, count);
}

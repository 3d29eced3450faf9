/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlodd.c - pailctl odd: keys that have no path, and the bytes of one.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include "fs/ctlcall.h"
#include "fs/ctlodd.h"
#include "fs/keytext.h"
#include "fs/output.h"
#include "s3/base/buf.h"

/* Keys, and why they have no path, or how large they are. */
static void
print_keys(json_t *page)
{
	json_t *one;
	size_t i;

	json_array_foreach(page, i, one)
	{
		const char *text =
		    json_string_value(json_object_get(one, "text"));
		const char *reason =
		    json_string_value(json_object_get(one, "reason"));

		(void)printf("%s\t", text == NULL ? "" : text);
		if (reason != NULL)
			(void)puts(reason);
		else
			(void)printf("%" JSON_INTEGER_FORMAT "\n",
			    json_integer_value(json_object_get(one, "size")));
	}
}

/* Print a page, or keep it in ${all} for the end. */
static void
take_page(const struct ctlcall *call, json_t *page, json_t *all)
{
	if (call->as_json)
		(void)json_array_extend(all, page);
	else
		print_keys(page);
}

/* Send a command with the key that ${text} is: 0, or -1 and said. */
static int
send_key(struct ctlcall *call, const char *command, const char *text)
{
	struct buf key = BUF_INIT(KEYTEXT_KEY_MAX),
		   again = BUF_INIT(KEYTEXT_MAX);
	int r = keytext_unquote(text, &key);

	/* As it was typed it may be no UTF-8. */
	if (r == 0)
		r = keytext_quote(buf_str(&key), key.len, &again);
	if (r == 0)
		r = ctlcall_send(call, command, 0, buf_str(&again));
	buf_fini(&key);
	buf_fini(&again);
	/* It says when it gives up on S3. */
	ctlcall_patience(call, 0);
	if (r == 0)
		return 0;
	return ctlcall_fail("cannot ask for", text,
	    r == -EINVAL      ? "% needs two hex digits, which are not 00: a "
				"percent sign is %25"
	    : r == -EOVERFLOW ? "a key has at most 1024 bytes"
			      : strerror(-r));
}

static bool
is_done(json_t *line)
{
	return json_is_true(json_object_get(line, "done"));
}

static int
do_list(struct ctlcall *call)
{
	json_t *all, *line = NULL;
	int status;

	if (send_key(call, "keys", call->list) < 0)
		return EXIT_FAILURE;
	all = json_array();
	do {
		json_decref(line);
		line = ctlcall_line(call, "cannot get", call->list);
		take_page(call, line, all);
	} while (line != NULL && !is_done(line));
	status = line == NULL ? EXIT_FAILURE : EXIT_SUCCESS;
	if (call->as_json && line != NULL)
		ctlcall_print(all);
	json_decref(line);
	json_decref(all);
	return status;
}

/* ${len} bytes from the daemon to ${to}: 0, or -1 and said. */
static int
copy_bytes(struct ctlcall *call, json_int_t len, struct output *to)
{
	char data[CTLLINE_SIZE];
	ssize_t n;
	int r;

	while (len > 0) {
		n = ctlline_read_bytes(&call->daemon, data,
		    len < (json_int_t)sizeof(data) ? (size_t)len
						   : sizeof(data));
		if (n < 0)
			return ctlcall_fail("cannot get", call->get,
			    n == -EINTR ? "interrupted"
					: "the daemon ended: was it "
					  "unmounted?");
		r = output_write(to, data, (size_t)n);
		if (r < 0)
			return ctlcall_fail("cannot write",
			    call->output == NULL ? "-" : call->output,
			    strerror(-r));
		len -= n;
	}
	return 0;
}

/* Ctrl-C does not end us at once: there is a file to remove. */
static void
catch_signals(struct ctlcall *call)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	call->daemon.cancel_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (call->daemon.cancel_fd >= 0)
		(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

/* What comes after ${line}, the first, which it takes. */
static int
copy_all(struct ctlcall *call, json_t *line, struct output *to)
{
	int r = 0;

	while (r == 0 && line != NULL && !is_done(line)) {
		r = copy_bytes(
		    call, json_integer_value(json_object_get(line, "len")), to);
		json_decref(line);
		line =
		    r < 0 ? NULL : ctlcall_line(call, "cannot get", call->get);
	}
	r = line == NULL ? -1 : 0;
	json_decref(line);
	return r;
}

static int
do_get(struct ctlcall *call)
{
	struct output to;
	json_t *line;
	int r, r2;

	if (send_key(call, "get", call->get) < 0)
		return EXIT_FAILURE;
	/* Nothing is opened for a key that is not there. */
	line = ctlcall_line(call, "cannot get", call->get);
	if (line == NULL)
		return EXIT_FAILURE;
	r = output_open(call->output, &to);
	if (r < 0) {
		json_decref(line);
		(void)ctlcall_fail("cannot make", call->output, strerror(-r));
		return EXIT_FAILURE;
	}
	if (output_is_unfinished(&to))
		catch_signals(call);
	r = copy_all(call, line, &to);
	r2 = output_end(&to, r);
	if (r == 0 && r2 < 0)
		(void)ctlcall_fail("cannot write",
		    call->output == NULL ? "-" : call->output, strerror(-r2));
	return r2 < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Odd keys that are known, after the first ${*from}. */
static json_t *
ask_page(struct ctlcall *call, json_int_t *from)
{
	json_t *page = ctlcall_ask(call, "odd", *from);

	*from += (json_int_t)json_array_size(page);
	return page;
}

static void
print_page(const struct ctlcall *call, json_t *page)
{
	(void)call;
	print_keys(page);
}

int
ctlodd_run(struct ctlcall *call)
{
	if (ctlcall_connect(call) < 0)
		return EXIT_FAILURE;
	if (call->get != NULL)
		return do_get(call);
	return call->list != NULL ? do_list(call)
				  : ctlcall_list(call, ask_page, print_page);
}

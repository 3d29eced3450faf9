/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlcall.c - pailctl asks the daemon of a mount.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "fs/ctlcall.h"
#include "fs/ctlsock.h"
#include "fs/mountinfo.h"

int
ctlcall_fail(const char *what, const char *name, const char *why)
{
	(void)fprintf(stderr, "pailctl: %s '%s': %s\n", what, name, why);
	return -1;
}

int
ctlcall_find(const char *mountpoint, struct mountinfo *ret)
{
	if (mountinfo_find(mountpoint, ret) == 0 && ret->is_pailfs)
		return 0;
	return ctlcall_fail("no pailfs is mounted on", mountpoint,
	    "findmnt -t fuse.pailfs lists those there are");
}

void
ctlcall_patience(struct ctlcall *call, int seconds)
{
	struct timeval patience = { .tv_sec = seconds };

	(void)setsockopt(call->daemon.fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof(patience));
}

int
ctlcall_connect(struct ctlcall *call)
{
	const char *mountpoint = call->mountpoint;
	struct mountinfo info;
	int fd;

	if (ctlcall_find(mountpoint, &info) < 0)
		return -1;
	fd = ctlsock_connect(&info);
	if (fd == -EACCES)
		return ctlcall_fail("the mount is not yours on", mountpoint,
		    "ask its owner, or root");
	if (fd == -EOWNERDEAD)
		return ctlcall_fail("no daemon answers for", mountpoint,
		    "it has died: pailctl umount clears it");
	if (fd < 0)
		return ctlcall_fail("no daemon answers for", mountpoint,
		    "it has died (pailctl umount clears it), or had another "
		    "$XDG_RUNTIME_DIR");
	call->daemon.fd = fd;
	ctlcall_patience(call, CTLCALL_PATIENCE_S);
	return 0;
}

json_t *
ctlcall_answer(struct ctlcall *call)
{
	json_t *answer = NULL;
	int r = ctlline_read(&call->daemon, &answer);
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (r == 0 && error == NULL)
		return answer;
	if (error != NULL)
		(void)ctlcall_fail(
		    "refused by the daemon of", call->mountpoint, error);
	else
		(void)ctlcall_fail("no answer from the daemon of",
		    call->mountpoint,
		    r == -EAGAIN    ? "it is there, but hangs"
		    : r == -ENODATA ? "it just ended"
				    : strerror(-r));
	json_decref(answer);
	return NULL;
}

int
ctlcall_send(
    struct ctlcall *call, const char *command, json_int_t from, const char *key)
{
	return ctlline_send_json(
	    call->daemon.fd, json_pack("{s:s, s:s?, s:I, s:s?, s:b}", "cmd",
				 command, "level", call->level, "from", from,
				 "key", key, "repair", call->repair ? 1 : 0));
}

json_t *
ctlcall_line(struct ctlcall *call, const char *what, const char *name)
{
	json_t *line = NULL;
	int r = ctlline_read(&call->daemon, &line);
	const char *error = json_string_value(json_object_get(line, "error"));

	if (r == 0 && error == NULL)
		return line;
	(void)ctlcall_fail(what, name,
	    error != NULL   ? error
	    : r == -EINTR   ? "interrupted"
	    : r == -ENODATA ? "the daemon ended: was it unmounted?"
			    : strerror(-r));
	json_decref(line);
	return NULL;
}

json_t *
ctlcall_ask(struct ctlcall *call, const char *command, json_int_t from)
{
	/* If it fails, the daemon ended, and reading tells. */
	(void)ctlcall_send(call, command, from, NULL);
	return ctlcall_answer(call);
}

void
ctlcall_print(json_t *value)
{
	(void)json_dumpf(value, stdout, JSON_INDENT(2));
	(void)putchar('\n');
}

int
ctlcall_list(
    struct ctlcall *call, ctlcall_page_fn *ask, ctlcall_print_fn *print)
{
	json_t *all = json_array(), *page = NULL;
	json_int_t from = 0;
	int status;

	do {
		json_decref(page);
		page = ask(call, &from);
		if (call->as_json)
			(void)json_array_extend(all, page);
		else
			print(call, page);
	} while (json_array_size(page) > 0);
	status = page == NULL ? EXIT_FAILURE : EXIT_SUCCESS;
	if (call->as_json && page != NULL)
		ctlcall_print(all);
	json_decref(all);
	json_decref(page);
	return status;
}

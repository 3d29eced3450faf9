/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlnote.c - a command of pailctl that is about a path.
 */
#include "fs/ctlnote.h"

#include <stdbool.h>
#include <stdio.h>

#include "fs/ctlcall.h"
#include "fs/ctlpath.h"
#include "fs/keytext.h"
#include "s3/base/buf.h"

static void
take_end(struct ctlnote *note, json_t *line)
{
	note->found = json_integer_value(json_object_get(line, "found"));
	note->mended = json_integer_value(json_object_get(line, "mended"));
}

/* Take ${line}; true: it is the last. */
static bool
take_line(struct ctlnote *note, json_t *line)
{
	bool is_done = json_is_true(json_object_get(line, "done"));

	if (json_is_array(line))
		(void)json_array_extend(note->all, line);
	else if (is_done)
		take_end(note, line);
	else if (note->show != NULL)
		note->show(note->arg, line);
	json_decref(line);
	return is_done;
}

int
ctlnote_ask(struct ctlcall *call, struct ctlnote *note)
{
	struct buf text = BUF_INIT(KEYTEXT_MAX);
	json_t *line;
	int r = ctlpath_find(call, call->path, &text);

	note->all = json_array();
	if (r == 0)
		r = ctlcall_connect(call);
	if (r == 0) /* if it fails, the daemon ended, and reading tells */
		(void)ctlcall_send(call, note->command, 0, buf_str(&text));
	buf_fini(&text);
	if (r < 0)
		return r;
	ctlcall_patience(call, 0); /* it says when it gives up on S3 */
	do {
		line = ctlcall_line(call, "this failed for",
		    call->path != NULL ? call->path : call->mountpoint);
	} while (line != NULL && !take_line(note, line));
	return line == NULL ? -1 : 0;
}

static const char *
text_of(json_t *one, const char *name)
{
	const char *text = json_string_value(json_object_get(one, name));

	return text == NULL ? "" : text;
}

void
ctlnote_print(const struct ctlcall *call, const struct ctlnote *note)
{
	json_t *one;
	size_t i;

	if (call->as_json) {
		ctlcall_print(note->all);
		return;
	}
	json_array_foreach(note->all, i, one)
	{
		(void)printf("%s\t%s\t%s%s\n", text_of(one, "text"),
		    text_of(one, "what"), text_of(one, "why"),
		    json_is_true(json_object_get(one, "mended")) ? "\tmended"
								 : "");
	}
	(void)fflush(stdout); /* before what is said of all; seen in the end */
}

void
ctlnote_fini(struct ctlnote *note)
{
	json_decref(note->all);
	note->all = NULL;
}

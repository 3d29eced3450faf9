/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlupload.c - pailctl uploads: multipart uploads that are open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/ctlcall.h"
#include "fs/ctlupload.h"

#define MINUTE 60
#define HOUR   3600
#define DAY    86400

/* "5m", "3h", "12d": how long ago that was. */
static const char *
age_text(json_int_t made_s, char text[32])
{
	long long s = (long long)time(NULL) - made_s;

	if (s < 0)
		s = 0;
	if (s < 2 * HOUR)
		(void)snprintf(text, 32, "%lldm", s / MINUTE);
	else if (s < 2 * DAY)
		(void)snprintf(text, 32, "%lldh", s / HOUR);
	else
		(void)snprintf(text, 32, "%lldd", s / DAY);
	return text;
}

static const char *
text_of(json_t *one, const char *name)
{
	const char *text = json_string_value(json_object_get(one, name));

	return text == NULL ? "" : text;
}

/* Key, age, whose, id. */
static void
print_uploads(json_t *page)
{
	char age[32];
	json_t *one;
	size_t i;

	json_array_foreach(page, i, one)
	{
		(void)printf("%s\t%s\t%s\t%s\n", text_of(one, "text"),
		    age_text(
			json_integer_value(json_object_get(one, "made")), age),
		    json_is_true(json_object_get(one, "ours")) ? "ours"
							       : "other",
		    text_of(one, "id"));
	}
}

int
ctlupload_run(struct ctlcall *call)
{
	json_t *all, *line = NULL;
	int r;

	if (ctlcall_connect(call) < 0)
		return EXIT_FAILURE;
	r = ctlcall_send(call, "uploads", 0, NULL);
	ctlcall_patience(call, 0); /* it says when it gives up on S3 */
	if (r < 0) {
		(void)ctlcall_fail(
		    "cannot ask", call->mountpoint, strerror(-r));
		return EXIT_FAILURE;
	}
	all = json_array();
	do {
		json_decref(line);
		line = ctlcall_line(
		    call, "cannot list uploads of", call->mountpoint);
		if (call->as_json)
			(void)json_array_extend(all, line);
		else
			print_uploads(line);
	} while (json_is_array(line));
	r = line == NULL ? EXIT_FAILURE : EXIT_SUCCESS;
	if (call->as_json && line != NULL)
		ctlcall_print(all);
	json_decref(line);
	json_decref(all);
	return r;
}

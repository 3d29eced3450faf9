/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlstatus.c - pailctl status: what a mount does, and did.
 */
#include "fs/ctlstatus.h"

#include <stdio.h>
#include <stdlib.h>

#include "fs/ctlcall.h"
#include "fs/ctltext.h"

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

	print_line(
	    label, ctltext_size(
		       json_integer_value(json_object_get(from, name)), text));
}

static void
print_count(json_t *from, const char *name, const char *label)
{
	(void)printf("%-16s %" JSON_INTEGER_FORMAT "\n", label,
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
print_renames(json_t *list)
{
	size_t i;
	json_t *one;

	json_array_foreach(list, i, one)
	{
		(void)printf("%-16s %s -> %s: %s, %" JSON_INTEGER_FORMAT
			     " of %" JSON_INTEGER_FORMAT
			     " copied, %" JSON_INTEGER_FORMAT " deleted\n",
		    "rename", path_text(one, "from"), path_text(one, "to"),
		    json_string_value(json_object_get(one, "stage")),
		    json_integer_value(json_object_get(one, "copied")),
		    json_integer_value(json_object_get(one, "total")),
		    json_integer_value(json_object_get(one, "deleted")));
	}
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
			       : "read and write");
	print_count(status, "pid", "pid");
	print_count(status, "uptime_s", "uptime, s");
	print_text(cache, "dir", "cache folder");
	(void)printf("%-16s %s of %s\n", "cache used",
	    ctltext_size(
		json_integer_value(json_object_get(cache, "used")), used),
	    ctltext_size(
		json_integer_value(json_object_get(cache, "size")), size));
	print_count(cache, "entries", "entries known");
	print_count(cache, "open_files", "open files");
	print_size(cache, "read_bytes", "read");
	print_size(cache, "hit_bytes", "  from cache");
	print_size(cache, "evicted_bytes", "evicted");
	print_count(cache, "checked_blocks", "blocks checked");
	print_count(cache, "bad_blocks", "bad blocks");
	print_count(cache, "odd_keys", "odd keys");
	print_size(cache, "dirty_bytes", "not in S3 yet");
	print_count(cache, "dirty_files", "  files");
	print_count(cache, "uploads", "  on their way");
	print_count(cache, "failed_files", "  refused by S3");
	print_count(cache, "oldest_s", "  oldest, s");
	print_count(cache, "dirty_attrs", "  attributes");
	print_count(cache, "owed_creates", "  names made");
	print_count(cache, "owed_deletes", "  names removed");
	print_count(cache, "owed_renames", "  names changed");
	print_count(cache, "failed_names", "  of them, refused");
	print_count(cache, "conflicts", "conflicts");
	print_renames(json_object_get(status, "renames"));
	print_count(cache, "names_back", "changes undone");
	if (json_integer_value(json_object_get(cache, "away_s")) > 0)
		print_count(cache, "away_s", "S3 is away, s");
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

int
ctlstatus_run(struct ctlcall *call)
{
	json_t *status =
	    ctlcall_connect(call) < 0 ? NULL : ctlcall_ask(call, "status", 0);

	if (status == NULL)
		return EXIT_FAILURE;
	if (call->as_json)
		ctlcall_print(status);
	else
		print_status(status);
	json_decref(status);
	return EXIT_SUCCESS;
}

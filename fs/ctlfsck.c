/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctlfsck.c - pailctl fsck: a mount or a cache folder is checked.
 *
 * A mount is checked by its daemon, which has the database open and can ask
 * S3; a folder that is not mounted is checked right here.
 */
#include "fs/ctlfsck.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/admin.h"
#include "cache/cache.h"
#include "fs/ctlcall.h"
#include "fs/ctlnote.h"
#include "fs/delivery.h"
#include "fs/mountinfo.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"

#define FSCK_MENDED 1
#define FSCK_LEFT   4
#define FSCK_FAILED 8

/* ---- folders ---- */

/* Where what is found goes. */
struct finds {
	struct ctlnote *note;
	const char *folder; /* shown before a path; NULL: nothing */
};

static int
add_find(void *arg, const struct cache_note *it)
{
	struct finds *finds = arg;
	const char *path = it->path == NULL ? "" : it->path;
	json_t *one = delivery_key_json(path, strlen(path));
	json_t *more = json_pack("{s:s, s:s, s:s}", "folder", finds->folder,
	    "what", it->what, "why", it->text);

	if (more != NULL && it->is_mended)
		(void)json_object_set_new(more, "mended", json_true());
	if (one == NULL || json_object_update(one, more) < 0 ||
	    json_array_append(finds->note->all, one) < 0) {
		json_decref(one);
		json_decref(more);
		return -ENOMEM;
	}
	json_decref(one);
	json_decref(more);
	return 0;
}

/* One folder of one bucket: 0, or -1 and said. */
static int
check_folder(struct ctlcall *call, struct ctlnote *note, const char *dir)
{
	struct finds finds = { .note = note, .folder = dir };
	struct cache_key_call check = {
		.note = add_find, .arg = &finds, .repair = call->repair
	};
	int r = cache_check_folder(dir, &check);

	note->found += (json_int_t)check.found;
	note->mended += (json_int_t)check.mended;
	if (r == 0)
		return 0;
	return ctlcall_fail("cannot check", dir,
	    check.message[0] != '\0' ? check.message : strerror(-r));
}

static bool
has_lock(const char *dir)
{
	struct buf path = BUF_INIT(PATH_MAX);
	bool has = buf_printf(&path, "%s/lock", dir) == 0 &&
		   access(buf_str(&path), F_OK) == 0;

	buf_fini(&path);
	return has;
}

/* All of those in ${dir}, which is what cache= names. */
static int
check_folders(struct ctlcall *call, struct ctlnote *note, const char *dir)
{
	DIR *all = opendir(dir);
	struct dirent *one;
	unsigned count = 0;
	int r = 0;

	if (all == NULL)
		return ctlcall_fail("cannot check", dir, strerror(errno));
	while ((one = readdir(all)) != NULL) {
		struct buf path = BUF_INIT(PATH_MAX);

		if (one->d_name[0] != '.' &&
		    buf_printf(&path, "%s/%s", dir, one->d_name) == 0 &&
		    has_lock(buf_str(&path))) {
			count++;
			if (check_folder(call, note, buf_str(&path)) < 0)
				r = -1;
		}
		buf_fini(&path);
	}
	(void)closedir(all);
	if (count == 0)
		return ctlcall_fail("nothing to check at", dir,
		    "it is neither a mount point of pailfs nor a cache folder");
	return r;
}

/* ---- both ---- */

static bool
is_mount(const char *path)
{
	AUTO_FREE char *point = NULL;
	struct mountinfo info;

	return mountinfo_canonical(path, &point) == 0 &&
	       mountinfo_find(point, &info) == 0 && info.is_pailfs;
}

static int
check(struct ctlcall *call, struct ctlnote *note)
{
	if (is_mount(call->path))
		return ctlnote_ask(call, note);
	note->all = json_array();
	return has_lock(call->path) ? check_folder(call, note, call->path)
				    : check_folders(call, note, call->path);
}

int
ctlfsck_run(struct ctlcall *call)
{
	struct ctlnote note = { .command = "fsck" };
	int status = 0;

	if (check(call, &note) < 0)
		status = FSCK_FAILED;
	ctlnote_print(call, &note);
	status += note.mended > 0 ? FSCK_MENDED : 0;
	status += note.found > 0 ? FSCK_LEFT : 0;
	if (note.found > 0)
		(void)fprintf(stderr,
		    "pailctl: wrong, and left as it is: %" JSON_INTEGER_FORMAT
		    "%s\n",
		    note.found,
		    call->repair ? "" : ": --repair mends what loses nothing");
	ctlnote_fini(&note);
	return status;
}

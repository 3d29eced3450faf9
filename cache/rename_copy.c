/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename_copy.c - the copy that a file's rename is made of.
 *
 * Role:    METADIRTY attributes go along (FOLD), as does a Content-Type that
 *          the new name tells and the old one did not.
 * S3:      API_CopyObject with both conditions.
 */
#include "cache/rename_copy.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "cache/change.h"
#include "cache/core.h"
#include "cache/keep.h"
#include "cache/mime.h"
#include "cache/rename.h"
#include "s3/base/log.h"
#include "s3/base/text.h"

void
file_move_fini(struct file_move *f)
{
	keep_end(f->target);
	name_base_fini(&f->base);
	name_base_fini(&f->to_base);
	headers_fini(&f->headers);
	copy_result_fini(&f->made);
}

/* Whether the new name tells another type, and the old one's was given. */
static bool
is_retyped(const struct rename *m)
{
	const struct mime *mime = m->cache->mime;
	const char *old = mime_of(mime, m->from.name);

	return m->from.kind == ROW_FILE &&
	       strcmp(mime_of(mime, m->new_name), old) != 0 &&
	       (m->from.content_type == NULL ||
		   strcmp(m->from.content_type, old) == 0);
}

/* The headers that the copy gets instead of the old ones. */
static int
make_headers(struct file_move *f)
{
	struct rename *m = f->rename;
	bool retyped = is_retyped(m);

	f->sent = m->from;
	/* What is unsure is known again by its token: that must stay.  What
	 * was not learnt must not be written over: it follows later. */
	f->is_folded = !f->base.is_unsure && m->from.attrs != ROW_ATTRS_NONE &&
		       (m->from.attr_state == ATTRS_METADIRTY || retyped);
	if (!f->is_folded)
		return 0;
	/* Of the same family: known again when its answer was lost. */
	headers_token_like(m->from.token, f->token);
	f->sent.token = f->token;
	if (m->now_ns != 0)
		f->sent.ctime_ns = m->now_ns;
	f->sent.name = (char *)(uintptr_t)m->new_name;
	if (retyped)
		f->sent.content_type = NULL;
	return headers_make(m->cache, &f->sent, false, &f->headers);
}

int
file_move_copy(struct file_move *f, struct waiter *w)
{
	struct rename *m = f->rename;
	struct copy what = {
		.source_key = m->key,
		.source_etag = f->base.etag,
		.size = m->from.size,
		.key = m->new_key,
		.if_match = f->to_base.etag,
		.if_absent = !f->to_base.is_there,
	};
	int r = make_headers(f);

	if (r < 0)
		return r;
	if (f->is_folded) {
		what.replace_meta = true;
		what.content_type = f->headers.content_type;
		what.meta = f->headers.meta;
		what.meta_count = f->headers.meta_count;
	}
	return name_copy(m->cache, &what, w, &f->made);
}

void
file_move_undo(struct file_move *f, int err, bool made)
{
	struct rename *m = f->rename;
	const char *etag = f->made.etag;
	int r = -EIO;

	if (f->to_base.is_there && err == -ESTALE)
		return; /* it is tried again, over what is there now */
	if (f->to_base.is_there) { /* it was not ours to remove */
		log_warn("'%s' was not renamed, but '%s' may be a copy of it "
			 "now: what was there is replaced",
		    m->key, m->new_key);
		return;
	}
	if (!made && etag == NULL)
		etag = f->base.etag;
	if (etag != NULL)
		r = name_delete(m->cache, m->new_key, etag, NULL);
	if (r < 0 && r != -ESTALE)
		log_warn("'%s' was not renamed, but a copy may be left as "
			 "'%s': remove it",
		    m->key, m->new_key);
	if (r == 0)
		return;
	if (name_doubt_absent(m->cache, m->new_dir.id, m->new_name) < 0)
		log_debug("'%s' shows with the ttl", m->new_key);
}

int
file_move_take(struct file_move *f, struct change *ch)
{
	struct row *row = &ch->row;
	int r;

	row->seen_ms = f->made.sent_ms;
	r = text_replace(&row->etag, f->made.etag);
	if (r == 0)
		r = text_replace(&row->version_id, f->made.version_id);
	if (r == 0)
		r = text_replace(&row->storage_class, NULL);
	if (r == 0 && f->is_folded) {
		name_folded(ch, &f->sent);
		if (row->mtime_ns == 0)
			row->mtime_ns = row->modified_ns; /* as was sent */
		r = text_replace(&row->token, f->token);
		if (r == 0)
			r = text_replace(
			    &row->content_type, f->headers.content_type);
	}
	/* Until Last-Modified is seen the old one is as good where it shows. */
	if (row->mtime_ns != 0)
		row->modified_ns = 0;
	return r;
}

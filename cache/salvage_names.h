/* SPDX-License-Identifier: Apache-2.0 */
/*
 * salvage_names.h - what a damaged database tells of names owed to S3.
 *
 * A line each, its fields separated by tabs:
 *
 *	make	KEY	directory|fifo|...
 *	make	KEY	symlink	TARGET
 *	mark	KEY			the marker of a directory
 *	rename	OLD-KEY	KEY
 *	delete	KEY	ETAG		"?": of whatever version
 *
 * and, if some of it cannot be read, "?" in a line of its own, at the end.
 */
#ifndef CACHE_SALVAGE_NAMES_H
#define CACHE_SALVAGE_NAMES_H

#include <stdint.h>
#include <stdio.h>

/* Opaque types. */
struct buf;
struct db;
struct row;

/* The path of ${row} below the root, as far as it can be told. */
void salvage_path(struct db *db, const struct row *row, struct buf *ret);

/* Write what ${db} tells to ${to}; keys begin with ${prefix}.  Returns: how
 * many lines. */
uint64_t salvage_names(struct db *db, const char *prefix, FILE *to);

#endif

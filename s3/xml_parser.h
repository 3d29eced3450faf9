/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml_parser.h - what the parser and those of single answers share.
 *
 * Private to s3/xml*.c.  A parser is a `struct xml_ops`; it is handed each
 * element with its path below the root ("Contents/Key") and its text, fills
 * in its part of the union, and moves that to the caller in finish().
 */
#ifndef S3_XML_PARSER_H
#define S3_XML_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/base/buf.h"
#include "s3/s3.h"
#include "s3/xml.h"

/* Opaque types. */
struct _xmlParserCtxt;

#define XML_DEPTH_MAX 16
#define XML_PATH_SIZE 256
#define XML_ITEMS_MAX 10000 /* some servers give more than was asked for */

struct xml_ops {
	const char *roots[3]; /* NULL after the last */
	/* Each returns 0, -EBADMSG, -EDOM or -ENOMEM; start may be NULL. */
	int (*start)(struct xml *x, const char *path);
	int (*end)(
	    struct xml *x, const char *path, const char *text, size_t len);
	int (*finish)(struct xml *x); /* the document was good */
	void (*fini)(struct xml *x);  /* at any time; frees x->own */
};

/* Is there a next page?  Not said, no, yes. */
enum xml_truncated {
	XML_TRUNCATED_UNSAID,
	XML_TRUNCATED_NO,
	XML_TRUNCATED_YES
};

struct xml_own_list {
	struct s3_page page;
	size_t size; /* of page.entries */
	bool is_encoded;
	enum xml_truncated truncated;
};

struct xml_own_parts {
	struct xml_parts parts;
	size_t size;
	enum xml_truncated truncated;
};

struct xml_own_uploads {
	struct xml_uploads uploads;
	size_t size;
	bool is_encoded;
	enum xml_truncated truncated;
};

struct xml_own_delete {
	int *errs;     /* one a key; 1: not heard of yet */
	size_t next;   /* where the next answer is looked for first */
	char *key;     /* of the element that is being read */
	char code[64]; /* likewise */
};

struct xml {
	const struct xml_ops *ops;
	void *ret;        /* the caller's */
	size_t ret_count; /* of what is in ret */
	union {
		struct xml_own_list list;
		struct xml_own_parts parts;
		struct xml_own_uploads uploads;
		struct xml_own_delete delete;
		struct xml_written written;
		struct xml_sts sts;
		char *string;
	} own;
	struct xml_error error;

	/* xml_parser.c's own. */
	struct _xmlParserCtxt *parser;
	int err;                         /* sticks */
	char detail[XML_PATH_SIZE + 64]; /* of -EDOM */
	bool has_begun;
	bool is_error; /* the root is <Error> */
	unsigned depth;
	unsigned elements;
	size_t bytes;
	size_t silent; /* bytes since libxml2 found an element or text */
	char path[XML_PATH_SIZE];
	struct buf text; /* since the last tag */
};

/* Returns: -EDOM, with ${detail} for a person. */
int xml_refuse(struct xml *x, const char *detail);

/* Returns: 0 or -ENOMEM. */
int xml_new(const struct xml_ops *ops, void *ret, size_t ret_count,
    struct xml **ret_xml);

/* Replace ${*s} by ${len} bytes of ${text}.  Returns: 0 or -ENOMEM. */
int xml_set_string(char **s, const char *text, size_t len);

/* Copy what fits of ${text}. */
void xml_set_array(char *ret, size_t size, const char *text);

/* Read a decimal number.  Returns: 0 or -EDOM. */
int xml_set_number(uint64_t *n, const char *text);

/* Read a time; 0 if it is none. */
void xml_set_time(int64_t *ns, const char *text);

/* Read IsTruncated.  Returns: 0 or -EDOM. */
int xml_set_truncated(enum xml_truncated *t, const char *text);

/**
 * xml_grow(array, size, count, item_len):
 * Make room for one more of ${count} items of ${item_len} bytes in ${array},
 * which has room for ${*size}.  New room is zeroed.
 * Returns: what ${array} is now; NULL: no memory, all as it was.
 */
void *xml_grow(void *array, size_t *size, size_t count, size_t item_len);

/* The handlers of <Error>, for every answer. */
int xml_error_end(struct xml *x, const char *path, const char *text);

#endif

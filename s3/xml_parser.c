/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml_parser.c - the documents that S3 sends: what all answers share.
 *
 * Role:    feeds bytes to libxml2 and elements to the struct xml_ops of one
 *          answer; xml_list.c and xml_answer.c have these.
 * Hostile: a DTD ends the parser at once, so there are no entities but XML's
 *          own; the limits below hold for depth, elements, text and bytes.
 */
#include <errno.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/date.h"
#include "s3/xml_parser.h"

/* S3's largest answer is 1000 keys of 1024 bytes, each coded as "%XX". */
#define BYTES_MAX    ((size_t)32 << 20)
#define TEXT_MAX     8192
#define ELEMENTS_MAX 200000
#define CHUNK_MAX    4096
/* In one tag; libxml2 compares each attribute with each. */
#define SILENT_MAX 16384

/* End the parser: what comes is not what S3 sends, or memory is short. */
static void
fail(struct xml *x, int err)
{
	if (x->err == 0)
		x->err = err;
	xmlStopParser(x->parser);
}

int
xml_refuse(struct xml *x, const char *detail)
{
	(void)snprintf(x->detail, sizeof(x->detail), "%s", detail);
	return -EDOM;
}

/* Begin with the root element: the answer, or an error instead of it. */
static int
begin_root(struct xml *x, const char *name)
{
	for (size_t i = 0; i < 3 && x->ops->roots[i] != NULL; i++) {
		if (strcmp(name, x->ops->roots[i]) == 0)
			return 0;
	}
	if (strcmp(name, "Error") != 0 && strcmp(name, "ErrorResponse") != 0)
		return -EBADMSG;
	x->is_error = true;
	return 0;
}

static int
push_path(struct xml *x, const char *name)
{
	size_t len = strlen(x->path), name_len = strlen(name);

	if (len + 1 + name_len >= sizeof(x->path))
		return -EBADMSG;
	if (len > 0)
		x->path[len++] = '/';
	memcpy(x->path + len, name, name_len + 1);
	return 0;
}

static void
pop_path(struct xml *x)
{
	char *slash = strrchr(x->path, '/');

	*(slash != NULL ? slash : x->path) = '\0';
}

static void
on_start(void *arg, const xmlChar *name, const xmlChar *prefix,
    const xmlChar *uri, int ns_count, const xmlChar **ns, int attr_count,
    int default_count, const xmlChar **attrs)
{
	struct xml *x = arg;
	int r;

	(void)prefix; /* servers differ in namespaces, and nobody in names */
	(void)uri;
	(void)ns_count;
	(void)ns;
	(void)attr_count;
	(void)default_count;
	(void)attrs;
	if (x->err < 0)
		return;
	x->silent = 0;
	buf_clear(&x->text);
	if (x->depth >= XML_DEPTH_MAX || x->elements >= ELEMENTS_MAX) {
		fail(x, -EBADMSG);
		return;
	}
	x->elements++;
	if (x->depth++ == 0)
		r = begin_root(x, (const char *)name);
	else
		r = push_path(x, (const char *)name);
	if (r == 0 && x->ops->start != NULL && !x->is_error)
		r = x->ops->start(x, x->path);
	if (r < 0)
		fail(x, r);
}

static void
on_end(
    void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct xml *x = arg;
	int r;

	(void)name; /* the one that was started last, or libxml2 complains */
	(void)prefix;
	(void)uri;
	if (x->err < 0)
		return;
	x->silent = 0;
	if (x->is_error)
		r = xml_error_end(x, x->path, buf_str(&x->text));
	else
		r = x->ops->end(x, x->path, buf_str(&x->text), x->text.len);
	if (r == -EDOM && x->detail[0] == '\0')
		(void)snprintf(x->detail, sizeof(x->detail),
		    "the value of %s is impossible", x->path);
	buf_clear(&x->text);
	pop_path(x);
	x->depth--;
	if (r < 0)
		fail(x, r);
}

static void
on_text(void *arg, const xmlChar *text, int len)
{
	struct xml *x = arg;
	int r;

	if (x->err < 0)
		return;
	x->silent = 0;
	r = buf_add(&x->text, text, (size_t)len);
	if (r < 0)
		fail(x, r == -EOVERFLOW ? -EBADMSG : r);
}

static void
on_dtd(void *arg, const xmlChar *name, const xmlChar *id, const xmlChar *system)
{
	(void)name;
	(void)id;
	(void)system;
	fail(arg, -EBADMSG);
}

int
xml_new(const struct xml_ops *ops, void *ret, size_t ret_count,
    struct xml **ret_xml)
{
	xmlSAXHandler sax = {
		.initialized = XML_SAX2_MAGIC,
		.startElementNs = on_start,
		.endElementNs = on_end,
		.characters = on_text,
		.ignorableWhitespace = on_text,
		.cdataBlock = on_text,
		.internalSubset = on_dtd,
	};
	struct xml *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return -ENOMEM;
	x->ops = ops;
	x->ret = ret;
	x->ret_count = ret_count;
	buf_init(&x->text, TEXT_MAX);
	x->parser = xmlCreatePushParserCtxt(&sax, x, NULL, 0, NULL);
	if (x->parser == NULL) {
		xml_free(x);
		return -ENOMEM;
	}
	(void)xmlCtxtUseOptions(x->parser, /* these it knows */
	    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	*ret_xml = x;
	return 0;
}

/* What libxml2 thinks of the document so far. */
static int
check_parser(struct xml *x)
{
	if (x->err == 0 && x->parser->errNo == XML_ERR_NO_MEMORY)
		x->err = -ENOMEM;
	if (x->err == 0 && x->parser->wellFormed == 0)
		x->err = -EBADMSG;
	return x->err;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Hand one chunk to libxml2. */
static void
push_chunk(struct xml *x, const char *p, size_t len)
{
	x->bytes += len;
	for (size_t i = 0; i < len; i++)
		x->silent += !is_space(p[i]);
	(void)xmlParseChunk(x->parser, p, (int)len, 0); /* next line */
	(void)check_parser(x);                          /* it sticks */
	if (x->err == 0 && x->silent > SILENT_MAX)
		x->err = -EBADMSG;
}

int
xml_push(struct xml *x, const void *data, size_t len)
{
	const char *p = data;
	size_t n;

	if (!x->has_begun) {
		for (; len > 0 && is_space(*p); len--)
			p++;
		x->has_begun = len > 0;
	}
	if (x->err == 0 && len > BYTES_MAX - x->bytes)
		x->err = -EBADMSG;
	for (; x->err == 0 && len > 0; p += n, len -= n) {
		n = len < CHUNK_MAX ? len : CHUNK_MAX;
		push_chunk(x, p, n);
	}
	return x->err;
}

int
xml_end(struct xml *x)
{
	int r = x->err;

	if (r == 0 && !x->has_begun)
		r = -EBADMSG;
	if (r == 0) {
		(void)xmlParseChunk(x->parser, NULL, 0, 1); /* next line */
		r = check_parser(x);
	}
	if (r == 0 && (x->elements == 0 || x->depth != 0))
		r = -EBADMSG;
	if (r == 0 && x->is_error && x->ops->roots[0] != NULL)
		r = -EREMOTEIO;
	if (r == 0 && x->ops->finish != NULL)
		r = x->ops->finish(x);
	x->err = r < 0 ? r : -EBADMSG; /* nothing may come after the end */
	return r;
}

const char *
xml_detail(const struct xml *x)
{
	return x->detail;
}

const struct xml_error *
xml_error(const struct xml *x)
{
	return &x->error;
}

void
xml_free(struct xml *x)
{
	if (x == NULL)
		return;
	if (x->ops->fini != NULL)
		x->ops->fini(x);
	xmlFreeParserCtxt(x->parser);
	buf_fini(&x->text);
	free(x);
}

int
xml_set_string(char **s, const char *text, size_t len)
{
	char *copy = strndup(text, len);

	if (copy == NULL)
		return -ENOMEM;
	free(*s);
	*s = copy;
	return 0;
}

void
xml_set_array(char *ret, size_t size, const char *text)
{
	size_t len = strnlen(text, size - 1);

	memcpy(ret, text, len);
	ret[len] = '\0';
}

int
xml_set_number(uint64_t *n, const char *text)
{
	uint64_t value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EDOM;
	errno = 0;
	value = strtoull(text, &end, 10);
	/* Of bytes, no file has more than an off_t can count. */
	if (errno != 0 || *end != '\0' || value > INT64_MAX)
		return -EDOM;
	*n = value;
	return 0;
}

void
xml_set_time(int64_t *ns, const char *text)
{
	if (date_parse_iso(text, ns) < 0)
		*ns = 0;
}

int
xml_set_truncated(enum xml_truncated *t, const char *text)
{
	if (strcmp(text, "true") == 0)
		*t = XML_TRUNCATED_YES;
	else if (strcmp(text, "false") == 0)
		*t = XML_TRUNCATED_NO;
	else
		return -EDOM;
	return 0;
}

void *
xml_grow(void *array, size_t *size, size_t count, size_t item_len)
{
	size_t more = *size < 16 ? 16 : 2 * *size;
	char *grown;

	if (count < *size)
		return array;
	grown = reallocarray(array, more, item_len);
	if (grown == NULL)
		return NULL;
	memset(grown + *size * item_len, 0, (more - *size) * item_len);
	*size = more;
	return grown;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml_write.c - the documents that S3 wants.
 *
 * Role:    pure.  S3: API_DeleteObjects, API_CompleteMultipartUpload.
 */
#include <errno.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/base/text.h"
#include "s3/checksum.h"
#include "s3/s3.h"
#include "s3/xml.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS   " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

/* Is ${c} a Char of XML 1.0? */
static bool
is_xml_char(uint32_t c)
{
	if (c < 0x20)
		return c == '\t' || c == '\n' || c == '\r';
	return c != 0xfffe && c != 0xffff;
}

bool
xml_can_carry(const char *key)
{
	uint32_t c;
	size_t len;

	for (; *key != '\0'; key += len) {
		len = text_char(key, &c);
		if (len == 0 || !is_xml_char(c))
			return false;
	}
	return true;
}

/* Add ${s} such that a parser gives back the very same. */
static void
add_escaped(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		if (strchr("<>&\"'\t\r\n", *s) != NULL)
			(void)buf_printf(b, "&#%d;", *s); /* it sticks */
		else
			(void)buf_add_char(b, *s); /* likewise */
	}
}

/* Add <${name}>${text}</${name}>. */
static int
add_element(struct buf *b, const char *name, const char *text)
{
	if (!xml_can_carry(text))
		return -EILSEQ;
	(void)buf_printf(b, "<%s>", name); /* the error sticks */
	add_escaped(b, text);
	return buf_printf(b, "</%s>", name);
}

int
xml_write_delete(struct buf *b, const struct s3_delete *deletes, size_t count)
{
	int r = 0;

	/* Not Quiet: silence about a key could mean anything. */
	(void)buf_add_str(b, HEAD "<Delete" NS ">");
	for (size_t i = 0; i < count && r == 0; i++) {
		(void)buf_add_str(b, "<Object>"); /* the error sticks */
		r = add_element(b, "Key", deletes[i].key);
		if (r == 0 && deletes[i].if_match != NULL)
			r = add_element(b, "ETag", deletes[i].if_match);
		(void)buf_add_str(b, "</Object>"); /* likewise */
	}
	if (r < 0)
		return r;
	return buf_add_str(b, "</Delete>");
}

int
xml_write_complete(struct buf *b, const struct s3_part *parts, size_t count)
{
	char crc[CHECKSUM_CRC32C_SIZE];
	int r = 0;

	(void)buf_add_str(b, HEAD "<CompleteMultipartUpload" NS ">");
	for (size_t i = 0; i < count && r == 0; i++) {
		(void)buf_printf(b, "<Part><PartNumber>%u</PartNumber>",
		    parts[i].number); /* the error sticks */
		r = add_element(b, "ETag", parts[i].etag);
		if (r == 0 && parts[i].has_crc32c) {
			checksum_format(parts[i].crc32c, crc);
			r = add_element(b, "ChecksumCRC32C", crc);
		}
		(void)buf_add_str(b, "</Part>"); /* likewise */
	}
	if (r < 0)
		return r;
	return buf_add_str(b, "</CompleteMultipartUpload>");
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_xml.h - answers of S3, and what the tests of s3/xml*.c do with them.
 */
#ifndef TESTS_UNIT_S3_XML_H
#define TESTS_UNIT_S3_XML_H

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/s3.h"
#include "s3/xml.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define HEAD      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS        " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define NS_PER_S  INT64_C(1000000000)
#define TIME      "2013-05-24T00:00:00.000Z"
#define TIME_NS   (INT64_C(1369353600) * NS_PER_S)

static const char list_text[] = HEAD
    "<ListBucketResult" NS ">"
    "<Name>pail</Name><Prefix>a%2F</Prefix><MaxKeys>1000</MaxKeys>"
    "<IsTruncated>true</IsTruncated>"
    "<Contents><Key>a%2Fb+c%01%25</Key><LastModified>" TIME "</LastModified>"
    "<ETag>&quot;abc&quot;</ETag><Size>5497558138880</Size>"
    "<Owner><ID>x</ID><DisplayName>Key</DisplayName></Owner>"
    "<StorageClass>GLACIER</StorageClass></Contents>\n"
    "<Contents><Key>a%2F%C3%A4</Key><Size>0</Size></Contents>"
    "<CommonPrefixes><Prefix>a%2Fx%2F</Prefix></CommonPrefixes>"
    "<CommonPrefixes><Prefix>a%2Fy%2F</Prefix></CommonPrefixes>"
    "<NextContinuationToken>1+%2F=</NextContinuationToken>"
    "<KeyCount>4</KeyCount><EncodingType>url</EncodingType>"
    "</ListBucketResult>";

static const char error_text[] = HEAD
    "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference &lt; x"
    "</Message><Region>eu-west-1</Region><BucketName>pail</BucketName>"
    "<RequestTime>20130524T001600Z</RequestTime><ServerTime>2013-05-24T00:00:"
    "00Z</ServerTime><MaxAllowedSkewMilliseconds>900000"
    "</MaxAllowedSkewMilliseconds><Endpoint>h</Endpoint>"
    "<RequestId>R1</RequestId><HostId>H</HostId></Error>";

static const char copy_text[] =
    HEAD "<CopyObjectResult" NS ">"
	 "<LastModified>" TIME "</LastModified><ETag>\"9b2c\"</ETag>"
	 "<ChecksumCRC32C>4waSgw==</ChecksumCRC32C>"
	 "<ChecksumType>FULL_OBJECT</ChecksumType></CopyObjectResult>";

static const char copy_part_text[] =
    "<CopyPartResult><ETag>\"9b2c\"</ETag></CopyPartResult>";

static const char complete_text[] = HEAD
    "\n \n \n"
    "<CompleteMultipartUploadResult" NS "><Location>http://h/pail/k</Location>"
    "<Bucket>pail</Bucket><Key>k</Key><ETag>\"3858-2\"</ETag>"
    "<ChecksumCRC32C>4waSgw==-2</ChecksumCRC32C>"
    "</CompleteMultipartUploadResult>";

static const char create_text[] =
    HEAD "<InitiateMultipartUploadResult" NS ">"
	 "<Bucket>pail</Bucket><Key>k</Key><UploadId>VX_1.2-3</UploadId>"
	 "</InitiateMultipartUploadResult>";

static const char delete_text[] = HEAD
    "<DeleteResult" NS ">"
    "<Deleted><Key>a</Key></Deleted>"
    "<Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
    "<Deleted><Key>e&#10;</Key><DeleteMarker>true</DeleteMarker></Deleted>"
    "<Error><Key>d</Key><Code>PreconditionFailed</Code></Error>"
    "<Deleted><Key>nobody asked</Key></Deleted></DeleteResult>";

static const char parts_text[] = HEAD
    "<ListPartsResult" NS ">"
    "<UploadId>U</UploadId><PartNumberMarker>0</PartNumberMarker>"
    "<NextPartNumberMarker>3</NextPartNumberMarker><MaxParts>2</MaxParts>"
    "<IsTruncated>true</IsTruncated><Part><PartNumber>1</PartNumber>"
    "<LastModified>" TIME "</LastModified><ETag>\"p1\"</ETag>"
    "<Size>5242880</Size><ChecksumCRC32C>4waSgw==</ChecksumCRC32C></Part>"
    "<Part><PartNumber>3</PartNumber><ETag>\"p3\"</ETag><Size>1</Size></Part>"
    "</ListPartsResult>";

static const char uploads_text[] =
    HEAD "<ListMultipartUploadsResult" NS ">"
	 "<KeyMarker/><UploadIdMarker/><NextKeyMarker>b%2B</NextKeyMarker>"
	 "<NextUploadIdMarker>U2</NextUploadIdMarker>"
	 "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
	 "<Upload><Key>a+b</Key><UploadId>U1</UploadId><Initiator><ID>i</ID>"
	 "</Initiator><Initiated>" TIME "</Initiated></Upload>"
	 "<Upload><Key>b%2B</Key><UploadId>U2</UploadId></Upload>"
	 "</ListMultipartUploadsResult>";

static const char location_text[] =
    HEAD "<LocationConstraint" NS ">eu-central-1</LocationConstraint>";

static const char sts_text[] =
    "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/"
    "2011-06-15/\"><AssumeRoleWithWebIdentityResult><Credentials>"
    "<AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey>"
    "<SessionToken>T</SessionToken><Expiration>2013-05-24T00:00:00Z"
    "</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
    "</AssumeRoleWithWebIdentityResponse>";

/* All that an answer can be parsed into. */
struct results {
	struct s3_page page;
	struct xml_written written;
	char *string;
	struct xml_parts parts;
	struct xml_uploads uploads;
	struct xml_sts sts;
	struct s3_delete deletes[5];
};

enum answer {
	ERROR,
	LIST,
	COPY,
	COPY_PART,
	COMPLETE,
	CREATE,
	DELETE,
	PARTS,
	UPLOADS,
	LOCATION,
	STS,
	ANSWER_COUNT
};

static const char *const texts[] = { error_text, list_text, copy_text,
	copy_part_text, complete_text, create_text, delete_text, parts_text,
	uploads_text, location_text, sts_text };

static inline void
results_init(struct results *res)
{
	static const char *const keys[] = { "a", "b", "c", "d", "e\n" };

	memset(res, 0, sizeof(*res));
	for (size_t i = 0; i < LENGTH(keys); i++) {
		res->deletes[i].key = keys[i];
		res->deletes[i].err = 77;
	}
}

static inline void
results_fini(struct results *res)
{
	xml_page_fini(&res->page);
	xml_written_fini(&res->written);
	xml_parts_fini(&res->parts);
	xml_uploads_fini(&res->uploads);
	xml_sts_fini(&res->sts);
	free(res->string);
}

static inline int
open_answer(enum answer answer, struct results *res, struct xml **ret)
{
	switch (answer) {
	case LIST:
		return xml_open_list(&res->page, ret);
	case COPY:
		return xml_open_copy(&res->written, ret);
	case COPY_PART:
		return xml_open_copy_part(&res->written, ret);
	case COMPLETE:
		return xml_open_complete(&res->written, ret);
	case CREATE:
		return xml_open_create(&res->string, ret);
	case DELETE:
		return xml_open_delete(res->deletes, 5, ret);
	case PARTS:
		return xml_open_parts(&res->parts, ret);
	case UPLOADS:
		return xml_open_uploads(&res->uploads, ret);
	case LOCATION:
		return xml_open_location(&res->string, ret);
	case STS:
		return xml_open_sts(&res->sts, ret);
	default:
		return xml_open_error(ret);
	}
}

/* Parse ${text} in pieces of ${step} bytes. */
static inline int
parse_steps(enum answer answer, const char *text, size_t len, size_t step,
    struct results *res)
{
	struct xml *x;
	size_t n;
	int r = 0, end;

	assert_int_equal(open_answer(answer, res, &x), 0);
	for (size_t off = 0; off < len && r == 0; off += n) {
		n = len - off < step ? len - off : step;
		r = xml_push(x, text + off, n);
	}
	end = xml_end(x);
	if (r < 0)
		assert_int_equal(end, r);
	xml_free(x);
	return end;
}

static inline int
parse(enum answer answer, const char *text, struct results *res)
{
	return parse_steps(answer, text, strlen(text), SIZE_MAX, res);
}

/* Parse ${text}, forget the result. */
static inline int
try(enum answer answer, const char *text)
{
	struct results res;
	int r;

	results_init(&res);
	r = parse(answer, text, &res);
	results_fini(&res);
	return r;
}

#endif

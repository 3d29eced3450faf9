/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.c - the one table: what failed, as what, whether to try again, and
 * what a person can do about it.
 *
 * Role:    pure; the only place where a failure of S3 gets its errno.
 *          S3: API "Error responses", "List of error codes".
 *
 * In the texts: %b bucket, %k key, %e endpoint, %r region signed for, %R the
 * server's region, %s seconds the clock is off, %c status and code, %m the
 * server's message, %d the detail.  A part in {} is left out when what it
 * speaks of is not known.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "s3/error.h"

#define HINT_KEYS "check the access key and its secret"

/* clang-format off */
static const struct s3_error table[] = {
	/* What never became an answer. */
	{ 0, ERROR_RESOLVE, -EHOSTUNREACH, ERROR_RETRY,
	    "cannot find the host of {%e}: check the endpoint and DNS" },
	{ 0, ERROR_REFUSED, -EHOSTUNREACH, ERROR_RETRY,
	    "{%e }refuses connections: check the endpoint and its port" },
	{ 0, ERROR_UNREACH, -EHOSTUNREACH, ERROR_RETRY,
	    "cannot reach {%e}{ (%d)}: check the endpoint, DNS and the network" },
	{ 0, ERROR_LOST, -EIO, ERROR_RETRY,
	    "the connection to {%e} was lost{ (%d)}: check the network, and "
	    "whether the endpoint is http or https" },
	{ 0, ERROR_TIMEOUT, -ETIMEDOUT, ERROR_RETRY,
	    "no answer from {%e} in time: check the network and the endpoint" },
	{ 0, ERROR_TLS, -EACCES, ERROR_NEVER,
	    "no secure connection to {%e}{ (%d)}: check the endpoint's "
	    "certificate and the CA certificates of this machine" },
	{ 0, ERROR_TRUNCATED, -EIO, ERROR_RETRY,
	    "the answer of {%e} ended early: check the network" },
	{ 0, ERROR_BAD_ANSWER, -EIO, ERROR_RETRY,
	    "{%e }does not answer as S3 does{ (%d)}: check the endpoint" },
	/* It arrived whole and is meant so; but one bit may have flipped. */
	{ 0, ERROR_NONSENSE, -EIO, ERROR_RETRY_FEW,
	    "{%e }answers what cannot be{ (%d)}: check the endpoint" },
	{ 0, ERROR_CHECKSUM, -EIO, ERROR_RETRY,
	    "what came{ of '%k'} does not match its checksum: check the network "
	    "and the server" },
	{ 0, ERROR_NO_KEYS, -EACCES, ERROR_NEVER,
	    "no credentials found{ (%d)}: set AWS_ACCESS_KEY_ID and "
	    "AWS_SECRET_ACCESS_KEY, or make ~/.aws/credentials" },
	{ 0, ERROR_UNSAID, -EACCES, ERROR_NEVER,
	    "{%e }refuses a look{ at '%k'} and does not say why: the "
	    "credentials may have expired: get new ones" },
	{ 0, ERROR_CANCELED, -ECANCELED, ERROR_NEVER, "canceled" },
	{ 0, ERROR_NO_MEMORY, -ENOMEM, ERROR_NEVER, "out of memory" },

	/* What is not there. */
	{ 404, "NoSuchBucket", -ENOENT, ERROR_NEVER,
	    "no such bucket{ '%b'}: check its name and the endpoint" },
	{ 404, "NoSuchKey", -ENOENT, ERROR_NEVER, "no such object{ '%k'}" },
	{ 404, "NoSuchVersion", -ENOENT, ERROR_NEVER,
	    "no such version of{ '%k'}" },
	{ 404, "NoSuchUpload", -ENOENT, ERROR_NEVER,
	    "no such multipart upload{ of '%k'}: it was ended or aborted" },
	{ 404, NULL, -ENOENT, ERROR_NEVER,
	    "{%e }answers 'not found'{ for '%k'}: check the endpoint and the "
	    "name of the bucket" },
	{ 405, "MethodNotAllowed", -EOPNOTSUPP, ERROR_NEVER,
	    "the server does not allow this{ on '%k'}{: %m}" },

	/* Who may. */
	{ 0, "ExpiredToken", -EACCES, ERROR_CREDENTIALS,
	    "the session token has expired: get a new one" },
	{ 0, "ExpiredTokenException", -EACCES, ERROR_CREDENTIALS,
	    "the session token has expired: get a new one" },
	{ 0, "TokenRefreshRequired", -EACCES, ERROR_CREDENTIALS,
	    "the session token has expired: get a new one" },
	{ 0, "RequestExpired", -EACCES, ERROR_SKEW,
	    "the clock is off{ by %s s}: set it, or run an NTP service" },
	{ 0, "InvalidToken", -EACCES, ERROR_CREDENTIALS,
	    "the session token is not valid: get a new one" },
	{ 0, "RequestTimeTooSkewed", -EACCES, ERROR_SKEW,
	    "the clock is off{ by %s s}: set it, or run an NTP service" },
	{ 0, "InvalidAccessKeyId", -EACCES, ERROR_CREDENTIALS,
	    "the server does not know the access key: " HINT_KEYS },
	/* versitygw's, with a 404 that would pass for a missing key. */
	{ 0, "XAdminUserNotFound", -EACCES, ERROR_CREDENTIALS,
	    "the server does not know the access key: " HINT_KEYS },
	{ 0, "SignatureDoesNotMatch", -EACCES, ERROR_NEVER,
	    "the signature does not match: check the secret access key" },
	{ 0, "InvalidSecurity", -EACCES, ERROR_NEVER,
	    "the credentials are not valid: " HINT_KEYS },
	{ 0, "NotSignedUp", -EACCES, ERROR_NEVER,
	    "the account has no S3: sign up for it" },
	{ 0, "AccountProblem", -EACCES, ERROR_NEVER,
	    "the account has a problem: ask the provider" },
	{ 0, "AllAccessDisabled", -EACCES, ERROR_NEVER,
	    "the server has disabled all access{ to '%b'}: ask the provider" },
	{ 0, "InvalidObjectState", -EACCES, ERROR_NEVER,
	    "the object{ '%k'} is archived (Glacier): restore it first" },
	{ 0, "AccessDenied", -EACCES, ERROR_NEVER,
	    "access denied{ to '%b'}{, '%k'}: check the permissions of the "
	    "credentials{ (%m)}" },
	{ 0, "KMS.DisabledException", -EACCES, ERROR_NEVER,
	    "the encryption key{ of '%k'} is disabled: enable it in KMS" },
	{ 401, NULL, -EACCES, ERROR_NEVER,
	    "the server wants other credentials: " HINT_KEYS },

	/* Where. */
	{ 0, "AuthorizationHeaderMalformed", -EINVAL, ERROR_REGION,
	    "the region{ '%r'} is wrong{: the bucket is in '%R'}: set region" },
	{ 0, "IllegalLocationConstraintException", -EINVAL, ERROR_REGION,
	    "the region{ '%r'} is wrong{: the bucket is in '%R'}: set region" },
	{ 0, "PermanentRedirect", -EINVAL, ERROR_REGION,
	    "the bucket{ '%b'} is elsewhere{: in '%R'}: set region or endpoint" },
	{ 0, "InvalidRegionName", -EINVAL, ERROR_REGION,
	    "the region{ '%r'} is wrong{: the bucket is in '%R'}: set region" },
	{ 301, NULL, -EINVAL, ERROR_REGION,
	    "the bucket{ '%b'} is elsewhere{: in '%R'}: set region or endpoint" },
	{ 302, NULL, -EIO, ERROR_REDIRECT,
	    "{%e }sends elsewhere again and again: check the endpoint" },
	{ 307, NULL, -EIO, ERROR_REDIRECT,
	    "{%e }sends elsewhere again and again: check the endpoint" },
	{ 308, NULL, -EIO, ERROR_REDIRECT,
	    "{%e }sends elsewhere again and again: check the endpoint" },

	/* Conditions and ranges. */
	{ 304, NULL, -EAGAIN, ERROR_NEVER, "not modified{: '%k'}" },
	{ 409, "ConditionalRequestConflict", -EBUSY, ERROR_RETRY,
	    "others write{ to '%k'} at the same time: try again" },
	{ 409, "OperationAborted", -EBUSY, ERROR_RETRY,
	    "others change{ '%b'} at the same time: try again" },
	{ 409, "BucketAlreadyExists", -EEXIST, ERROR_NEVER,
	    "the bucket{ '%b'} exists: choose another name" },
	{ 409, NULL, -EBUSY, ERROR_NEVER, "conflict{ at '%k'}{: %m}" },
	{ 0, "PreconditionFailed", -ESTALE, ERROR_NEVER,
	    "the object{ '%k'} was changed by others" },
	{ 412, NULL, -ESTALE, ERROR_NEVER,
	    "the object{ '%k'} was changed by others" },
	{ 0, "InvalidRange", -ERANGE, ERROR_NEVER,
	    "the object{ '%k'} has no such range" },
	{ 416, NULL, -ERANGE, ERROR_NEVER,
	    "the object{ '%k'} has no such range" },
	{ 0, "ObjectLocked", -EACCES, ERROR_NEVER,
	    "the object{ '%k'} is locked until its retention ends" },

	/* Too much. */
	{ 0, "EntityTooLarge", -EFBIG, ERROR_NEVER,
	    "the object{ '%k'} is larger than the server takes" },
	{ 413, NULL, -EFBIG, ERROR_NEVER,
	    "the object{ '%k'} is larger than the server or a proxy takes" },
	{ 0, "KeyTooLongError", -ENAMETOOLONG, ERROR_NEVER,
	    "the key is longer than 1024 bytes: use shorter names" },
	{ 0, "MetadataTooLarge", -E2BIG, ERROR_NEVER,
	    "the metadata{ of '%k'} is larger than 2 KB: remove attributes" },
	{ 0, "QuotaExceeded", -EDQUOT, ERROR_NEVER,
	    "the quota{ of '%b'} is used up: remove objects or raise it{ (%m)}" },
	{ 0, "XMinioAdminBucketQuotaExceeded", -EDQUOT, ERROR_NEVER,
	    "the quota{ of '%b'} is used up: remove objects or raise it{ (%m)}" },
	{ 0, "StorageQuotaExceeded", -EDQUOT, ERROR_NEVER,
	    "the quota{ of '%b'} is used up: remove objects or raise it{ (%m)}" },
	{ 0, "XMinioStorageFull", -ENOSPC, ERROR_NEVER,
	    "the server's storage is full: remove objects or add disks" },
	{ 0, "InsufficientStorage", -ENOSPC, ERROR_NEVER,
	    "the server's storage is full: remove objects or add disks" },
	{ 507, NULL, -ENOSPC, ERROR_NEVER,
	    "the server's storage is full: remove objects or add disks" },

	/* Bytes that did not arrive as they left. */
	{ 0, "BadDigest", -EIO, ERROR_RETRY,
	    "what arrived{ of '%k'} does not match its checksum: check the "
	    "network" },
	{ 0, "XAmzContentSHA256Mismatch", -EIO, ERROR_RETRY,
	    "what arrived{ of '%k'} does not match its checksum: check the "
	    "network" },
	{ 0, "XAmzContentChecksumMismatch", -EIO, ERROR_RETRY,
	    "what arrived{ of '%k'} does not match its checksum: check the "
	    "network" },
	{ 0, "IncompleteBody", -EIO, ERROR_RETRY,
	    "the server did not get all{ of '%k'}: check the network" },

	/* Not now. */
	{ 0, "SlowDown", -EBUSY, ERROR_THROTTLE,
	    "the server asks for fewer requests: lower connections" },
	{ 0, "Throttling", -EBUSY, ERROR_THROTTLE,
	    "the server asks for fewer requests: lower connections" },
	{ 0, "ThrottlingException", -EBUSY, ERROR_THROTTLE,
	    "the server asks for fewer requests: lower connections" },
	{ 0, "RequestLimitExceeded", -EBUSY, ERROR_THROTTLE,
	    "the server asks for fewer requests: lower connections" },
	{ 0, "BandwidthLimitExceeded", -EBUSY, ERROR_THROTTLE,
	    "the server asks for fewer requests: lower connections" },
	{ 0, "TooManyRequests", -EBUSY, ERROR_THROTTLE,
	    "the server asks for fewer requests: lower connections" },
	{ 429, NULL, -EBUSY, ERROR_THROTTLE,
	    "the server asks for fewer requests: lower connections" },
	{ 503, NULL, -EBUSY, ERROR_THROTTLE,
	    "{%e }is busy{ (%m)}: try again later" },
	{ 0, "RequestTimeout", -ETIMEDOUT, ERROR_RETRY,
	    "the server waited too long for a request: check the network" },
	{ 408, NULL, -ETIMEDOUT, ERROR_RETRY,
	    "the server waited too long for a request: check the network" },
	{ 0, "PriorRequestNotComplete", -EBUSY, ERROR_RETRY,
	    "the server still works on the last request: try again" },
	{ 0, "InternalError", -EIO, ERROR_RETRY,
	    "{%e }has an internal error{ (%m)}: try again, or ask its operator" },
	{ 504, NULL, -ETIMEDOUT, ERROR_RETRY,
	    "a gateway of {%e} got no answer in time: try again" },

	/* Not at all. */
	{ 0, "NotImplemented", -EOPNOTSUPP, ERROR_NEVER,
	    "the server cannot do this{: %m}" },
	{ 501, NULL, -EOPNOTSUPP, ERROR_NEVER,
	    "the server cannot do this{: %m}" },
	{ 0, "InvalidBucketName", -EINVAL, ERROR_NEVER,
	    "the name{ '%b'} cannot be that of a bucket: check it" },
	{ 0, "EntityTooSmall", -EINVAL, ERROR_NEVER,
	    "a part{ of '%k'} is smaller than the server takes" },
	{ 0, "InvalidPart", -EIO, ERROR_NEVER,
	    "the server lost a part{ of '%k'}: it must be sent again" },
	{ 0, "InvalidPartOrder", -EINVAL, ERROR_NEVER,
	    "the parts{ of '%k'} are out of order" },
	{ 0, "UserKeyMustBeSpecified", -EACCES, ERROR_NEVER,
	    "the object{ '%k'} is encrypted with a key of its owner (SSE-C)" },
	{ 400, NULL, -EINVAL, ERROR_NEVER,
	    "the server refuses the request: %c{: %m}" },
	{ 403, NULL, -EACCES, ERROR_NEVER,
	    "access denied{ to '%b'}{, '%k'}: check the permissions of the "
	    "credentials" },
	{ 500, NULL, -EIO, ERROR_RETRY,
	    "{%e }has an internal error{ (%m)}: try again, or ask its operator" },
};

static const struct s3_error other_4xx = { 0, NULL, -EIO, ERROR_NEVER,
	"the server refuses the request: %c{: %m}" };
static const struct s3_error other_5xx = { 0, NULL, -EIO, ERROR_RETRY,
	"the server failed: %c{: %m}" };
static const struct s3_error other = { 0, ERROR_BAD_ANSWER, -EIO, ERROR_RETRY,
	"{%e }does not answer as S3 does: %c{ (%d)}" };

/* The codes of our own for what curl and the system say. */
static const struct {
	int err;
	const char *code;
} codes[] = {
	{ -EHOSTUNREACH, ERROR_UNREACH },
	{ -ENETUNREACH, ERROR_UNREACH },
	{ -ENETDOWN, ERROR_UNREACH },
	{ -EHOSTDOWN, ERROR_UNREACH },
	{ -ENXIO, ERROR_RESOLVE },
	{ -ECONNREFUSED, ERROR_REFUSED },
	{ -ECONNRESET, ERROR_LOST },
	{ -ECONNABORTED, ERROR_LOST },
	{ -EPIPE, ERROR_LOST },
	{ -ETIMEDOUT, ERROR_TIMEOUT },
	{ -EKEYREJECTED, ERROR_TLS },
	{ -EPROTO, ERROR_TLS },
	{ -EMSGSIZE, ERROR_TRUNCATED },
	{ -EBADMSG, ERROR_BAD_ANSWER },
	{ -EOVERFLOW, ERROR_BAD_ANSWER },
	{ -EILSEQ, ERROR_CHECKSUM },
	{ -ENOKEY, ERROR_NO_KEYS },
	{ -ECANCELED, ERROR_CANCELED },
	{ -ENOMEM, ERROR_NO_MEMORY },
};
/* clang-format on */

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* The row of ${code}, whatever its status; of our own ones only if it is 0. */
static const struct s3_error *
find_code(unsigned status, const char *code)
{
	bool is_own = true;

	for (size_t i = 0; i < LENGTH(table); i++) {
		if (is_own && status != 0 && table[i].status == 0)
			continue;
		if (table[i].status != 0)
			is_own = false; /* those without come first */
		if (table[i].code != NULL && strcmp(table[i].code, code) == 0)
			return &table[i];
	}
	return NULL;
}

const struct s3_error *
s3_error_find(unsigned status, const char *code)
{
	const struct s3_error *e = NULL;

	if (code != NULL && code[0] != '\0')
		e = find_code(status, code);
	if (e != NULL)
		return e;
	for (size_t i = 0; i < LENGTH(table) && status != 0; i++) {
		if (table[i].code == NULL && table[i].status == status)
			return &table[i];
	}
	if (status >= 500 && status <= 599)
		return &other_5xx;
	if (status >= 400 && status <= 499)
		return &other_4xx;
	return &other;
}

const char *
s3_error_code(int err)
{
	for (size_t i = 0; i < LENGTH(codes); i++) {
		if (codes[i].err == err)
			return codes[i].code;
	}
	return ERROR_LOST;
}

/* A line that is cut when it is full. */
struct line {
	char *text;
	size_t len;
	size_t size;
};

static void
line_add(struct line *l, const char *s)
{
	unsigned char c;

	for (; *s != '\0' && l->len + 1 < l->size; s++) {
		c = (unsigned char)*s;
		l->text[l->len++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	l->text[l->len] = '\0';
}

/* What ${letter} stands for, NULL if it is not known. */
static const char *
value_of(
    char letter, const struct s3_error_info *info, char *number, size_t size)
{
	const char *s = NULL;

	switch (letter) {
	case 'b':
		s = info->bucket;
		break;
	case 'k':
		s = info->key;
		break;
	case 'e':
		s = info->endpoint;
		break;
	case 'r':
		s = info->region;
		break;
	case 'R':
		s = info->server_region;
		break;
	case 'm':
		s = info->server_message;
		break;
	case 'd':
		s = info->detail;
		break;
	case 's':
		if (info->skew_s == 0)
			return NULL;
		(void)snprintf(number, size, "%+lld", (long long)info->skew_s);
		return number;
	case 'c':
		(void)snprintf(number, size, "%u %s", info->status,
		    info->code != NULL ? info->code : "");
		return number;
	}
	return s != NULL && s[0] != '\0' ? s : NULL;
}

/* Add what ${letter} stands for.  false: it is not known. */
static bool
line_add_value(struct line *l, char letter, const struct s3_error_info *info)
{
	char number[96];
	const char *value = value_of(letter, info, number, sizeof(number));

	if (value != NULL)
		line_add(l, value);
	return value != NULL;
}

/* Add ${*text} up to its end, '{' or '}'.  false: something is not known. */
static bool
expand(struct line *l, const char **text, const struct s3_error_info *info)
{
	char literal[2] = "";
	bool is_known = true;

	for (; **text != '\0' && strchr("{}", **text) == NULL; (*text)++) {
		if (**text != '%') {
			literal[0] = **text;
			line_add(l, literal);
			continue;
		}
		(*text)++;
		if (!line_add_value(l, **text, info))
			is_known = false;
	}
	return is_known;
}

/* Without an endpoint to name, a sentence begins or goes on with this. */
static const char *
instead_of(const char *part)
{
	if (strncmp(part, "%e}", 3) == 0)
		return "the server";
	return strncmp(part, "%e }", 4) == 0 ? "the server " : "";
}

void
s3_error_message(const struct s3_error *e, const struct s3_error_info *info,
    char *ret, size_t size)
{
	struct line l = { .text = ret, .len = 0, .size = size };
	const char *text = e->text, *part;
	size_t start;

	if (size == 0)
		return;
	ret[0] = '\0';
	while (*text != '\0') {
		if (*text != '{') {
			(void)expand(&l, &text, info); /* always known */
			continue;
		}
		part = ++text;
		start = l.len;
		if (!expand(&l, &text, info)) {
			l.len = start;
			ret[start] = '\0';
			line_add(&l, instead_of(part));
		}
		text++;
	}
}

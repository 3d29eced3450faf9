/* SPDX-License-Identifier: Apache-2.0 */
/*
 * date.h - the dates of HTTP and S3 as nanoseconds since 1970, UTC.
 *
 * Neither locale nor time zone of the process has a part in it.  Pure.
 */
#ifndef S3_DATE_H
#define S3_DATE_H

#include <stdint.h>

#define DATE_AMZ_SIZE 17 /* "20130524T000000Z" and '\0' */

/**
 * date_parse_http(s, ret_ns):
 * Parse the Internet date "Fri, 24 May 2013 00:00:00 GMT" (RFC 9110).
 * Returns: 0; -EINVAL.
 */
int date_parse_http(const char *s, int64_t *ret_ns);

/**
 * date_parse_iso(s, ret_ns):
 * Parse "2013-05-24T00:00:00.000Z" (fraction: none to nine digits, more are
 * dropped; "+hh:mm" for Z) or "20130524T000000Z".
 * Returns: 0; -EINVAL.
 */
int date_parse_iso(const char *s, int64_t *ret_ns);

/* Write ${time_s} as "20130524T000000Z"; before 1970 or after 9999: those. */
void date_format_amz(int64_t time_s, char ret[DATE_AMZ_SIZE]);

#endif

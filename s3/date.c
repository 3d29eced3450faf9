/* SPDX-License-Identifier: Apache-2.0 */
/*
 * date.c - the dates of HTTP and S3 as nanoseconds since 1970, UTC.
 *
 * Role:    pure; for answers of servers, and for the signer.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "s3/date.h"

#define NS_PER_S  INT64_C(1000000000)
#define DAY_S     INT64_C(86400)
#define YEAR_MAX  2261 /* the last whole year that fits in 64 bits of ns */
#define AMZ_MAX_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* Take exactly ${digits} digits from ${*s}. */
static bool
take_number(const char **s, unsigned digits, int *ret)
{
	int n = 0;

	for (unsigned i = 0; i < digits; i++) {
		if (**s < '0' || **s > '9')
			return false;
		n = n * 10 + *(*s)++ - '0';
	}
	*ret = n;
	return true;
}

static bool
take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* Days from 1970-01-01 to a day of the Gregorian calendar. */
static int64_t
days_from_civil(int year, int month, int day)
{
	/* Years begin in March, so that the leap day is their last. */
	int y = month <= 2 ? year - 1 : year;
	int m = month <= 2 ? month + 9 : month - 3;
	int64_t leaps = y / 4 - y / 100 + y / 400;

	return 365 * (int64_t)y + leaps + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool
is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int
days_of_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

struct fields {
	int year, month, day, hour, min, sec;
};

static int
to_ns(const struct fields *f, int64_t *ret_ns)
{
	int64_t days;

	if (f->year < 1970 || f->year > YEAR_MAX || f->month < 1 ||
	    f->month > 12 || f->day < 1 ||
	    f->day > days_of_month(f->year, f->month) || f->hour > 23 ||
	    f->min > 59 || f->sec > 60)
		return -EINVAL;
	days = days_from_civil(f->year, f->month, f->day);
	*ret_ns =
	    (days * DAY_S + f->hour * 3600 + f->min * 60 + f->sec) * NS_PER_S;
	return 0;
}

static bool
take_month(const char **s, int *ret)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++) {
		if (strncmp(*s, names + (ptrdiff_t)3 * i, 3) == 0) {
			*s += 3;
			*ret = i + 1;
			return true;
		}
	}
	return false;
}

/* Take "00:00:00", or "000000" if not ${has_colons}. */
static bool
take_time(const char **s, bool has_colons, struct fields *f)
{
	return take_number(s, 2, &f->hour) &&
	       (!has_colons || take_char(s, ':')) &&
	       take_number(s, 2, &f->min) &&
	       (!has_colons || take_char(s, ':')) && take_number(s, 2, &f->sec);
}

int
date_parse_http(const char *s, int64_t *ret_ns)
{
	const char *comma = strchr(s, ',');
	struct fields f;

	if (comma == NULL || comma - s != 3)
		return -EINVAL;
	s = comma + 1;
	if (!take_char(&s, ' ') || !take_number(&s, 2, &f.day) ||
	    !take_char(&s, ' ') || !take_month(&s, &f.month) ||
	    !take_char(&s, ' ') || !take_number(&s, 4, &f.year) ||
	    !take_char(&s, ' ') || !take_time(&s, true, &f))
		return -EINVAL;
	if (strcmp(s, " GMT") != 0 && strcmp(s, " UTC") != 0)
		return -EINVAL;
	return to_ns(&f, ret_ns);
}

/* Take ".123456789" if it is there. */
static bool
take_fraction(const char **s, int64_t *ret_ns)
{
	int64_t ns = 0, unit = NS_PER_S / 10;
	const char *p = *s;

	*ret_ns = 0;
	if (!take_char(&p, '.'))
		return true;
	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		ns += (*p - '0') * unit;
		unit /= 10;
	}
	*s = p;
	*ret_ns = ns;
	return true;
}

/* Take "Z", "+hh:mm" or "+hhmm": how far local time is ahead of UTC. */
static bool
take_zone(const char **s, int *ret_s)
{
	int sign, hour, min;

	*ret_s = 0;
	if (take_char(s, 'Z'))
		return true;
	sign = **s == '-' ? -1 : 1;
	if (!take_char(s, '+') && !take_char(s, '-'))
		return false;
	if (!take_number(s, 2, &hour))
		return false;
	(void)take_char(s, ':'); /* may be left out */
	if (!take_number(s, 2, &min) || hour > 23 || min > 59)
		return false;
	*ret_s = sign * (hour * 3600 + min * 60);
	return true;
}

/* Take "2013-05-24", or "20130524"; in the first case ${*ret_is_long}. */
static bool
take_date(const char **s, struct fields *f, bool *ret_is_long)
{
	bool is_long;

	if (!take_number(s, 4, &f->year))
		return false;
	is_long = take_char(s, '-');
	*ret_is_long = is_long;
	return take_number(s, 2, &f->month) &&
	       (!is_long || take_char(s, '-')) && take_number(s, 2, &f->day);
}

int
date_parse_iso(const char *s, int64_t *ret_ns)
{
	struct fields f;
	int64_t ns, fraction;
	bool is_long;
	int zone, r;

	if (!take_date(&s, &f, &is_long) || !take_char(&s, 'T') ||
	    !take_time(&s, is_long, &f) || !take_fraction(&s, &fraction) ||
	    !take_zone(&s, &zone) || *s != '\0')
		return -EINVAL;
	r = to_ns(&f, &ns);
	if (r < 0)
		return r;
	*ret_ns = ns + fraction - zone * NS_PER_S;
	return 0;
}

void
date_format_amz(int64_t time_s, char ret[DATE_AMZ_SIZE])
{
	int64_t days;
	int year = 1970, month = 1, s;

	time_s = time_s < 0 ? 0 : time_s > AMZ_MAX_S ? AMZ_MAX_S : time_s;
	days = time_s / DAY_S;
	s = (int)(time_s % DAY_S);
	while (days >= 365 + is_leap(year)) {
		days -= 365 + is_leap(year);
		year++;
	}
	while (days >= days_of_month(year, month)) {
		days -= days_of_month(year, month);
		month++;
	}
	(void)snprintf(ret, DATE_AMZ_SIZE, "%04u%02u%02uT%02u%02u%02uZ",
	    (unsigned)year % 10000, (unsigned)month % 100,
	    ((unsigned)days + 1) % 100, (unsigned)s / 3600 % 100,
	    (unsigned)s / 60 % 60, (unsigned)s % 60);
}

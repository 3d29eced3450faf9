/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attrs_value.h - the values of metadata headers: numbers, times, encodings.
 *
 * Values come from outside: what is not wholly of the form is refused.
 * Blanks before and after a number are skipped.  Pure; no locks.
 */
#ifndef CACHE_ATTRS_VALUE_H
#define CACHE_ATTRS_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opaque types. */
struct buf;

/* The whole of ${s} as a number from 0 to ${max}; false if it is none. */
bool attrs_value_number(
    const char *s, unsigned base, uint32_t max, uint32_t *ret);

/* A st_mode, or permissions without a type, in octal; false if it is none. */
bool attrs_value_octal_mode(const char *s, uint32_t *ret);

/* The same in decimal; in octal if it starts with a 0, or is no mode in
 * decimal but that of a file, directory or symlink in octal: "100644" is how
 * rclone has it. */
bool attrs_value_mode(const char *s, uint32_t *ret);

/* Seconds, with a fraction or without, as nanoseconds; ${has_unit}: may end
 * in ns, us, ms or s (then, but for s, without a fraction).  False if it is
 * none or does not fit. */
bool attrs_value_time(const char *s, bool has_unit, int64_t *ret);

/**
 * attrs_value_unescape(s, ret, ret_len):
 * ${s} with each %XX as the byte it is.
 * Memory:  ${*ret} is owned by the caller: free(); a '\0' follows it.
 * Returns: 1; 0 a '%' without two hexadecimal digits; -ENOMEM.
 */
int attrs_value_unescape(const char *s, char **ret, size_t *ret_len);

/* Append ${s} to ${b}, all but letters, digits and those in ${plain} as %XX.
 * Returns: 0 or the error of ${b}. */
int attrs_value_escape(struct buf *b, const char *s, const char *plain);

/* Decode ${len} bytes of base64 at ${s}, padded or not, into ${out}, which has
 * room for as many.  Returns: false if it is not base64. */
bool attrs_value_base64(
    const char *s, size_t len, uint8_t *out, size_t *ret_len);

#endif

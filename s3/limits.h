/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.h - the numbers that S3 fixes, each with its source.
 */
#ifndef S3_LIMITS_H
#define S3_LIMITS_H

#include <stdint.h>

/* "Amazon S3 multipart upload limits", User Guide qfacts. */
#define S3_PART_MIN   (UINT64_C(5) << 20) /* all parts but the last */
#define S3_PART_MAX   (UINT64_C(5) << 30)
#define S3_PARTS_MAX  10000
#define S3_OBJECT_MAX (UINT64_C(53687091200000)) /* 48.8 TiB */
#define S3_PUT_MAX    (UINT64_C(5) << 30)
#define S3_COPY_MAX   (UINT64_C(5) << 30) /* CopyObject, in one call */
#define S3_PART_COPY_FROM                                                      \
	(UINT64_C(5) << 20) /* ranges: larger sources only                     \
			     */

/* "Creating object key names", "Working with object metadata". */
#define S3_KEY_MAX  1024 /* bytes of UTF-8 */
#define S3_META_MAX 2048 /* names and values of user metadata */

/* API_ListObjectsV2, API_DeleteObjects. */
#define S3_LIST_MAX   1000
#define S3_DELETE_MAX 1000

/* "Common request headers": how far the clock may be off. */
#define S3_SKEW_MAX_S 900

#endif

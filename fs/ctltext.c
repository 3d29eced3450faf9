/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctltext.c - numbers as pailctl prints them.
 */
#include "fs/ctltext.h"

#include <stdio.h>

const char *
ctltext_size(json_int_t bytes, char text[32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB",
		"PiB" };
	double n = (double)bytes;
	int i = 0;

	for (; n >= 1024 && i < 5; i++)
		n /= 1024;
	(void)snprintf(text, 32, i == 0 ? "%.0f %s" : "%.1f %s", n, units[i]);
	return text;
}

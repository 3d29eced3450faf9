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

/* From 0 to 1. */
static double
share(json_int_t done, json_int_t all)
{
	if (all <= 0 || done <= 0)
		return 0;
	return done >= all ? 1 : (double)done / (double)all;
}

int
ctltext_percent(json_int_t done, json_int_t all)
{
	return (int)(share(done, all) * 100);
}

#define BAR_WIDTH 40

const char *
ctltext_bar(json_int_t done, json_int_t all, char text[CTLTEXT_BAR])
{
	int full = (int)(share(done, all) * BAR_WIDTH);
	char bar[BAR_WIDTH + 1];

	for (int i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < full ? '#' : '-';
	bar[BAR_WIDTH] = '\0';
	(void)snprintf(
	    text, CTLTEXT_BAR, "[%s] %3d%%", bar, ctltext_percent(done, all));
	return text;
}

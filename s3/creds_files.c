/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creds_files.c - credentials and region from the shared files of AWS tools.
 *
 * The profile is the one that was given, that of AWS_PROFILE, or "default".
 * Its keys are in [NAME] of the credentials file, or else in [profile NAME]
 * ([default] for the default one) of the config file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/creds.h"

/* What is looked for in a section.  Owned strings. */
struct profile {
	char *access;
	char *secret;
	char *token;
	char *region;
	bool is_found;
};

static const struct {
	const char *name;
	size_t field;
} fields[] = {
	{ "aws_access_key_id", offsetof(struct profile, access) },
	{ "aws_secret_access_key", offsetof(struct profile, secret) },
	{ "aws_session_token", offsetof(struct profile, token) },
	{ "region", offsetof(struct profile, region) },
};

static void
profile_fini(struct profile *p)
{
	creds_wipe(p->access);
	creds_wipe(p->secret);
	creds_wipe(p->token);
	free(p->region);
	memset(p, 0, sizeof(*p));
}

static char *
trim(char *s)
{
	size_t len;

	s += strspn(s, " \t");
	len = strlen(s);
	while (len > 0 && strchr(" \t\r", s[len - 1]) != NULL)
		s[--len] = '\0';
	return s;
}

static const char *
profile_name(const struct creds_query *q)
{
	const char *s = q->profile;

	if (s == NULL)
		s = getenv("AWS_PROFILE");
	if (s == NULL || s[0] == '\0')
		s = getenv("AWS_DEFAULT_PROFILE");
	return s == NULL || s[0] == '\0' ? "default" : s;
}

/* Is ${line}, "[...]", the head of the section of ${name}? */
static bool
is_section(char *line, const char *name, bool is_config)
{
	char *end = strchr(line, ']');
	char *s;

	if (end == NULL)
		return false;
	*end = '\0';
	s = trim(line + 1);
	if (is_config && strcmp(name, "default") != 0) {
		if (strncmp(s, "profile", 7) != 0 ||
		    (s[7] != ' ' && s[7] != '\t'))
			return false;
		s = trim(s + 7);
	}
	return strcmp(s, name) == 0;
}

static int
take_field(struct profile *p, char *line)
{
	char *value = strchr(line, '=');
	char *name;

	if (value == NULL)
		return 0;
	*value++ = '\0';
	name = trim(line);
	value = trim(value);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		char **to = (char **)(void *)((char *)p + fields[i].field);

		if (strcasecmp(name, fields[i].name) != 0 || *to != NULL ||
		    value[0] == '\0')
			continue;
		*to = strdup(value);
		return *to == NULL ? -ENOMEM : 0;
	}
	return 0;
}

/* Lines that begin with a space belong to a value that is not ours. */
static int
parse(char *text, const char *name, bool is_config, struct profile *p)
{
	bool inside = false;
	char *line;
	int r = 0;

	for (line = strsep(&text, "\n"); line != NULL && r == 0;
	     line = strsep(&text, "\n")) {
		if (line[0] == '#' || line[0] == ';')
			continue;
		if (line[0] == '[') {
			inside = is_section(line, name, is_config);
			p->is_found = p->is_found || inside;
		} else if (inside && line[0] != ' ' && line[0] != '\t') {
			r = take_field(p, line);
		}
	}
	return r;
}

/* Read ${variable}'s file, or ${usual} in the home directory, into ${p}. */
static int
load(const char *variable, const char *usual, const char *name,
    struct profile *p, struct buf *note)
{
	const char *given = getenv(variable);
	AUTO_FREE char *path = given != NULL && given[0] != '\0'
				   ? strdup(given)
				   : creds_home_path(usual);
	char *text = NULL;
	unsigned mode;
	size_t len;
	int r;

	if (path == NULL)
		return 0;
	r = creds_read_file(path, &text, &mode);
	if (r < 0) {
		if (r != -ENOENT && r != -ENOTDIR && note != NULL)
			(void)buf_printf(
			    note, "cannot read %s: %s", path, strerror(-r));
		return r == -ENOMEM ? r : 0;
	}
	len = strlen(text);
	r = parse(text, name, strcmp(usual, ".aws/config") == 0, p);
	explicit_bzero(text, len);
	free(text);
	if (r == 0 && p->secret != NULL && (mode & 077) != 0 && note != NULL)
		(void)buf_printf(note,
		    "others have rights to %s, which holds a secret: run "
		    "chmod 600 on it",
		    path);
	return r;
}

static int
load_both(const struct creds_query *q, struct profile *p, struct buf *note)
{
	const char *name = profile_name(q);
	int r = load(
	    "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", name, p, note);

	if (r == 0)
		r = load("AWS_CONFIG_FILE", ".aws/config", name, p,
		    p->secret == NULL ? note : NULL);
	return r;
}

static int
files_get(const struct creds_query *q, struct creds_keys *ret, struct buf *note)
{
	struct profile p = { 0 };
	int r = load_both(q, &p, note);

	if (r == 0 && p.access != NULL && p.secret != NULL) {
		r = creds_set(ret, p.access, p.secret, p.token);
	} else if (r == 0) {
		r = -ENOENT;
		if (q->profile != NULL) {
			(void)buf_printf(note, "profile %s %s", q->profile,
			    p.is_found ? "has no aws_access_key_id and "
					 "aws_secret_access_key"
				       : "is in neither the credentials nor "
					 "the config file");
			r = -EACCES;
		}
	}
	profile_fini(&p);
	return r;
}

const struct creds_provider creds_files = { "the shared files", files_get };

char *
creds_find_region(const struct creds_query *query)
{
	static const char *const names[] = { "AWS_REGION",
		"AWS_DEFAULT_REGION" };
	struct profile p = { 0 };
	char *region = NULL;

	for (size_t i = 0; query->profile == NULL && i < 2; i++) {
		const char *s = getenv(names[i]);

		if (s != NULL && s[0] != '\0')
			return strdup(s);
	}
	if (load_both(query, &p, NULL) == 0)
		region = TAKE(p.region);
	profile_fini(&p);
	return region;
}

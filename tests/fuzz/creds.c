/* SPDX-License-Identifier: Apache-2.0 */
/*
 * creds.c - files with credentials: the first byte says of which kind.
 */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/base/buf.h"
#include "s3/base/clock.h"
#include "s3/creds.h"

static char path[64];
static int fd;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fd = memfd_create("creds", 0);
	want(fd >= 0 && fchmod(fd, 0600) == 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	(void)unsetenv("AWS_PROFILE");
	(void)unsetenv("AWS_DEFAULT_PROFILE");
	(void)unsetenv("AWS_REGION");
	(void)unsetenv("AWS_DEFAULT_REGION");
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf note = BUF_INIT(8192);
	struct creds_keys keys = { 0 };
	struct creds_query q = { .bucket = "bucket", .clock = &clock_system };
	const struct creds_provider *provider = &creds_files;
	int r;

	if (len == 0)
		return 0;
	want(ftruncate(fd, 0) == 0);
	want(pwrite(fd, data + 1, len - 1, 0) == (ssize_t)len - 1);
	(void)setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
	(void)setenv("AWS_CONFIG_FILE", path, 1);
	if (data[0] % 3 == 0) {
		provider = &creds_passwd;
		q.passwd_file = path;
	} else if (data[0] % 3 == 1) {
		q.profile = "work";
	}
	r = provider->get(&q, &keys, &note);
	if (r == 0)
		want(keys.access != NULL && keys.access[0] != '\0' &&
		     keys.secret != NULL && keys.secret[0] != '\0');
	creds_keys_fini(&keys);
	free(creds_find_region(&q));
	buf_fini(&note);
	return 0;
}

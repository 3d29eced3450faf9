/* SPDX-License-Identifier: Apache-2.0 */
/*
 * s3_client.h - a client of the stub server, and one call of it.
 *
 * Role:    shared by the tests of requests.  One thread.
 */
#ifndef TESTS_UNIT_S3_CLIENT_H
#define TESTS_UNIT_S3_CLIENT_H

#include "tests/unit/unit.h"

#include <stdlib.h>

#include "s3/s3.h"
#include "tests/unit/stub.h"

static struct stub stub;
static struct s3 *s3;
static struct s3_call call;

/* Limits a second; 0: none. */
static struct {
	uint64_t upload;
	uint64_t download;
	unsigned requests;
} client_max;

/* Open the client: its first request, of the bucket, is answered. */
static void
client_open(unsigned timeout_s, bool checksum)
{
	struct s3_config config = { .bucket = "bucket",
		.region = "us-east-1",
		.path_style = 1,
		.timeout_s = timeout_s,
		.connections = 4,
		.max_upload = client_max.upload,
		.max_download = client_max.download,
		.max_requests = client_max.requests,
		.checksum = checksum };
	struct s3_result result;

	(void)setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	(void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	(void)unsetenv("AWS_SESSION_TOKEN");
	(void)unsetenv("AWS_CA_BUNDLE");
	stub_start(&stub);
	stub_add(
	    &stub, STUB_KEEP, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	config.endpoint = stub.url;
	assert_int_equal(s3_open(&config, &s3, &result), 0);
}

static int
client_close(void **state)
{
	(void)state;
	s3_call_fini(&call);
	s3_close(s3);
	(void)stub_stop(&stub);
	return 0;
}

#endif

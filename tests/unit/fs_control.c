/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_control.c - the control socket: what is asked, what is answered.
 *
 * It needs a mount of ours to name the socket after: /proc will do for root.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cache/admin.h"
#include "fs/control.h"
#include "fs/ctlsock.h"
#include "fs/mountinfo.h"
#include "s3/base/wait.h"

#define MOUNT "/proc"

struct fixture {
	struct control *control;
	struct mountinfo info;
	_Atomic int calls;
};

static json_t *
give_status(void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	return json_pack("{s:s}", "state", "mounted");
}

static json_t *
give_odd(void *arg, uint64_t from)
{
	(void)arg;
	if (from > 0)
		return json_array();
	return json_pack("[{s:s, s:s}]", "key", "a//b", "reason", "why");
}

static json_t *
give_conflicts(void *arg, uint64_t from)
{
	(void)arg;
	return json_pack("[{s:I}]", "number", (json_int_t)from + 1);
}

static json_t *
give_drain(void *arg, bool start)
{
	(void)arg;
	return json_pack("{s:b}", "draining", start ? 1 : 0);
}

/* Its progress, and two that stay. */
static int
run_flush(struct cache_key_call *call)
{
	const struct cache_left left = { 1, 2, 3, 4 };
	const struct cache_note notes[] = {
		{ .path = call->key, .what = "file", .text = "why" },
		{ .path = NULL, .what = "name", .text = "so" },
	};
	int r = call->left(call->arg, &left);

	for (int i = 0; r == 0 && i < 2; i++)
		r = call->note(call->arg, &notes[i]);
	call->found = 2;
	return r;
}

/* "big": more than a socket takes; "wait": until interrupted; others fail. */
static int
run_keys(void *arg, enum delivery_kind kind, struct cache_key_call *call,
    struct waiter *w)
{
	const struct cache_upload upload = { .key = "a\xff",
		.upload_id = "id",
		.made_ns = INT64_C(1700000000999999999),
		.is_ours = true };
	static char data[4 << 20];
	int r = 0;

	(void)arg;
	if (kind == DELIVERY_UPLOADS)
		return call->upload(call->arg, &upload);
	if (kind == DELIVERY_FLUSH)
		return run_flush(call);
	if (kind == DELIVERY_KEYS) {
		(void)call->line(call->arg, "\xff", 1, 7);
		return call->line(call->arg, "a\0b", 3, 8);
	}
	if (strcmp(call->key, "small%") == 0)
		return call->bytes(call->arg, "hello", 5);
	while (r == 0 && strcmp(call->key, "big") == 0)
		r = call->bytes(call->arg, data, sizeof(data));
	while (r == 0 && strcmp(call->key, "wait") == 0)
		r = waiter_wait(w, WAIT_FOREVER);
	(void)snprintf(
	    call->message, sizeof(call->message), "%s is not here", call->key);
	return r < 0 ? r : -ENOENT;
}

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct control_hooks hooks = { .arg = f,
		.status = give_status,
		.odd = give_odd,
		.conflicts = give_conflicts,
		.drain = give_drain,
		.keys = run_keys };
	struct control_log log = { .level = LOG_LEVEL_ERROR };
	sigset_t set;

	assert_non_null(f);
	*state = f;
	if (geteuid() != 0)
		return 0; /* the tests skip */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR2);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	assert_int_equal(mountinfo_find(MOUNT, &f->info), 0);
	return control_start(MOUNT, &log, &hooks, &f->control);
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	control_stop(f->control);
	control_free(f->control, 0);
	free(f);
	log_set_level(LOG_LEVEL_WARN);
	return 0;
}

static int
connect_or_skip(struct fixture *f)
{
	int fd;

	if (f->control == NULL)
		skip();
	fd = ctlsock_connect(&f->info);
	assert_true(fd >= 0);
	return fd;
}

/* One line, without its end; "": the other side closed. */
static const char *
read_line(int fd)
{
	static char line[4096];
	size_t n = 0;

	while (n < sizeof(line) - 1 && recv(fd, line + n, 1, 0) == 1 &&
	       line[n] != '\n')
		n++;
	line[n] = '\0';
	return line;
}

static const char *
ask(int fd, const char *text)
{
	assert_int_equal(
	    send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	return read_line(fd);
}

static void
test_commands(void **state)
{
	struct fixture *f = *state;
	int fd = connect_or_skip(f);

	assert_string_equal(
	    ask(fd, "{\"cmd\":\"status\"}\n"), "{\"state\":\"mounted\"}");
	assert_int_equal(f->calls, 1);
	assert_string_equal(ask(fd, "{ \"cmd\": \"odd\" }\n"),
	    "[{\"key\":\"a//b\",\"reason\":\"why\"}]");
	assert_string_equal(ask(fd, "{\"cmd\":\"conflicts\",\"from\":6}\n"),
	    "[{\"number\":7}]");
	assert_string_equal(ask(fd, "{\"cmd\":\"drain\",\"start\":true}\n"),
	    "{\"draining\":true}");
	assert_string_equal(
	    ask(fd, "{\"cmd\":\"drain\"}\n"), "{\"draining\":false}");
	(void)close(fd);
}

static void
test_log_level(void **state)
{
	struct fixture *f = *state;
	int fd = connect_or_skip(f);

	assert_string_equal(
	    ask(fd, "{\"cmd\":\"log_level\",\"level\":\"info\"}\n"),
	    "{\"level\":\"info\"}");
	assert_true(log_is_enabled(LOG_LEVEL_INFO));
	assert_false(log_is_enabled(LOG_LEVEL_DEBUG));
	assert_non_null(
	    strstr(ask(fd, "{\"cmd\":\"log_level\",\"level\":\"x\"}\n"),
		"error, warning, info or debug"));
	assert_non_null(strstr(ask(fd, "{\"cmd\":\"log_level\"}\n"), "error"));
	(void)close(fd);
}

/* SIGUSR2: debug messages on, and off again to what was set. */
static void
test_signal(void **state)
{
	const struct timespec pause = { 0, 10000000 };
	struct fixture *f = *state;

	if (f->control == NULL)
		skip();
	for (int on = 1; on >= 0; on--) {
		assert_int_equal(kill(getpid(), SIGUSR2), 0);
		for (int i = 0; i < 500; i++) {
			if (log_is_enabled(LOG_LEVEL_DEBUG) == on)
				break;
			(void)nanosleep(&pause, NULL);
		}
		assert_int_equal(log_is_enabled(LOG_LEVEL_DEBUG), on);
	}
	assert_false(log_is_enabled(LOG_LEVEL_WARN));
}

/* None of it ends the daemon; the next question is answered. */
static void
test_nonsense(void **state)
{
	static const char *const lines[] = { "\n", "{}\n", "status\n", "[1]\n",
		"{\"cmd\":7}\n", "{\"cmd\":\"no such\"}\n", "{\"cmd\":\n",
		"\xff\xfe\n", "{\"cmd\":\"status\",\"cmd\":\"x\"}\n" };
	struct fixture *f = *state;
	int fd = connect_or_skip(f);

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_non_null(strstr(ask(fd, lines[i]), "\"error\""));
	assert_non_null(strstr(ask(fd, "{\"cmd\":\"status\"}\n"), "mounted"));
	(void)close(fd);
}

static void
test_endless_line(void **state)
{
	struct fixture *f = *state;
	int fd = connect_or_skip(f);
	char text[8192];

	memset(text, ' ', sizeof(text));
	(void)send(fd, text, sizeof(text), MSG_NOSIGNAL); /* may be cut */
	assert_string_equal(read_line(fd), "");
	(void)close(fd);
	fd = connect_or_skip(f);
	assert_non_null(strstr(ask(fd, "{\"cmd\":\"status\"}\n"), "mounted"));
	(void)close(fd);
}

static void
test_pieces(void **state)
{
	struct fixture *f = *state;
	const struct timespec pause = { 0, 20000000 };
	int fd = connect_or_skip(f);

	assert_int_equal(send(fd, "{\"cmd\":", 7, MSG_NOSIGNAL), 7);
	(void)nanosleep(&pause, NULL);
	assert_non_null(strstr(ask(fd, "\"status\"}\n"), "mounted"));
	(void)close(fd);
}

/* Two questions in one piece, and half of a third. */
static void
test_together(void **state)
{
	static const char one[] = "{\"cmd\":\"status\"}\n";
	struct fixture *f = *state;
	int fd = connect_or_skip(f);
	char text[64];

	(void)snprintf(text, sizeof(text), "%s%s {\"cmd\":", one, one);
	assert_non_null(strstr(ask(fd, text), "mounted"));
	assert_non_null(strstr(read_line(fd), "mounted"));
	assert_non_null(strstr(ask(fd, "\"odd\"}\n"), "a//b"));
	(void)close(fd);
}

static void
test_a_key(void **state)
{
	struct fixture *f = *state;
	int fd = connect_or_skip(f);
	char bytes[5];

	assert_string_equal(
	    ask(fd, "{\"cmd\":\"get\",\"key\":\"%73mall%25\"}\n"),
	    "{\"len\":5}");
	assert_int_equal(recv(fd, bytes, 5, MSG_WAITALL), 5);
	assert_memory_equal(bytes, "hello", 5);
	assert_string_equal(read_line(fd), "{\"done\":true}");
	assert_string_equal(read_line(fd), "");
	(void)close(fd);
	fd = connect_or_skip(f);
	assert_string_equal(ask(fd, "{\"cmd\":\"get\",\"key\":\"none\"}\n"),
	    "{\"error\":\"none is not here\"}");
	assert_string_equal(read_line(fd), "");
	(void)close(fd);
	/* The message is no UTF-8. */
	fd = connect_or_skip(f);
	assert_non_null(
	    strstr(ask(fd, "{\"cmd\":\"get\",\"key\":\"%ff\"}\n"), "error"));
	(void)close(fd);
	/* What is no key; the connection stays. */
	fd = connect_or_skip(f);
	assert_non_null(
	    strstr(ask(fd, "{\"cmd\":\"get\",\"key\":\"%\"}\n"), "error"));
	assert_non_null(strstr(ask(fd, "{\"cmd\":\"get\"}\n"), "error"));
	assert_non_null(strstr(ask(fd, "{\"cmd\":\"status\"}\n"), "mounted"));
	(void)close(fd);
}

static void
test_keys(void **state)
{
	struct fixture *f = *state;
	int fd = connect_or_skip(f);

	assert_string_equal(ask(fd, "{\"cmd\":\"keys\",\"key\":\"\"}\n"),
	    "[{\"key\":null,\"text\":\"%FF\",\"size\":7},"
	    "{\"key\":null,\"text\":\"a%00b\",\"size\":8}]");
	assert_string_equal(read_line(fd), "{\"done\":true}");
	(void)close(fd);
}

static void
test_uploads(void **state)
{
	struct fixture *f = *state;
	int fd = connect_or_skip(f);

	assert_string_equal(ask(fd, "{\"cmd\":\"uploads\"}\n"),
	    "[{\"key\":null,\"text\":\"a%FF\",\"id\":\"id\","
	    "\"made\":1700000000,\"ours\":true}]");
	assert_string_equal(read_line(fd), "{\"done\":true}");
	(void)close(fd);
}

static void
test_flush(void **state)
{
	struct fixture *f = *state;
	int fd = connect_or_skip(f);

	assert_string_equal(ask(fd, "{\"cmd\":\"flush\",\"key\":\"d/%ff\"}\n"),
	    "{\"files\":1,\"bytes\":2,\"names\":3,\"attrs\":4}");
	assert_string_equal(read_line(fd),
	    "[{\"key\":null,\"text\":\"d/%FF\",\"what\":\"file\","
	    "\"why\":\"why\"},{\"key\":\"\",\"text\":\"\","
	    "\"what\":\"name\",\"why\":\"so\"}]");
	assert_string_equal(
	    read_line(fd), "{\"done\":true,\"found\":2,\"mended\":0}");
	(void)close(fd);
}

/* Readers that do not read, and an S3 that does not answer: commands are
 * answered, there is a limit, and the end comes. */
static void
test_deliveries_that_hang(void **state)
{
	static const char big[] = "{\"cmd\":\"get\",\"key\":\"big\"}\n";
	static const char hang[] = "{\"cmd\":\"get\",\"key\":\"wait\"}\n";
	struct fixture *f = *state;
	int fds[DELIVERIES_MAX], fd;

	for (int i = 0; i < DELIVERIES_MAX; i++) {
		const char *line = i % 2 == 0 ? big : hang;

		fds[i] = connect_or_skip(f);
		assert_int_equal(send(fds[i], line, strlen(line), MSG_NOSIGNAL),
		    strlen(line));
	}
	assert_non_null(strstr(read_line(fds[0]), "len"));
	assert_non_null(strstr(read_line(fds[2]), "len"));
	fd = connect_or_skip(f);
	assert_non_null(strstr(ask(fd, "{\"cmd\":\"status\"}\n"), "mounted"));
	assert_non_null(strstr(ask(fd, hang), "too many"));
	/* One that goes makes room. */
	(void)close(fds[0]);
	for (int i = 0; i < 500 && f->calls < 2; i++) {
		const struct timespec pause = { 0, 10000000 };

		(void)nanosleep(&pause, NULL);
		if (strstr(ask(fd, "{\"cmd\":\"keys\",\"key\":\"\"}\n"),
			"too many") == NULL)
			f->calls = 2;
	}
	assert_int_equal(f->calls, 2);
	(void)close(fd);
	control_stop(f->control);
	control_free(f->control, 0);
	f->control = NULL;
	for (int i = 1; i < DELIVERIES_MAX; i++)
		(void)close(fds[i]);
}

/* Who waits for the end is told how it was. */
static void
test_wait(void **state)
{
	struct fixture *f = *state;
	int fd = connect_or_skip(f);

	assert_string_equal(
	    ask(fd, "{\"cmd\":\"wait\"}\n"), "{\"waiting\":true}");
	control_stop(f->control);
	control_tell(f->control, json_pack("{s:i}", "left", 2));
	assert_string_equal(read_line(fd), "{\"left\":2}");
	control_free(f->control, 3);
	f->control = NULL;
	assert_string_equal(read_line(fd), "{\"status\":3}");
	assert_string_equal(read_line(fd), "");
	(void)close(fd);
	assert_int_equal(ctlsock_connect(&f->info), -ECONNREFUSED);
}

/* Nobody but its user may even reach it; one left behind is no hindrance. */
static void
test_the_socket(void **state)
{
	struct fixture *f = *state;
	char path[CTLSOCK_PATH_MAX];
	struct stat st;
	int fd;

	if (f->control == NULL)
		skip();
	fd = ctlsock_listen(&f->info, path);
	assert_true(fd >= 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	*strrchr(path, '/') = '\0';
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	(void)close(fd);
}

/* What a process of user ${uid} is answered on the socket ${path}: how many
 * bytes; 255 if it cannot even connect. */
static int
bytes_for(const char *path, uid_t uid)
{
	static const char line[] = "{\"cmd\":\"status\"}\n";
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int handle = open(path, O_PATH | O_CLOEXEC), status, fd;
	pid_t pid = fork();

	assert_true(handle >= 0 && pid >= 0);
	if (pid == 0) {
		/* Past the folder, which nobody else may enter. */
		(void)snprintf(to.sun_path, sizeof(to.sun_path),
		    "/proc/self/fd/%d", handle);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (setgid(uid) < 0 || setuid(uid) < 0 ||
		    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
			_exit(255);
		(void)send(fd, line, strlen(line), MSG_NOSIGNAL);
		_exit((int)strlen(read_line(fd)));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(handle);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Even where the files would let him in: it is asked who he is. */
static void
test_another_user(void **state)
{
	struct fixture *f = *state;
	char path[CTLSOCK_PATH_MAX];

	if (f->control == NULL)
		skip();
	(void)snprintf(path, sizeof(path), "/run/pailfs/%u:%u.sock",
	    f->info.major, f->info.minor);
	assert_int_equal(bytes_for(path, 65534), 255);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(bytes_for(path, 65534), 0);
	assert_int_equal(f->calls, 0);
	assert_int_equal(bytes_for(path, 0), strlen("{\"state\":\"mounted\"}"));
	assert_int_equal(f->calls, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_commands),
		TEST(test_log_level),
		TEST(test_signal),
		TEST(test_nonsense),
		TEST(test_endless_line),
		TEST(test_pieces),
		TEST(test_together),
		TEST(test_a_key),
		TEST(test_keys),
		TEST(test_uploads),
		TEST(test_flush),
		TEST(test_deliveries_that_hang),
		TEST(test_wait),
		TEST(test_the_socket),
		TEST(test_another_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

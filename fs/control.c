/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - the control socket of a mount.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/control.h"
#include "fs/ctlline.h"
#include "fs/ctlsock.h"
#include "fs/delivery.h"
#include "fs/keytext.h"
#include "fs/mountinfo.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

#define CLIENTS_MAX 16
#define LINE_SIZE   4096 /* of a request, and a key in it */

struct client {
	int fd; /* -1: free */
	bool is_waiting;
	char line[LINE_SIZE];
	size_t len;
};

struct control {
	struct control_log log;
	struct control_hooks hooks;
	struct deliveries *deliveries;
	pthread_t thread;
	int listen_fd;
	int signal_fd;
	int stop_fd; /* eventfd */
	struct client clients[CLIENTS_MAX];
	bool is_debug;
	char path[CTLSOCK_PATH_MAX]; /* of the socket, to unlink */
	ino_t path_ino;              /* what it is, while it is ours */
};

/* One line of JSON; takes the reference.  If the client is gone, poll says so
 * next. */
static void
answer(struct client *client, json_t *value)
{
	if (value == NULL)
		value = json_pack("{s:s}", "error", "out of memory");
	(void)ctlline_send_json(client->fd, value);
}

static void
drop(struct client *client)
{
	(void)close(client->fd);
	client->fd = -1;
	client->len = 0;
	client->is_waiting = false;
}

static json_t *
error_of(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

/* The commands, one table. */
static json_t *
do_status(struct control *c, struct client *client, json_t *request)
{
	(void)client, (void)request;
	return c->hooks.status(c->hooks.arg);
}

/* Where a page begins. */
static uint64_t
from_of(json_t *request)
{
	json_int_t from = json_integer_value(json_object_get(request, "from"));

	return from < 0 ? 0 : (uint64_t)from;
}

static json_t *
do_odd(struct control *c, struct client *client, json_t *request)
{
	(void)client;
	return c->hooks.odd(c->hooks.arg, from_of(request));
}

static json_t *
do_conflicts(struct control *c, struct client *client, json_t *request)
{
	(void)client;
	return c->hooks.conflicts(c->hooks.arg, from_of(request));
}

static json_t *
do_drain(struct control *c, struct client *client, json_t *request)
{
	(void)client;
	return c->hooks.drain(
	    c->hooks.arg, json_is_true(json_object_get(request, "start")));
}

static json_t *
do_remount(struct control *c, struct client *client, json_t *request)
{
	const char *source =
	    json_string_value(json_object_get(request, "source"));
	const char *options =
	    json_string_value(json_object_get(request, "options"));
	char why[LINE_SIZE] = "what is to be remounted?";

	(void)client;
	if (source == NULL || options == NULL ||
	    c->hooks.remount(c->hooks.arg, source, options, why, sizeof(why)) <
		0)
		return error_of(why);
	return json_pack("{s:b}", "remount", 1);
}

static json_t *
do_wait(struct control *c, struct client *client, json_t *request)
{
	(void)c, (void)request;
	client->is_waiting = true;
	return json_pack("{s:b}", "waiting", 1);
}

static json_t *
do_log_level(struct control *c, struct client *client, json_t *request)
{
	static const char *const words[] = { [LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARN] = "warning",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug" };
	const char *want = json_string_value(json_object_get(request, "level"));

	(void)client;
	for (int i = LOG_LEVEL_ERROR; want && i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(words[i], want) != 0)
			continue;
		log_set_level((enum log_level)i);
		c->is_debug = i == LOG_LEVEL_DEBUG;
		if (!c->is_debug)
			c->log.level = (enum log_level)i;
		return json_pack("{s:s}", "level", want);
	}
	return error_of("the level must be error, warning, info or debug");
}

/* What comes from S3: the connection goes to who waits for it. */
static json_t *
deliver(struct control *c, struct client *client, json_t *request,
    enum delivery_kind kind)
{
	const char *text = json_string_value(json_object_get(request, "key"));
	struct buf key = BUF_INIT(KEYTEXT_KEY_MAX);
	json_t *error = NULL;
	int r = kind == DELIVERY_UPLOADS ? 0 : -EINVAL;

	if (text != NULL)
		r = keytext_unquote(text, &key);
	if (r == 0)
		r = delivery_start(c->deliveries, client->fd, kind, &key);
	buf_fini(&key);
	if (r == 0)
		client->fd = -1;
	else if (r == -EOVERFLOW)
		error = error_of("a key has at most 1024 bytes");
	else if (r == -EINVAL)
		error = error_of("no such key can be: in it % needs two hex "
				 "digits, which are not 00");
	else
		error = error_of(r == -EBUSY ? "too many ask at a time: try "
					       "again later"
					     : strerror(-r));
	return error;
}

static json_t *
do_fsck(struct control *c, struct client *client, json_t *request)
{
	return deliver(c, client, request,
	    json_is_true(json_object_get(request, "repair")) ? DELIVERY_REPAIR
							     : DELIVERY_CHECK);
}

static const struct {
	const char *name;
	json_t *(*run)(
	    struct control *c, struct client *client, json_t *request);
	enum delivery_kind kind; /* run NULL: what comes from S3 */
} commands[] = {
	{ "status", .run = do_status },
	{ "odd", .run = do_odd },
	{ "conflicts", .run = do_conflicts },
	{ "drain", .run = do_drain },
	{ "get", .kind = DELIVERY_GET },
	{ "keys", .kind = DELIVERY_KEYS },
	{ "uploads", .kind = DELIVERY_UPLOADS },
	{ "flush", .kind = DELIVERY_FLUSH },
	{ "drop", .kind = DELIVERY_DROP },
	{ "warm", .kind = DELIVERY_WARM },
	{ "evict", .kind = DELIVERY_EVICT },
	{ "remount", .run = do_remount },
	{ "fsck", .run = do_fsck },
	{ "wait", .run = do_wait },
	{ "log_level", .run = do_log_level },
};

/* ${line}, and answer it, unless the connection went to who does. */
static void
run_line(struct control *c, struct client *client, const char *line)
{
	json_t *request = json_loads(line, 0, NULL), *result = NULL;
	const char *name = json_string_value(json_object_get(request, "cmd"));
	bool is_known = false;

	for (size_t i = 0; name != NULL && !is_known &&
			   i < sizeof(commands) / sizeof(commands[0]);
	     i++) {
		is_known = strcmp(commands[i].name, name) == 0;
		if (is_known && commands[i].run == NULL)
			result = deliver(c, client, request, commands[i].kind);
		else if (is_known)
			result = commands[i].run(c, client, request);
	}
	json_decref(request);
	if (!is_known)
		result = error_of("unknown command");
	if (client->fd >= 0)
		answer(client, result);
}

static void
read_client(struct control *c, struct client *client)
{
	size_t room = LINE_SIZE - 1 - client->len;
	ssize_t n = recv(client->fd, client->line + client->len, room, 0);
	char *line = client->line, *end;

	if (n <= 0 || client->is_waiting) {
		drop(client);
		return;
	}
	client->len += (size_t)n;
	client->line[client->len] = '\0';
	while (client->fd >= 0 && (end = strchr(line, '\n')) != NULL) {
		*end = '\0';
		run_line(c, client, line);
		line = end + 1;
	}
	if (client->fd < 0) { /* it was given away */
		client->len = 0;
		return;
	}
	client->len -= (size_t)(line - client->line);
	memmove(client->line, line, client->len);
	if (client->len == LINE_SIZE - 1)
		drop(client); /* no request is that long */
}

/* Owner and root only. */
static bool
is_allowed(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return false;
	return who.uid == 0 || who.uid == geteuid();
}

static void
accept_client(struct control *c)
{
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct timeval patience = { .tv_sec = 5 };

	if (fd < 0)
		return; /* it went away again */
	(void)setsockopt(
	    fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	for (int i = 0; is_allowed(fd) && i < CLIENTS_MAX; i++) {
		if (c->clients[i].fd < 0) {
			c->clients[i].fd = fd;
			return;
		}
	}
	(void)close(fd);
}

static void
take_signal(struct control *c)
{
	struct signalfd_siginfo info;

	if (read(c->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR2) {
		c->is_debug = !c->is_debug;
		log_set_level(c->is_debug ? LOG_LEVEL_DEBUG : c->log.level);
	} else if (c->log.file != NULL && log_open(c->log.file) < 0) {
		log_error("cannot open the log file '%s' again", c->log.file);
	}
}

static void *
run(void *arg)
{
	struct control *c = arg;

	for (;;) {
		struct pollfd fds[3 + CLIENTS_MAX] = {
			{ .fd = c->stop_fd, .events = POLLIN },
			{ .fd = c->signal_fd, .events = POLLIN },
			{ .fd = c->listen_fd, .events = POLLIN },
		};

		for (int i = 0; i < CLIENTS_MAX; i++) {
			fds[3 + i].fd = c->clients[i].fd;
			fds[3 + i].events = POLLIN;
		}
		if (poll(fds, 3 + CLIENTS_MAX, -1) < 0)
			continue;
		if (fds[0].revents != 0)
			return NULL;
		if (fds[1].revents != 0)
			take_signal(c);
		if (fds[2].revents != 0)
			accept_client(c);
		for (int i = 0; i < CLIENTS_MAX; i++) {
			if (fds[3 + i].fd >= 0 && fds[3 + i].revents != 0)
				read_client(c, &c->clients[i]);
		}
	}
}

static int
listen_on(struct control *c, const char *mountpoint)
{
	struct mountinfo info;
	struct stat st;
	int r = mountinfo_find(mountpoint, &info);

	if (r == 0)
		r = ctlsock_listen(&info, c->path);
	if (r >= 0 && lstat(c->path, &st) == 0)
		c->path_ino = st.st_ino;
	return r;
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void
control_tell(struct control *c, json_t *value)
{
	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &c->clients[i];

		if (client->fd >= 0 && client->is_waiting)
			answer(client, json_incref(value));
	}
	json_decref(value);
}

void
control_free(struct control *c, int status)
{
	if (c == NULL)
		return;
	deliveries_free(c->deliveries);
	control_tell(c, json_pack("{s:i}", "status", status));
	for (int i = 0; i < CLIENTS_MAX; i++) {
		if (c->clients[i].fd >= 0)
			drop(&c->clients[i]);
	}
	close_fd(&c->listen_fd);
	close_fd(&c->signal_fd);
	close_fd(&c->stop_fd);
	free(c);
}

int
control_start(const char *mountpoint, const struct control_log *log,
    const struct control_hooks *hooks, struct control **ret)
{
	struct control *c = calloc(1, sizeof(*c));
	sigset_t set;
	int r;

	if (c == NULL)
		return -ENOMEM;
	c->log = *log;
	c->hooks = *hooks;
	for (int i = 0; i < CLIENTS_MAX; i++)
		c->clients[i].fd = -1;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR2);
	c->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	c->listen_fd = listen_on(c, mountpoint);
	r = c->listen_fd < 0 ? c->listen_fd : 0;
	if (r == 0 && (c->signal_fd < 0 || c->stop_fd < 0))
		r = -EMFILE;
	if (r == 0)
		r = deliveries_new(hooks->keys, hooks->arg, &c->deliveries);
	if (r == 0)
		r = -pthread_create(&c->thread, NULL, run, c);
	if (r < 0) {
		control_free(c, 1);
		return r;
	}
	*ret = c;
	return 0;
}

/* The mount is gone, and its number: another mount may have taken it, and
 * with it the path, already. */
static void
unlink_socket(struct control *c)
{
	struct stat st;

	if (lstat(c->path, &st) == 0 && st.st_ino == c->path_ino)
		(void)unlink(c->path); /* a stale one does no harm */
}

void
control_stop(struct control *c)
{
	if (c == NULL)
		return;
	(void)eventfd_write(c->stop_fd, 1);  /* cannot overflow */
	(void)pthread_join(c->thread, NULL); /* it exists */
	deliveries_free(c->deliveries);
	c->deliveries = NULL;
	unlink_socket(c);
	close_fd(&c->listen_fd);
}

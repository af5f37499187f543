/*
 * Drives libpurple, the library inside Pidgin, without a window.
 *
 *   driver FOLDER JID SERVER PORT SECURITY            sign in
 *   driver FOLDER JID SERVER PORT SECURITY --change   sign in, then "Change Password..." of the account's menu
 *
 * The password is the first line of standard input; with --change the new password is the second line
 * and what is typed into "again" is the third. SECURITY is "require_tls" (STARTTLS) or "old_ssl".
 * Each thing that happens is one JSON line on standard output. A certificate question is reported and
 * answered with "reject", as a careful person would.
 * Exit code: 0 done as asked, 1 refused or failed, 2 wrong use, 3 out of time.
 */
#include <glib.h>
#include <purple.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_SECONDS 30

static GMainLoop *loop;
static PurpleAccount *account;
static char *new_password;
static char *again;
static gboolean change;
static int exit_code = 1;

/* JSON string of text, with the characters escaped that must be. */
static void print_json(const char *event, const char *detail)
{
	printf("{\"event\":\"%s\",\"detail\":\"", event);
	for (const char *c = detail ? detail : ""; *c; c++) {
		if (*c == '"' || *c == '\\')
			printf("\\%c", *c);
		else if ((unsigned char)*c < 0x20)
			putchar(' ');
		else
			putchar(*c);
	}
	printf("\"}\n");
	fflush(stdout);
}

static void finish(int code)
{
	exit_code = code;
	g_main_loop_quit(loop);
}

static gboolean out_of_time(gpointer unused)
{
	(void)unused;
	print_json("timeout", NULL);
	finish(3);
	return FALSE;
}

/* ---- the event loop, on GLib ---- */

typedef struct {
	PurpleInputFunction function;
	gpointer data;
} Watch;

static gboolean watch_ready(GIOChannel *source, GIOCondition condition, gpointer data)
{
	Watch *watch = data;
	PurpleInputCondition purple = 0;
	if (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR))
		purple |= PURPLE_INPUT_READ;
	if (condition & (G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL))
		purple |= PURPLE_INPUT_WRITE;
	watch->function(watch->data, g_io_channel_unix_get_fd(source), purple);
	return TRUE;
}

static guint watch_add(gint fd, PurpleInputCondition condition, PurpleInputFunction function, gpointer data)
{
	Watch *watch = g_new0(Watch, 1);
	GIOCondition wanted = 0;
	watch->function = function;
	watch->data = data;
	if (condition & PURPLE_INPUT_READ)
		wanted |= G_IO_IN | G_IO_HUP | G_IO_ERR;
	if (condition & PURPLE_INPUT_WRITE)
		wanted |= G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL;
	GIOChannel *channel = g_io_channel_unix_new(fd);
	guint id = g_io_add_watch_full(channel, G_PRIORITY_DEFAULT, wanted, watch_ready, watch, g_free);
	g_io_channel_unref(channel);
	return id;
}

static PurpleEventLoopUiOps event_loop_operations = {
	g_timeout_add, g_source_remove, watch_add, g_source_remove, NULL, g_timeout_add_seconds, NULL, NULL, NULL
};

/* ---- what Pidgin would show in a window ---- */

static void *notify_message(PurpleNotifyMsgType type, const char *title, const char *primary, const char *secondary)
{
	char *text = g_strdup_printf("%s%s%s", primary ? primary : title, secondary ? ": " : "", secondary ? secondary : "");
	if (type == PURPLE_NOTIFY_MSG_ERROR) {
		print_json("error", text);
		if (change)
			finish(1);
	} else {
		print_json("message", text);
		if (change && primary && strstr(primary, "Password Changed"))
			finish(0);
	}
	g_free(text);
	return NULL;
}

static PurpleNotifyUiOps notify_operations = { .notify_message = notify_message };

/* The question about a certificate arrives here; so would any other question. */
static void *request_action(const char *title, const char *primary, const char *secondary, int default_action,
                            PurpleAccount *who, const char *name, PurpleConversation *conversation, void *data,
                            size_t count, va_list actions)
{
	(void)default_action, (void)who, (void)name, (void)conversation;
	char *text = g_strdup_printf("%s %s", primary ? primary : (title ? title : ""), secondary ? secondary : "");
	print_json("question", text);
	g_free(text);
	PurpleRequestActionCb last = NULL;
	for (size_t i = 0; i < count; i++) {
		(void)va_arg(actions, char *);
		last = va_arg(actions, PurpleRequestActionCb);
	}
	/* libpurple puts "Reject" last. */
	if (last)
		last(data, (int)count - 1);
	return NULL;
}

/* The form of "Change Password...": filled in as a person would, then "OK". */
static void *request_fields(const char *title, const char *primary, const char *secondary, PurpleRequestFields *fields,
                            const char *ok_text, GCallback ok, const char *cancel_text, GCallback cancel,
                            PurpleAccount *who, const char *name, PurpleConversation *conversation, void *data)
{
	(void)secondary, (void)ok_text, (void)cancel_text, (void)cancel, (void)who, (void)name, (void)conversation;
	print_json("form", primary ? primary : title);
	if (!purple_request_fields_exists(fields, "password1"))
		return NULL;
	purple_request_field_string_set_value(purple_request_fields_get_field(fields, "password1"), new_password);
	purple_request_field_string_set_value(purple_request_fields_get_field(fields, "password2"), again);
	((PurpleRequestFieldsCb)ok)(data, fields);
	return NULL;
}

static PurpleRequestUiOps request_operations = {
	.request_action = request_action,
	.request_fields = request_fields,
};


static void disconnected(PurpleConnection *connection, PurpleConnectionError reason, const char *text)
{
	(void)connection;
	char *detail = g_strdup_printf("%d %s", reason, text ? text : "");
	print_json("disconnected", detail);
	g_free(detail);
	finish(1);
}

static PurpleConnectionUiOps connection_operations = { .report_disconnect_reason = disconnected };

static void signed_on(PurpleConnection *connection, gpointer unused)
{
	(void)unused;
	print_json("signed-on", purple_account_get_username(purple_connection_get_account(connection)));
	if (!change) {
		finish(0);
		return;
	}
	PurplePlugin *protocol = purple_connection_get_prpl(connection);
	GList *actions = PURPLE_PLUGIN_ACTIONS(protocol, connection);
	for (GList *item = actions; item; item = item->next) {
		PurplePluginAction *action = item->data;
		if (action && action->label && strstr(action->label, "Change Password")) {
			action->plugin = protocol;
			action->context = connection;
			action->callback(action);
			return;
		}
	}
	print_json("error", "the account has no menu entry to change its password");
	finish(1);
}

static char *read_line(void)
{
	char line[4096];
	if (!fgets(line, sizeof line, stdin))
		return NULL;
	line[strcspn(line, "\n")] = 0;
	return g_strdup(line);
}

int main(int argc, char **argv)
{
	if (argc < 6) {
		fprintf(stderr, "usage: driver FOLDER JID SERVER PORT SECURITY [--change]\n");
		return 2;
	}
	change = argc > 6 && strcmp(argv[6], "--change") == 0;
	char *password = read_line();
	if (change) {
		new_password = read_line();
		again = read_line();
	}
	if (!password || (change && (!new_password || !again)))
		return 2;
	signal(SIGPIPE, SIG_IGN);

	loop = g_main_loop_new(NULL, FALSE);
	purple_util_set_user_dir(argv[1]);
	purple_debug_set_enabled(g_getenv("PURPLE_DEBUG") != NULL);
	purple_eventloop_set_ui_ops(&event_loop_operations);
	purple_notify_set_ui_ops(&notify_operations);
	purple_request_set_ui_ops(&request_operations);
	purple_connections_set_ui_ops(&connection_operations);
	if (!purple_core_init("conclave-test")) {
		fprintf(stderr, "libpurple did not start\n");
		return 2;
	}
	purple_set_blist(purple_blist_new());

	char *jid = g_strdup_printf("%s/purple", argv[2]);
	account = purple_account_new(jid, "prpl-jabber");
	purple_account_set_password(account, password);
	purple_account_set_string(account, "connect_server", argv[3]);
	purple_account_set_int(account, "port", atoi(argv[4]));
	purple_account_set_string(account, "connection_security", argv[5]);
	purple_account_set_enabled(account, "conclave-test", TRUE);

	static int handle;
	purple_signal_connect(purple_connections_get_handle(), "signed-on", &handle, PURPLE_CALLBACK(signed_on), NULL);
	purple_savedstatus_activate(purple_savedstatus_new(NULL, PURPLE_STATUS_AVAILABLE));
	purple_account_connect(account);
	g_timeout_add_seconds(TIMEOUT_SECONDS, out_of_time, NULL);
	g_main_loop_run(loop);
	return exit_code;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd - sixtap, the command: global options, help, and the way to a subcommand
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cmd/ascii.h"
#include "ctl/paths.h"
#include "kern/netns.h"

enum {
	OPT_JSON = 0x1000,
	OPT_COLOR,
	OPT_NETNS,
	OPT_RUN_DIR,
	OPT_STATE_DIR,
	OPT_HELP,
	OPT_VERSION,
};

#define GLOBAL_SHORT "c:qvh"

static const struct option global_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "color", required_argument, NULL, OPT_COLOR },
	{ "netns", required_argument, NULL, OPT_NETNS },
	{ "run-dir", required_argument, NULL, OPT_RUN_DIR },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

static const char global_help[] =
	"  -c, --config PATH   a YAML file or a folder of *.yaml (default /etc/sixtap)\n"
	"      --json          one JSON object on stdout, errors included\n"
	"  -q, --quiet         print only what went wrong\n"
	"  -v, --verbose       print more\n"
	"      --color WHEN    auto, always or never\n"
	"      --netns WHICH   work in another network namespace: its name, or a process id\n"
	"      --run-dir DIR   of the daemon (default: /run/sixtap, one below it for each namespace)\n"
	"      --state-dir DIR where leases are kept (default: /var/lib/sixtap, likewise)\n"
	"      --help, --version\n";

static const struct cmd_info commands[] = {
	{ "init", NULL, cmd_init, "init [nat|macvtap IFACE]", "write a first configuration for this host, with comments", NULL },
	{ "check", NULL, cmd_check, "check", "validate the configuration; needs no privilege", NULL },
	{ "plan", NULL, cmd_plan, "plan [NETWORK…]", "print what `up` would change, and why",
	  "      --check         exit 1 when there is something to change\n"
	  "      --full          list like changes one by one\n" },
	{ "up", "apply", cmd_up, "up [NETWORK…]", "bring networks to the state the configuration asks for",
	  "      --no-wait       do not wait until the networks are ready\n"
	  "      --autostart     only networks that say `autostart: yes`; what the unit does at boot\n"
	  "      --full          list like changes one by one\n"
	  "      --confirm SECONDS  put everything back, unless `sixtap confirm` follows in time\n" },
	{ "confirm", NULL, cmd_confirm, "confirm", "keep what `up --confirm` did", NULL },
	{ "down", NULL, cmd_down, "down [NETWORK…]", "take networks down; without names: all, and the daemon ends", NULL },
	{ "status", NULL, cmd_status, "status [NETWORK]", "networks, guests, addresses, forwards, health", NULL },
	{ "map", NULL, cmd_map, "map", "draw the host as a tree: uplinks, networks, guests",
	  "      --svg FILE      draw a picture instead (-: on stdout)\n"
	  "      --full          show every guest and every address\n" },
	{ "doctor", NULL, cmd_doctor, "doctor [SUBJECT…] | --explain ID | --compare FILE FILE",
	  "find what is wrong with the host's and guests' networks, and mend it",
	  "      --fix[=WAY]     mend what can be mended safely, look again, take back what didn't help\n"
	  "      --probe         also send a few packets, and measure instead of deducing\n"
	  "      --full          tell like findings one by one\n"
	  "      --save FILE     write the state of the host that was judged to a file (-: on stdout)\n"
	  "      --from FILE     judge such a file instead of this host\n"
	  "      --compare       what differs between two such files\n"
	  "      --explain ID    the page of a fault, as in sixtap-doctor(7); list: all ids\n" },
	{ "path", NULL, cmd_path, "path FROM TO [PORT[/udp]]", "walk a packet and its answer through the host, and say where it ends",
	  "      --ipv4          only IPv4\n"
	  "      --ipv6          only IPv6\n"
	  "      --from FILE     in the state that `doctor --save` wrote, instead of this host's\n" },
	{ "run", NULL, cmd_run, "run NETWORK [OPTIONS] -- QEMU ARGS…", "run QEMU with one more NIC, on NETWORK",
	  "      --name N        the guest's name (default: QEMU's -name)\n"
	  "      --mac M         its MAC address (default: the declared, or a stable one)\n"
	  "      --ipv4 A, --ipv6 A  its addresses, besides the declared ones\n"
	  "      --forward F     a port forward while it runs, HOSTPORT:GUESTPORT[/udp]; may be repeated\n"
	  "      --queues N      queue pairs (default 1)\n"
	  "      --device MODEL,OPTS  the NIC's model (default virtio-net-pci)\n"
	  "      --id ID         the NIC's id in QEMU (default sixtap0, sixtap1, …)\n"
	  "      --no-monitor    do not give QEMU a monitor socket of ours\n"
	  "      --dry-run       print QEMU's command line, change nothing\n" },
	{ "forward", NULL, cmd_forward, "forward list | add NETWORK/GUEST SPEC | del NETWORK/GUEST SPEC",
	  "port forwards, live: HOSTPORT:GUESTPORT[/udp]",
	  "      --save          write it into the file that the network came from, too\n"
	  "      --force         add it even where the host itself listens\n" },
	{ "adopt", NULL, cmd_adopt, "adopt SUBJECT…", "look after macvtap guests that something else started",
	  "      --runtime       do not remember it in adopted.yaml\n"
	  "      --monitor PATH  its QEMU's socket for QMP, -qmp unix:PATH,server=on,wait=off\n" },
	{ "release", NULL, cmd_release, "release SUBJECT…", "look after them no longer", NULL },
	{ "export", NULL, cmd_export, "export qemu NETWORK/GUEST", "a guest's NIC as shell lines around QEMU, to do it by hand", NULL },
	{ "guests", NULL, cmd_guests, "guests [NETWORK]", "who has which address, from everything that is known", NULL },
	{ "leases", NULL, cmd_leases, "leases [NETWORK]", "who has which address, from the DHCP servers", NULL },
	{ "slaac", NULL, cmd_slaac, "slaac [IFACE…]", "what interfaces do with router advertisements, and because of which settings",
	  "      --compare       two interfaces: what they differ in\n"
	  "      --from FILE     judge by a snapshot that `sixtap doctor --save` wrote\n" },
	{ "rs", NULL, cmd_rs, "rs IFACE", "ask for router advertisements, and what the kernel made of them",
	  "      --wait SECONDS  between solicitations, and after the last (default 4)\n"
	  "      --count N       solicitations at most (default 3)\n" },
	{ "ns", "nd", cmd_ns, "ns ADDRESS[%IFACE] [IFACE]", "who has an IPv6 address: ask by neighbour solicitation",
	  "      --unicast MAC   ask this MAC only, as a reachability probe does\n"
	  "      --dad           ask as duplicate address detection does: is the address free?\n"
	  "      --wait SECONDS  between solicitations, and after the last (default 1)\n"
	  "      --count N       solicitations at most (default 3)\n" },
	{ "watch", NULL, cmd_watch, "watch [IFACE…] [TYPE…]", "neighbour discovery, MLD and DHCP as they go by, and what looks wrong",
	  "      TYPE            arp rs ra ns na redirect nd mld dhcp4 dhcp6 dhcp (default: all)\n"
	  "      --pcap FILE     write the frames to a file, too\n"
	  "      --count N       end after N frames\n"
	  "      --timeout SECONDS  end after this time\n"
	  "      --promiscuous   let the named interfaces take in what isn't for this host\n" },
	{ "addrsel", NULL, cmd_addrsel, "addrsel DEST…", "which source and destination a program will use, and why",
	  "      --source ADDR[/LEN][,deprecated][,temporary][,home][,tunnel][,dev=NAME]\n"
	  "                      judge for a made-up host with this address; may be repeated\n"
	  "      --no-route ipv4|ipv6   it has no default route of this family\n"
	  "      --gai-conf FILE   judge by this file instead of /etc/gai.conf\n"
	  "      --guest NETWORK/GUEST  judge for a guest, from its addresses\n"
	  "      --advise ipv4|ipv6     print the smallest gai.conf that makes it come first\n"
	  "      --format gai.conf|cloud-init   how to print it\n"
	  "      --write         write it instead, and keep the old file beside it\n" },
};

static const struct cmd_info *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (str_eq(commands[i].name, name) || str_eq(commands[i].alias, name))
			return &commands[i];
	return NULL;
}

/* Of the contract, but not in this version: said so, not "unknown". */
static const struct {
	const char *name, *help;
} unbuilt[] = {
	{ "import", "sixtap init writes a first configuration; sixtap.yaml(5) says what else goes into it" },
	{ "hook", "a network's bridge can be named in libvirt's and Xen's configuration as it is" },
};

/* Whether the command line asks for JSON, also behind the word that is wrong. */
static bool asks_json(char **argv)
{
	for (; *argv && !str_eq(*argv, "--"); argv++)
		if (str_eq(*argv, "--json"))
			return true;
	return false;
}

/*
 * What was printed has to have arrived, but for a reader who left on purpose.
 * Of an earlier failure stdio keeps only that there was one.
 */
static int flush_out(const struct cmd *cmd, int status)
{
	struct pollfd out = { .fd = STDOUT_FILENO };
	int r = fflush(stdout) != 0 ? errno : ferror(stdout) ? EIO : 0;

	if (r == EIO && poll(&out, 1, 0) > 0 && out.revents & POLLERR)
		r = EPIPE;
	if (r == 0 || r == EPIPE)
		return status;
	(void)fprintf(stderr, "sixtap: standard output: %s\n", strerror(r));
	return status != EXIT_DONE ? status : cmd->failed ? cmd->failed : EXIT_FAILED;
}

/* JSON means the same in every locale. */
static size_t json_spelling(void)
{
	return str_eq(nl_langinfo(CODESET), "UTF-8") ? 0 : JSON_ENSURE_ASCII;
}

void cmd_json(struct cmd *cmd, json_t *answer)
{
	json_decref(cmd->answer);
	cmd->answer = answer;
}

/* Of a stream the errors are one more line. */
static void print_json(struct cmd *cmd)
{
	size_t form = cmd->stream ? JSON_COMPACT : JSON_INDENT(2);
	json_t *whole = json_pack("{s:i}", "version", 1);

	if (cmd->answer)
		(void)json_object_update(whole, cmd->answer);
	if (report_n_errors(cmd->report) > 0) {
		json_t *errors = report_json(cmd->report);

		(void)json_object_update(whole, errors);
		json_decref(errors);
	}
	(void)json_dumpf(whole, stdout, form | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15) | json_spelling());
	(void)fputc('\n', stdout);
	json_decref(whole);
}

static void __attribute__((noreturn)) say_and_end(struct cmd *cmd, const char *key, const char *text)
{
	if (cmd->json || cmd->asked_json) {
		cmd_json(cmd, json_pack("{s:s}", key, text));
		print_json(cmd);
	} else {
		(void)fputs(text, stdout);
	}
	exit(flush_out(cmd, EXIT_DONE));
}

static void print_help(FILE *to, const struct cmd_info *info)
{
	if (info) {
		(void)fprintf(to, "Usage: sixtap [OPTIONS] %s\n\n%c%s.\n", info->synopsis,
			      info->summary[0] >= 'a' && info->summary[0] <= 'z' ? info->summary[0] - 'a' + 'A' :
										   info->summary[0],
			      info->summary + 1);
		if (info->options)
			(void)fprintf(to, "\n%s", info->options);
		(void)fprintf(to, "\nEverywhere:\n%s", global_help);
		return;
	}
	(void)fprintf(to, "Usage: sixtap [OPTIONS] COMMAND [OPTIONS] …\n\n"
			  "Working IPv4 and IPv6 for every virtual machine on this host.\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		(void)fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].summary);
	(void)fprintf(to, "\n%s\nsixtap COMMAND --help tells a command's own options. Manual: sixtap(8), sixtap.yaml(5)\n",
		      global_help);
}

static void __attribute__((noreturn)) help_and_end(struct cmd *cmd, const struct cmd_info *info)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		abort();	/* out of memory, as everywhere */
	print_help(to, info);
	(void)fclose(to);
	say_and_end(cmd, "help", text);
}

/* Handles one global option. Return: 0 handled, 1 not a global one, -1 wrong (reported); ends the process for --help. */
static int global_option(struct cmd *cmd, int opt)
{
	switch (opt) {
	case 'c':
		cmd->config = optarg;
		return 0;
	case 'q':
		cmd->quiet = true;
		return 0;
	case 'v':
		cmd->verbose = true;
		return 0;
	case OPT_JSON:
		cmd->json = true;
		return 0;
	case OPT_COLOR:
		if (str_eq(optarg, "always"))
			cmd->color_option = CMD_COLOR_ALWAYS;
		else if (str_eq(optarg, "never"))
			cmd->color_option = CMD_COLOR_NEVER;
		else if (str_eq(optarg, "auto"))
			cmd->color_option = CMD_COLOR_AUTO;
		else
			return cmd_usage(cmd, "--color %s isn't auto, always or never", optarg), -1;
		return 0;
	case OPT_NETNS:
		cmd->netns = optarg;
		return 0;
	case OPT_RUN_DIR:
		cmd->run_dir_option = optarg;
		return 0;
	case OPT_STATE_DIR:
		cmd->state_dir_option = optarg;
		return 0;
	case 'h':
	case OPT_HELP:
		if (cmd->info)
			help_and_end(cmd, cmd->info);
		cmd->help = true;	/* on the command, if one follows */
		return 0;
	case OPT_VERSION:
		if (cmd->json || cmd->asked_json)
			say_and_end(cmd, "release", SIXTAP_VERSION);
		say_and_end(cmd, "release", "sixtap " SIXTAP_VERSION "\n");
	}
	return 1;
}

static int wrong_option(struct cmd *cmd, int opt, char **argv)
{
	const char *what = optind > 0 ? argv[optind - 1] : "";
	bool is_long = strncmp(what, "--", 2) == 0;
	int name = (int)strcspn(what, "=");

	if (opt == ':')
		cmd_usage(cmd, "%s needs a value", what);
	else if (is_long && optopt > 0)
		cmd_usage(cmd, "%.*s takes no value", name, what);
	else if (is_long)
		cmd_usage(cmd, "unknown option %.*s", name, what);
	else
		cmd_usage(cmd, "unknown option -%c", optopt);
	return '?';
}

bool cmd_wants_color(const struct cmd *cmd, int fd)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	if (cmd->color_option != CMD_COLOR_AUTO)
		return cmd->color_option == CMD_COLOR_ALWAYS;
	return isatty(fd) && !(none && *none) && term && *term && !str_eq(term, "dumb");
}

/* What colours and where they go can be told only after the options of the subcommand. */
static void look(struct cmd *cmd)
{
	cmd->tty = isatty(STDOUT_FILENO);
	cmd->utf8 = str_eq(nl_langinfo(CODESET), "UTF-8");
	cmd->color = cmd_wants_color(cmd, STDOUT_FILENO);
	cmd->progress = isatty(STDERR_FILENO) && !cmd->quiet && !cmd->json && !str_eq(getenv("TERM"), "dumb");
}

static int settle_paths(struct cmd *cmd)
{
	int r = 0;

	if (cmd->netns) {
		r = netns_enter(cmd->netns);
		if (r < 0) {
			report_help(report_error(cmd->report, cmd->netns, "no such network namespace can be entered: %s",
						 strerror(-r)), "ip netns lists those with names");
			return -1;
		}
		cmd->netns = NULL;
	}
	r = paths_run_dir(cmd->run_dir_option, cmd->run_dir);
	if (r == 0)
		r = paths_state_dir(cmd->state_dir_option, cmd->state_dir);
	if (r < 0) {
		report_error(cmd->report, "run directory", "%s", strerror(-r));
		return -1;
	}
	return 0;
}

int cmd_option(struct cmd *cmd, int argc, char **argv, const struct option *own)
{
	static struct option all[64];
	static const struct cmd *last;

	if (last != cmd) {		/* the first call for this subcommand */
		size_t n = 0;

		for (; own && own->name; own++)
			all[n++] = *own;
		for (const struct option *g = global_options; g->name; g++)
			all[n++] = *g;
		last = cmd;
		optind = 0;
		opterr = 0;
	}
	for (;;) {
		int opt = getopt_long(argc, argv, ":" GLOBAL_SHORT, all, NULL);

		if (opt == -1) {
			look(cmd);
			return settle_paths(cmd) < 0 ? '?' : -1;
		}
		if (opt == '?' || opt == ':')
			return wrong_option(cmd, opt, argv);
		switch (global_option(cmd, opt)) {
		case 0:
			break;
		case 1:
			return opt;
		default:
			return '?';
		}
	}
}

bool cmd_no_options(struct cmd *cmd, int argc, char **argv)
{
	return cmd_option(cmd, argc, argv, NULL) == -1;
}

int cmd_usage(struct cmd *cmd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	_cleanup_(freep) char *what = xvasprintf(fmt, ap);
	va_end(ap);
	struct finding *f = report_error(cmd->report, cmd->info ? cmd->info->name : NULL, "%s", what);

	report_help(f, "see sixtap %s%s--help", cmd->info ? cmd->info->name : "", cmd->info ? " " : "");
	f->exit_status = EXIT_USAGE;
	return EXIT_USAGE;
}

const char *cmd_glyph(const struct cmd *cmd, enum cmd_glyph glyph)
{
	static const struct {
		const char *utf8, *ascii, *color;
	} g[GLYPH_N_] = {
		[GLYPH_OK] = { "✓", "ok", "32" },       [GLYPH_ERROR] = { "✗", "X", "31" },
		[GLYPH_WARNING] = { "!", "!", "33" },   [GLYPH_INFO] = { "·", ".", "2" },
		[GLYPH_CREATE] = { "+", "+", "32" },    [GLYPH_CHANGE] = { "~", "~", "33" },
		[GLYPH_REMOVE] = { "−", "-", "31" },    [GLYPH_UP] = { "●", "*", "32" },
		[GLYPH_DEGRADED] = { "◐", "%", "33" },  [GLYPH_DOWN] = { "○", "o", "2" },
	};
	static char buf[GLYPH_N_][32];

	if (!cmd->color)
		return cmd->utf8 ? g[glyph].utf8 : g[glyph].ascii;
	(void)snprintf(buf[glyph], sizeof(buf[glyph]), "\033[%sm%s\033[0m", g[glyph].color,
		       cmd->utf8 ? g[glyph].utf8 : g[glyph].ascii);
	return buf[glyph];
}

const char *cmd_bold(const struct cmd *cmd)
{
	return cmd->color ? "\033[1m" : "";
}

const char *cmd_dim(const struct cmd *cmd)
{
	return cmd->color ? "\033[2m" : "";
}

const char *cmd_plain(const struct cmd *cmd)
{
	return cmd->color ? "\033[0m" : "";
}

void cmd_column(const char *s, int width)
{
	int columns = ascii_columns(s);

	(void)printf("%s%*s", s, columns < width ? width - columns : 0, "");
}

static int no_command(struct cmd *cmd, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(unbuilt); i++) {
		if (!str_eq(unbuilt[i].name, name))
			continue;
		struct finding *f = report_error(cmd->report, name, "isn't built yet");

		report_help(f, "%s", unbuilt[i].help);
		f->exit_status = EXIT_USAGE;
		return EXIT_USAGE;
	}
	return cmd_usage(cmd, "there is no command %s", name);
}

static int run_command(struct cmd *cmd, int argc, char **argv)
{
	optind = 0;
	opterr = 0;
	for (;;) {
		int opt = getopt_long(argc, argv, "+:" GLOBAL_SHORT, global_options, NULL);

		if (opt == -1)
			break;
		if (opt == '?' || opt == ':') {
			(void)wrong_option(cmd, opt, argv);
			return EXIT_USAGE;
		}
		if (global_option(cmd, opt) != 0)
			return EXIT_USAGE;
	}
	argc -= optind;
	argv += optind;
	if (argc > 0 && str_eq(argv[0], "help")) {
		cmd->help = true;
		argc--;
		argv++;
	}
	if (argc == 0 && cmd->help)
		help_and_end(cmd, NULL);
	if (argc == 0 && !cmd->json)
		print_help(stderr, NULL);
	if (argc == 0)
		return cmd->json ? cmd_usage(cmd, "a command is missing") : EXIT_USAGE;
	cmd->info = find_command(argv[0]);
	if (!cmd->info)
		return no_command(cmd, argv[0]);
	if (cmd->help)
		help_and_end(cmd, cmd->info);
	return cmd->info->fn(cmd, argc, argv);
}

static size_t placed_errors(const struct report *report)
{
	size_t n = 0;

	for (size_t i = 0; i < report_n(report); i++)
		n += report_get(report, i)->severity == SEVERITY_ERROR && report_get(report, i)->where.line > 0;
	return n;
}

/*
 * A descriptor that is closed would be the next socket's number, and what is
 * printed would go there. What stands in its place fails as a closed one does.
 */
static void open_std(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			return;
}

int main(int argc, char **argv)
{
	static struct cmd cmd = { .config = PATHS_CONFIG };

	open_std();
	(void)setlocale(LC_CTYPE, "");
	if (!str_eq(nl_langinfo(CODESET), "UTF-8"))
		ascii_install();
	(void)signal(SIGPIPE, SIG_IGN);		/* a reader that leaves ends the output, not the work */
	cmd.report = report_new();
	cmd.asked_json = asks_json(argv);
	int status = run_command(&cmd, argc, argv);
	bool errors = report_n_errors(cmd.report) > 0;

	cmd.json = cmd.json || (errors && cmd.asked_json);
	if (cmd.failed)
		report_set_failed(cmd.report, cmd.failed);
	if (errors && report_exit_status(cmd.report) > 0 && status < 125)
		status = report_exit_status(cmd.report);
	if (cmd.answer || (errors && cmd.json))
		print_json(&cmd);
	if (!(errors && cmd.json) && report_n(cmd.report) > 0 && (errors || !cmd.quiet)) {
		(void)fflush(stdout);
		report_print(cmd.report, stderr, cmd_wants_color(&cmd, STDERR_FILENO));
	}
	if (errors && !cmd.json && placed_errors(cmd.report) > 0)
		(void)fprintf(stderr, "%zu error%s, nothing was changed.\n", report_n_errors(cmd.report),
			      report_n_errors(cmd.report) == 1 ? "" : "s");
	report_free(cmd.report);
	json_decref(cmd.answer);
	return flush_out(&cmd, status);
}

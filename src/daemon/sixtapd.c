/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sixtapd - the daemon's command line: where, and in the foreground or not
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "ctl/paths.h"
#include "daemon/monitor.h"
#include "kern/netns.h"

static const char help[] =
	"Usage: sixtapd [OPTIONS]\n\n"
	"Serves the networks that `sixtap up` asks for; that command starts it when none runs.\n\n"
	"      --background    return when it is ready; log to RUN-DIR/sixtapd.log\n"
	"      --run-dir DIR   default: /run/sixtap, netns-COOKIE below it in another namespace\n"
	"      --state-dir DIR default: /var/lib/sixtap, likewise\n"
	"      --netns WHICH   serve another network namespace: its name, or a process id\n"
	"      --pcap NAME     record the frames that the services see and send, in STATE-DIR/leases/NAME\n"
	"      --debug         log more\n"
	"      --help, --version\n\n"
	"Manual: sixtapd(8)\n";

/* The parent waits for "ready" or for the end of its child, whose words it has left on stderr. */
static int wait_ready(int fd)
{
	char buf[16];
	ssize_t n = read(fd, buf, sizeof(buf));

	return n > 0 && buf[0] == 'r' ? 0 : 1;
}

static int background(struct monitor_conf *conf)
{
	const char *log = PATHS_JOIN(conf->run_dir, "sixtapd.log");
	int ready[2];

	if (pipe2(ready, O_CLOEXEC) < 0) {
		perror("sixtapd: pipe");
		return 1;
	}
	pid_t pid = fork();
	if (pid < 0) {
		perror("sixtapd: fork");
		return 1;
	}
	if (pid > 0) {
		(void)close(ready[1]);
		int failed = wait_ready(ready[0]);

		if (failed) {		/* what it said is in the log, if it got that far */
			FILE *f = fopen(log, "re");
			char line[512];

			while (f && fgets(line, sizeof(line), f))
				(void)fputs(line, stderr);
			if (f)
				(void)fclose(f);
		}
		return failed;
	}
	(void)close(ready[0]);
	(void)setsid();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), out;

	(void)paths_make_parents(log);
	out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (out < 0)
		(void)fprintf(stderr, "sixtapd: %s: cannot be written: %s\n", log, strerror(errno));
	if (null >= 0) {
		(void)dup2(null, STDIN_FILENO);
		(void)dup2(null, STDOUT_FILENO);
	}
	if (out >= 0 || null >= 0)
		(void)dup2(out >= 0 ? out : null, STDERR_FILENO);
	conf->ready_fd = ready[1];
	return monitor_run(conf);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "background", no_argument, NULL, 'b' },  { "run-dir", required_argument, NULL, 'r' },
		{ "state-dir", required_argument, NULL, 's' }, { "netns", required_argument, NULL, 'n' },
		{ "pcap", required_argument, NULL, 'p' },  { "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },	   { "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	const char *run_dir = NULL, *state_dir = NULL;
	static char run_buf[PATHS_MAX], state_buf[PATHS_MAX];
	struct monitor_conf conf = { .ready_fd = -1 };
	bool in_background = false;
	int opt, r = 0;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (opt) {
		case 'b':
			in_background = true;
			break;
		case 'r':
			run_dir = optarg;
			break;
		case 's':
			state_dir = optarg;
			break;
		case 'n':
			r = netns_enter(optarg);
			if (r < 0) {
				(void)fprintf(stderr, "sixtapd: %s: cannot enter that network namespace: %s\n", optarg,
					      strerror(-r));
				return 1;
			}
			break;
		case 'p':
			if (strchr(optarg, '/')) {
				(void)fprintf(stderr, "sixtapd: --pcap %s: a name without slashes: the engine writes in its "
						      "own folder only\n", optarg);
				return 2;
			}
			conf.pcap = optarg;	/* the folder is the engine's root and working directory */
			break;
		case 'd':
			conf.debug = true;
			break;
		case 'h':
			(void)fputs(help, stdout);
			return 0;
		case 'V':
			(void)printf("sixtapd %s\n", SIXTAP_VERSION);
			return 0;
		default:
			return 2;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "sixtapd: %s: there are no arguments; see --help\n", argv[optind]);
		return 2;
	}
	if (geteuid() != 0) {
		(void)fprintf(stderr, "sixtapd: must be started as root; it gives up what it doesn't need\n");
		return 1;
	}
	r = paths_run_dir(run_dir, run_buf);
	if (r == 0)
		r = paths_state_dir(state_dir, state_buf);
	if (r < 0) {
		(void)fprintf(stderr, "sixtapd: run directory: %s\n", strerror(-r));
		return 1;
	}
	conf.run_dir = run_buf;
	conf.state_dir = state_buf;
	return in_background ? background(&conf) : monitor_run(&conf);
}

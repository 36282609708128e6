/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run - sixtap run: QEMU with one more NIC
 *
 * The daemon makes the tap and hands its descriptors over; they pass through
 * exec to QEMU, so the NIC lives exactly as long as the guest. Nothing of us
 * stays behind: exit status and signals are QEMU's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "attach/qemu.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/local.h"

#define EXIT_RUN_FAILED 125
#define EXIT_RUN_NO_EXEC 126
#define EXIT_RUN_NOT_FOUND 127

enum {
	OPT_NAME = 1,
	OPT_MAC,
	OPT_IP,
	OPT_FORWARD,
	OPT_QUEUES,
	OPT_DEVICE,
	OPT_ID,
	OPT_NO_MONITOR,
	OPT_DRY_RUN,
};

struct run {
	const char *network, *name;
	json_t *request;	/* owned */
	json_t *ips, *forwards;
	struct qemu_nic nic;
	bool dry, monitor, mac_given;
};

static int parse_queues(struct cmd *cmd, const char *s, unsigned int *ret)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (*end || n < 1 || n > QEMU_QUEUES)
		return cmd_usage(cmd, "--queues %s isn't a number from 1 to %d", s, QEMU_QUEUES);
	*ret = (unsigned int)n;
	return 0;
}

static int parse_options(struct cmd *cmd, int argc, char **argv, struct run *run)
{
	static const struct option own[] = {
		{ "name", required_argument, NULL, OPT_NAME },	     { "mac", required_argument, NULL, OPT_MAC },
		{ "ipv4", required_argument, NULL, OPT_IP },	     { "ipv6", required_argument, NULL, OPT_IP },
		{ "forward", required_argument, NULL, OPT_FORWARD }, { "queues", required_argument, NULL, OPT_QUEUES },
		{ "device", required_argument, NULL, OPT_DEVICE },   { "id", required_argument, NULL, OPT_ID },
		{ "no-monitor", no_argument, NULL, OPT_NO_MONITOR }, { "dry-run", no_argument, NULL, OPT_DRY_RUN },
		{ 0 },
	};
	struct ip ip;
	int opt;

	while ((opt = cmd_option(cmd, argc, argv, own)) != -1) {
		switch (opt) {
		case OPT_NAME:
			run->name = optarg;
			break;
		case OPT_MAC:
			if (!mac_parse(optarg, &run->nic.mac))
				return cmd_usage(cmd, "--mac %s isn't a MAC address", optarg);
			run->mac_given = true;
			(void)json_object_set_new(run->request, "mac", json_string(optarg));
			break;
		case OPT_IP:
			if (!ip_parse(optarg, &ip))
				return cmd_usage(cmd, "%s isn't an address", optarg);
			(void)json_array_append_new(run->ips, json_string(optarg));
			break;
		case OPT_FORWARD:
			(void)json_array_append_new(run->forwards, json_string(optarg));
			break;
		case OPT_QUEUES:
			if (parse_queues(cmd, optarg, &run->nic.queues) != 0)
				return EXIT_USAGE;
			break;
		case OPT_DEVICE:
			run->nic.device = optarg;
			break;
		case OPT_ID:
			run->nic.id = optarg;
			break;
		case OPT_NO_MONITOR:	/* only macvtap networks use one */
			run->monitor = false;
			break;
		case OPT_DRY_RUN:
			run->dry = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind < 2)
		return cmd_usage(cmd, "needs a network and QEMU's command line:  sixtap run lan -- qemu-system-x86_64 …");
	run->network = argv[optind];
	return 0;
}

/* The kernel moves the packets where it has vhost; without it QEMU does, a little slower. */
static void open_vhost(struct qemu_nic *nic)
{
	for (unsigned int i = 0; i < nic->queues; i++) {
		nic->vhost_fds[i] = open("/dev/vhost-net", O_RDWR);
		if (nic->vhost_fds[i] >= 0)
			continue;
		while (i-- > 0)
			(void)close(nic->vhost_fds[i]);
		return;
	}
	nic->has_vhost = true;
}

static int attach(struct cmd *cmd, struct run *run)
{
	_cleanup_(control_freep) struct control *control = NULL;
	int fds[QEMU_QUEUES + 2];
	size_t n_fds = ARRAY_LEN(fds);
	json_t *answer = NULL;

	(void)json_object_set_new(run->request, "network", json_string(run->network));
	(void)json_object_set_new(run->request, "name", json_string(run->name));
	(void)json_object_set_new(run->request, "queues", json_integer(run->nic.queues));
	(void)json_object_set_new(run->request, "pid", json_integer(getpid()));
	(void)json_object_set_new(run->request, "monitor", json_boolean(run->monitor));
	(void)json_object_set(run->request, "ips", run->ips);
	(void)json_object_set(run->request, "forwards", run->forwards);
	if (client_connect(cmd, CLIENT_MUST_RUN, &control) != 0)
		return 1;
	if (client_ask(cmd, control, json_incref(run->request), NULL, NULL, &answer, fds, &n_fds) != 0)
		return 1;
	const char *mac = json_string_value(json_object_get(answer, "mac"));
	bool alive = json_is_true(json_object_get(answer, "alive")), monitor = json_is_true(json_object_get(answer, "monitor"));
	int r = n_fds == run->nic.queues + alive + monitor && mac && mac_parse(mac, &run->nic.mac) ? 0 : 1;

	if (r != 0)
		report_error(cmd->report, "sixtapd", "answered without the tap's descriptors");
	run->nic.mtu = (uint32_t)json_integer_value(json_object_get(answer, "mtu"));
	json_decref(answer);
	/* QEMU inherits them; one that it doesn't know of tells by its end that the guest has ended. */
	for (size_t i = 0; i < n_fds; i++)
		(void)fcntl(fds[i], F_SETFD, 0);
	memcpy(run->nic.fds, fds, run->nic.queues * sizeof(*fds));
	if (r == 0 && monitor)
		run->nic.qmp_fd = fds[n_fds - 1];
	return r;
}

/* The MAC of a guest of a network that is up. Return: whether it is. */
static bool foresee_up(struct cmd *cmd, struct run *run)
{
	_cleanup_(control_freep) struct control *control = NULL;
	json_t *answer = NULL, *request;
	struct report *theirs = cmd->report, *ours = report_new();
	const json_t *guest;
	bool up = false;
	size_t i;

	cmd->report = ours;
	if (client_connect(cmd, CLIENT_MAY_FAIL, &control) == 0) {
		request = ctl_request_new(CTL_STATUS);
		client_add_networks(request, (char *[]){ (char *)run->network }, 1);
		(void)client_ask(cmd, control, request, NULL, NULL, &answer, NULL, NULL);
	}
	cmd->report = theirs;
	report_free(ours);
	const json_t *network = json_array_get(json_object_get(answer, "networks"), 0);
	json_array_foreach(json_object_get(network, "guests"), i, guest) {
		const char *mac = json_string_value(json_object_get(guest, "mac"));

		if (str_eq(json_string_value(json_object_get(guest, "name")), run->name) && !run->mac_given)
			run->mac_given = mac && mac_parse(mac, &run->nic.mac);
	}
	up = network != NULL;
	json_decref(answer);
	return up;
}

/* What attach() would find out, without a change: of the daemon, or of the configuration when the network isn't up. */
static int foresee(struct cmd *cmd, struct run *run)
{
	_cleanup_(client_files_clear) struct client_files files = { 0 };
	_cleanup_(desired_freep) struct desired *desired = NULL;

	for (unsigned int i = 0; i < run->nic.queues; i++)
		run->nic.fds[i] = 3 + (int)i;
	if (foresee_up(cmd, run))
		return run->mac_given ? 0 : local_derived_mac(cmd, run->network, run->name, &run->nic.mac);
	if (client_read_files(cmd, &files) != 0 || client_desired(cmd, &files, &desired) != 0)
		return 1;
	const struct d_network *d = desired_network(desired, run->network);
	if (!d) {
		desired_no_network(desired, run->network, cmd->config, cmd->report);
		return 1;
	}
	run->nic.mtu = d->mtu;
	return run->mac_given ? 0 : local_guest_mac(cmd, d, run->name, &run->nic.mac);
}

static int execute(struct cmd *cmd, char **args)
{
	(void)execvp(args[0], args);
	int r = errno;

	report_error(cmd->report, args[0], "cannot be executed: %s", strerror(r));
	return r == ENOENT ? EXIT_RUN_NOT_FOUND : EXIT_RUN_NO_EXEC;
}

static int run_guest(struct cmd *cmd, int argc, char **argv, struct run *run)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();

	if (parse_options(cmd, argc, argv, run) != 0)
		return EXIT_USAGE;
	char **qemu = argv + optind + 1;
	if (!run->name)
		run->name = qemu_name(qemu, arena);
	if (!run->name)
		return cmd_usage(cmd, "the guest needs a name: --name, or QEMU's -name");
	if (!run->nic.id)
		run->nic.id = qemu_next_id(qemu, arena);
	if ((run->dry ? foresee(cmd, run) : attach(cmd, run)) != 0)
		return EXIT_RUN_FAILED;
	if (!run->dry)
		open_vhost(&run->nic);
	char **args = qemu_args(qemu, &run->nic, arena);
	if (!run->dry)
		return execute(cmd, args);
	for (size_t i = 0; args[i]; i++)
		(void)printf("%s%s", i ? " " : "", args[i]);
	(void)putchar('\n');
	return EXIT_DONE;
}

int cmd_run(struct cmd *cmd, int argc, char **argv)
{
	struct run run = {
		.request = ctl_request_new(CTL_ATTACH),
		.ips = json_array(),
		.forwards = json_array(),
		.nic = { .device = "virtio-net-pci", .queues = 1 },
		.monitor = true,
	};
	cmd->failed = EXIT_RUN_FAILED;
	int status = run_guest(cmd, argc, argv, &run);

	json_decref(run.request);
	json_decref(run.ips);
	json_decref(run.forwards);
	return status;
}

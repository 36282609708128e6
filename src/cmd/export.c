/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * export - what the configuration means, in other programs' words
 *
 * `export qemu`: a guest's NIC as shell lines around QEMU, for who'd rather do
 * by hand what `run` does. They can be pasted into a root shell, or be a script
 * whose arguments are QEMU's. What they make isn't marked as ours, so nothing
 * of sixtap's touches it but `adopt`.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "attach/qemu.h"
#include "base/fnv.h"
#include "cmd/client.h"
#include "cmd/cmd.h"
#include "cmd/local.h"

#define FD 3 /* what the shell opens the device as */

enum {
	OPT_FORMAT = 1,
};

/* A device's name made of the guest's: "mv-web"; of a long one also its hash, or "database-server-1" and "-2" were one. */
static const char *device_name(struct arena *arena, const char *prefix, const char *guest)
{
	size_t room = 15 - strlen(prefix) - 1;

	if (strlen(guest) <= room)
		return arena_printf(arena, "%s-%s", prefix, guest);
	return arena_printf(arena, "%s-%.*s-%04x", prefix, (int)(room - 5), guest, fnv32_text(guest) & 0xffff);
}

static void print_qemu(FILE *f, const struct qemu_nic *nic, const char *ifname, struct arena *arena)
{
	char *const argv[] = { arena_strdup(arena, "qemu-system-x86_64"), arena_strdup(arena, "\"$@\""), NULL };
	char **args = qemu_args(argv, nic, arena);

	for (size_t i = 0; args[i]; i++) {
		if (ifname && i > 0 && str_eq(args[i - 1], "-netdev"))
			(void)fprintf(f, " tap,id=%s,ifname=%s,script=no,downscript=no", nic->id, ifname);
		else
			(void)fprintf(f, "%s%s", i ? " " : "", args[i]);
	}
	(void)fputc('\n', f);
}

static void print_macvtap(FILE *f, const struct d_network *d, const char *guest, struct qemu_nic *nic,
			  struct arena *arena)
{
	const char *dev = device_name(arena, "mv", guest), *mac = arena_strdup(arena, MAC_STR(&nic->mac));
	bool passthru = d->macvtap.mode == MACVTAP_MODE_PASSTHRU;

	(void)fprintf(f, "# A macvtap device on the NIC. Its MAC has to be the guest's%s.\n",
		      passthru ? ", but in mode passthru, where it is the NIC's own" : "");
	if (!d->uplink)
		(void)fprintf(f, "nic=$(ip route show default | sed -n '1s/.* dev \\([^ ]*\\).*/\\1/p')\n");
	(void)fprintf(f, "ip link add link %s name %s%s%s type macvtap mode %s bcqueuelen %u\n",
		      d->uplink ? d->uplink : "\"$nic\"", dev, passthru ? "" : " address ", passthru ? "" : mac,
		      macvtap_mode_name[d->macvtap.mode], d->macvtap.broadcast_queue);
	for (size_t i = 0; i < d->macvtap.n_sources; i++)
		(void)fprintf(f, "ip link set %s type macvtap macaddr add %s\n", dev, MAC_STR(&d->macvtap.sources[i]));
	(void)fprintf(f,
		      "# The host never gets an address on it.\n"
		      "ip link set %s addrgenmode none\n"
		      "sysctl -qw net.ipv6.conf.%s.accept_ra=0\n",
		      dev, dev);
	if (d->mtu > 0)
		(void)fprintf(f, "ip link set %s mtu %u\n", dev, d->mtu);
	if (d->macvtap.multicast == MACVTAP_MULTICAST_ALL)
		(void)fprintf(f, "ip link set %s allmulticast on\n", dev);
	(void)fprintf(f, "ip link set %s up\n", dev);
	if (d->macvtap.multicast == MACVTAP_MULTICAST_AUTO)
		(void)fprintf(
			f,
			"# Lets in the multicast groups that the guest listens to; without, its IPv6 isn't reachable.\n"
			"sixtap adopt --runtime %s\n",
			dev);
	(void)fprintf(f,
		      "# Its character device, by the numbers in sysfs: /dev/tapN may be another namespace's.\n"
		      "node=$(mktemp -u /dev/sixtap-XXXXXX)\n"
		      "mknod -m 600 \"$node\" c $(cat /sys/class/net/%s/macvtap/tap*/dev | tr : ' ')\n"
		      "exec %d<>\"$node\"; rm \"$node\"\n",
		      dev, FD);
	print_qemu(f, nic, NULL, arena);
	(void)fprintf(f,
		      "# The device doesn't go by itself.\n"
		      "exec %d>&-\n",
		      FD);
	if (d->macvtap.multicast == MACVTAP_MULTICAST_AUTO)
		(void)fprintf(f, "sixtap release %s\n", dev);
	(void)fprintf(f, "ip link del %s\n", dev);
}

static void print_tap(FILE *f, const struct d_network *d, const char *guest, struct qemu_nic *nic, struct arena *arena)
{
	const char *dev = device_name(arena, "tap", guest);

	(void)fprintf(f,
		      "# A tap, as a port of the network's bridge.\n"
		      "ip tuntap add dev %s mode tap\n"
		      "ip link set %s addrgenmode none\n"
		      "ip link set %s master %s up\n",
		      dev, dev, dev, d->bridge);
	print_qemu(f, nic, dev, arena);
	(void)fprintf(f, "ip tuntap del dev %s mode tap\n", dev);
}

static json_t *split(const char *text)
{
	json_t *lines = json_array();

	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		(void)json_array_append_new(lines, json_stringn(text, n));
	}
	return lines;
}

static int export_qemu(struct cmd *cmd, const char *subject)
{
	_cleanup_(client_files_clear) struct client_files files = { 0 };
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct qemu_nic nic = { .id = "sixtap0", .device = "virtio-net-pci", .queues = 1, .fds = { FD } };
	const char *slash = strchr(subject, '/');

	if (!slash || slash == subject || !slash[1])
		return cmd_usage(cmd, "%s isn't NETWORK/GUEST", subject);
	if (client_read_files(cmd, &files) != 0 || client_desired(cmd, &files, &desired) != 0)
		return EXIT_USAGE;
	const char *network = arena_strndup(arena, subject, (size_t)(slash - subject));
	const struct d_network *d = desired_network(desired, network);
	if (!d) {
		desired_no_network(desired, network, cmd->config, cmd->report);
		return EXIT_USAGE;
	}
	if (local_guest_mac(cmd, d, slash + 1, &nic.mac) != 0)
		return EXIT_FAILED;
	nic.mtu = d->mtu;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	if (!f)
		abort();	/* out of memory, as everywhere */
	(void)fprintf(f, "# %s on %s (%s), by hand: as root. QEMU's other arguments are \"$@\".\n", slash + 1, d->name,
		      net_mode_name[d->mode]);
	if (d->mode == NET_MODE_MACVTAP)
		print_macvtap(f, d, slash + 1, &nic, arena);
	else
		print_tap(f, d, slash + 1, &nic, arena);
	(void)fclose(f);
	if (cmd->json)
		cmd_json(cmd, json_pack("{s:o}", "lines", split(text)));
	else
		(void)fputs(text, stdout);
	free(text);
	return EXIT_DONE;
}

int cmd_export(struct cmd *cmd, int argc, char **argv)
{
	static const char *const unbuilt[] = { "libvirt", "ifupdown", "networkd", "netplan", "guest" };
	static const struct option own[] = { { "format", required_argument, NULL, OPT_FORMAT }, { 0 } };
	const char *format = NULL;
	int opt;

	while ((opt = cmd_option(cmd, argc, argv, own)) != -1) {
		if (opt != OPT_FORMAT)
			return EXIT_USAGE;
		format = optarg;
	}
	const char *what = optind < argc ? argv[optind] : "";
	for (size_t i = 0; i < ARRAY_LEN(unbuilt); i++)
		if (str_eq(what, unbuilt[i]))
			return cmd_usage(cmd, "%s isn't built yet; this version has  sixtap export qemu NETWORK/GUEST", what);
	if (format)
		return cmd_usage(cmd, "--format isn't for export qemu");
	if (!str_eq(what, "qemu") || argc - optind != 2)
		return cmd_usage(cmd, "write  sixtap export qemu NETWORK/GUEST");
	return export_qemu(cmd, argv[optind + 1]);
}

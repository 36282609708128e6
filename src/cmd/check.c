/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check - sixtap check: is the configuration good?
 *
 * Looks at no kernel and needs no privilege.
 */
#include <stdio.h>
#include "cmd/client.h"
#include "cmd/cmd.h"

int cmd_check(struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(client_files_clear) struct client_files files = { 0 };
	_cleanup_(desired_freep) struct desired *desired = NULL;
	size_t n_guests = 0;

	if (!cmd_no_options(cmd, argc, argv))
		return EXIT_USAGE;
	if (optind < argc)
		return cmd_usage(cmd, "takes no arguments");
	if (client_read_files(cmd, &files) != 0 || client_desired(cmd, &files, &desired) != 0)
		return EXIT_USAGE;
	for (size_t i = 0; i < desired->n_networks; i++)
		n_guests += desired->networks[i].n_guests;
	if (cmd->json)
		cmd_json(cmd, json_pack("{s:I, s:I}", "networks", (json_int_t)desired->n_networks, "guests",
					(json_int_t)n_guests));
	else if (!cmd->quiet)
		(void)printf("%s %s is good: %zu network%s, %zu guest%s\n", cmd_glyph(cmd, GLYPH_OK), cmd->config,
			     desired->n_networks, desired->n_networks == 1 ? "" : "s", n_guests, n_guests == 1 ? "" : "s");
	return EXIT_DONE;
}

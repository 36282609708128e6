/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adopt - sixtap adopt, release: guests that something else started
 */
#pragma once
#include "cmd/cmd.h"
#include "ctl/request.h"
#include "model/desired.h"

/* adopt.c */
/* What the configuration adopts, as the daemon wants it (new reference); what can't be found yet is warned of. */
json_t *adopt_requests(struct cmd *cmd, const struct desired *desired);
/* At boot, when there is nothing else to bring up. Return: exit status. */
int adopt_configured(struct cmd *cmd, const struct desired *desired, const char *source);

/* adopt_find.c */
struct adopt_found {
	struct mac macs[CTL_ADOPT_NICS];
	size_t n_macs;
	char devices[CTL_ADOPT_NICS][16];
	size_t n_devices;
};

/**
 * adopt_find() - By what is a subject known?
 * @subject:	an interface, or "libvirt:NAME"
 * @ask:	libvirt's daemon, too: it may wait for that
 * @ret:	set when 0 is returned
 *
 * Return: 0, or 1 with an error in cmd->report
 */
int adopt_find(struct cmd *cmd, const char *subject, bool ask, struct adopt_found *ret);

/* adopt_file.c: adopted.yaml */
/**
 * adopt_file_change() - Remember subjects, or forget them
 * @path:	of adopted.yaml
 * @add:	else: take them out
 * @monitor:	of the one subject that is added; NULL: it stays as it was
 * @ret_changed:	whether the file had to be written
 *
 * Return: 0, or 1 with an error in cmd->report
 */
int adopt_file_change(struct cmd *cmd, const char *path, char *const *subjects, int n, bool add, const char *monitor,
		      bool *ret_changed);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf - YAML text to a checked struct desired
 *
 * Pure: reads the given texts, writes findings and the result. Opening files
 * and knowing the host's secret are the caller's business.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/report.h"
#include "model/desired.h"

/* One file. All are borrowed for the call. */
struct conf_source {
	const char *file;	/* name for findings and d_network.file */
	const char *text;
	size_t len;		/* bytes; more than CONF_FILE_MAX is refused */
	const char *path;	/* the -c path it was found by: d_network.source */
};

#define CONF_FILE_MAX (1024u * 1024)

/* The host's secret, from the machine id: the same at every start, known to nobody else. */
struct conf_seed {
	uint8_t secret[16];
};

/**
 * conf_read() - Read a configuration
 * @sources:	files, in any order (findings are in the order of file names)
 * @n:		their number; none is a configuration without networks
 * @seed:	what MACs and ULAs are derived from
 * @report:	findings and source texts are added here; errors that it has already don't count
 * @ret:	set when 0 is returned, complete and checked; free with desired_free()
 *
 * Return: 0, or 1 when the report has new errors (exit status 2 each)
 */
int conf_read(const struct conf_source *sources, size_t n, const struct conf_seed *seed, struct report *report,
	      struct desired **ret);

/**
 * conf_guest_mac() - The MAC of a guest that isn't given one
 * @network:	network's name
 * @guest:	guest's name
 * @attempt:	0; then 1, 2, … while the result is in use by another
 *
 * Return: 52:54:00 and 24 bits that are stable for host, network and name
 */
struct mac conf_guest_mac(const struct conf_seed *seed, const char *network, const char *guest, unsigned int attempt);

/* For names and values from a command line: NULL when it is good, else what is wrong, "…; what would be right". */
const char *conf_network_name_fault(const char *name);
const char *conf_guest_name_fault(const char *name);
const char *conf_subject_fault(const char *subject);	/* of `adopt` */
/* Of the socket that the QEMU of @subject was started with for QMP. Return: NULL, or what is wrong with it. */
const char *conf_monitor_fault(const char *subject, const char *path);
const char *conf_mac_fault(const struct mac *mac);

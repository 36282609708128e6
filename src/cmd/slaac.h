/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slaac - what each interface does with router advertisements, and because of what
 */
#pragma once
#include "cmd/cmd.h"
#include "diag/origin.h"
#include "diag/slaac.h"
#include "diag/snapshot.h"

#define SLAAC_BECAUSE 12

/* Everything that is said of one interface. */
struct slaac_view {
	const struct snapshot *snap;
	const struct snap_link *link;
	const struct snap_manager *manager;	/* who looks after it; NULL: nobody */
	const char *handler;			/* of the contract */
	struct slaac_settings settings;
	struct slaac_prediction kernel;		/* what the kernel would do */
	bool determined;			/* the three below are known */
	bool sends_rs, gets_address, gets_default_route;
	struct slaac_because {
		char setting[48];		/* a sysctl, or "" */
		char what[SLAAC_WHAT_MAX];
		struct origin origin;
	} because[SLAAC_BECAUSE];
	size_t n_because;
	uint64_t heard;				/* RAs that came in since the interface was made */
};

/* @live: the snapshot is of this host now, so that files may be looked at. */
void slaac_view(const struct snapshot *snap, const struct snap_link *link, bool live, struct slaac_view *ret);

void slaac_show(const struct cmd *cmd, const struct slaac_view *v);
json_t *slaac_json(const struct slaac_view *v);

/* Settings that two interfaces differ in. */
void slaac_show_compare(const struct cmd *cmd, const struct slaac_view *a, const struct slaac_view *b);
json_t *slaac_json_compare(const struct slaac_view *a, const struct slaac_view *b);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * doctor_read - a snapshot of this host, with what configuration and daemon know
 */
#include <errno.h>
#include <string.h>
#include "cmd/client.h"
#include "cmd/doctor.h"
#include "diag/measure.h"

static json_t *ask(struct cmd *cmd, struct control *control, json_t *request)
{
	json_t *answer = NULL;

	return client_ask(cmd, control, request, NULL, NULL, &answer, NULL, NULL) == 0 ? answer : NULL;
}

/* What a failed step said, and no more of it in the report: the doctor names it as unread. */
static const char *reason(struct report *report)
{
	return report_n(report) > 0 ? report_get(report, 0)->what : "no reason was given";
}

int doctor_read(struct doctor *doctor, struct snapshot **ret)
{
	struct cmd *cmd = doctor->cmd;
	struct report *theirs = cmd->report;
	_cleanup_(report_freep) struct report *config = report_new(), *daemon = report_new();
	_cleanup_(desired_freep) struct desired *desired = NULL;
	_cleanup_(control_freep) struct control *control = NULL;
	struct client_files files = { 0 };
	json_t *status = NULL, *leases = NULL, *plan = NULL;
	struct snapshot_conf conf = { 0 };
	int r;

	/* Neither a configuration nor a daemon is needed; what is wrong with them is no failure of ours. */
	cmd->report = config;
	if (client_read_files(cmd, &files) == 0 && client_desired(cmd, &files, &desired) != 0)
		conf.config_why = reason(config);
	cmd->report = daemon;
	if (client_connect(cmd, CLIENT_MAY_FAIL, &control) == 0) {
		client_impatient(control);
		status = ask(cmd, control, ctl_request_new(CTL_STATUS));
		leases = status ? ask(cmd, control, ctl_request_new(CTL_LEASES)) : NULL;
		if (status && desired && files.n > 0) {
			json_t *request = ctl_request_new(CTL_PLAN);

			client_add_files(request, &files);
			plan = ask(cmd, control, request);
		}
		if (!status)
			conf.daemon_why = reason(daemon);
	}
	cmd->report = theirs;
	conf.desired = desired;
	conf.status = status;
	conf.leases = leases;
	conf.plan = plan;
	r = snapshot_read(ret, &conf, cmd->report);
	if (r == 0 && doctor->probe)
		measure_snapshot(*ret);
	json_decref(status);
	json_decref(leases);
	json_decref(plan);
	client_files_clear(&files);
	return r;
}

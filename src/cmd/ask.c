/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask - send a question on one interface and hear the answers
 */
#include "cmd/ask.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include "diag/live.h"

#define BUFFER (4u << 20)

void ask_free(struct ask *ask)
{
	sniff_free(ask->sniff);
	world_free(ask->world);
}

static void failed(struct cmd *cmd, const char *name, int err, const char *doing)
{
	struct finding *f;

	if (err == -EPERM || err == -EACCES) {
		f = report_error(cmd->report, name, "packets can be sent and seen by root only");
		report_help(f, "sudo sixtap %s %s", cmd->info->name, name);
	} else {
		report_error(cmd->report, name, "%s: %s", doing, strerror(-err));
	}
}

int ask_open(struct cmd *cmd, struct ask *ask, const char *name, unsigned int what)
{
	int r;

	if (live_read(&ask->world, cmd->report) < 0)
		return -1;
	ask->link = world_link_by_name(ask->world, name);
	if (!ask->link) {
		report_help(report_error(cmd->report, name, "there is no such interface"),
			    "ip link shows those that there are");
		return -1;
	}
	if (!(ask->link->flags & IFF_UP)) {
		report_help(report_error(cmd->report, name, "the interface is down"), "ip link set %s up", name);
		return -1;
	}
	if (!(ask->link->flags & IFF_RUNNING)) {
		report_error(cmd->report, name, "the interface has no carrier, so nobody can answer");
		return -1;
	}
	r = sniff_new(&ask->sniff, ask->link->ifindex, what, BUFFER);
	if (r == 0) {
		r = sniff_is_ethernet(ask->sniff, name);
		ask->ethernet = r == 1;
	}
	if (r < 0) {
		failed(cmd, name, r, "a packet socket cannot be opened");
		return -1;
	}
	return 0;
}

struct wr ask_begin(struct ask *ask, const struct mac *dst)
{
	struct wr w = wr_init(ask->frame, sizeof(ask->frame));

	if (ask->ethernet)
		eth_begin(&w, dst, &ask->link->mac, ETH_TYPE_IP6);
	return w;
}

void ask_end(struct ask *ask, const struct wr *w)
{
	ask->len = wr_ok(w) ? w->len : 0;
}

/* Everything that is there. Return: whether there was an answer, or negative errno. */
static int hear(struct ask *ask, ask_fn fn, void *user, mono_t asked)
{
	static struct heard heard;
	struct sniff_frame frames[SNIFF_BATCH];
	bool answered = false;
	int n = sniff_recv(ask->sniff, frames);

	for (int i = 0; i < n; i++) {
		const struct sniff_frame *f = &frames[i];
		double after_s = (double)(mono_now() - asked) / (double)MONO_S;
		int r;

		if (f->way == SNIFF_OUT || f->cut)
			continue;
		r = heard_read(f->data, f->type, f->csum_ready, &heard);
		if (r != HEARD_E_NOT_OURS && fn(user, &heard, r, after_s))
			answered = true;
	}
	return n < 0 ? n : answered;
}

int ask_run(struct cmd *cmd, struct ask *ask, ask_fn fn, void *user)
{
	mono_t now = mono_now(), next = now, end = mono_add(now, ask->tries * ask->interval), asked = now;
	bool answered = false;

	while (now < end) {
		if (!answered && now >= next && ask->sent < ask->tries) {
			int r = sniff_send(ask->sniff, ask->link->ifindex, ask->ethernet ? 0 : ETH_TYPE_IP6, ask->frame,
					   ask->len);

			if (r < 0) {
				failed(cmd, ask->link->name, r, "the question could not be sent");
				return -1;
			}
			ask->sent++;
			asked = now;
			next = mono_add(now, ask->interval);
		}
		mono_t until = answered ? end : mono_min(end, next);
		struct pollfd p = { .fd = sniff_fd(ask->sniff), .events = POLLIN };

		if (poll(&p, 1, (int)((until - now) / MONO_MS) + 1) < 0 && errno != EINTR)
			return -1;
		int r = hear(ask, fn, user, asked);
		if (r < 0) {
			failed(cmd, ask->link->name, r, "answers cannot be received");
			return -1;
		}
		now = mono_now();
		if (r > 0 && !answered) {
			answered = true;
			end = mono_min(end, mono_add(now, ask->more));
		}
	}
	return 0;
}

bool ask_seconds(struct cmd *cmd, const char *option, const char *text, mono_t *ret)
{
	char *rest;
	double s = strtod(text, &rest);

	if (*text == '\0' || *rest != '\0' || !(s >= 0.1 && s <= 1e6)) {
		(void)cmd_usage(cmd, "%s %s isn't a number of seconds from 0.1 to 1000000", option, text);
		return false;
	}
	*ret = (mono_t)(s * (double)MONO_S);
	return true;
}

bool ask_count(struct cmd *cmd, const char *option, const char *text, unsigned int max, unsigned int *ret)
{
	char *rest;
	unsigned long n = strtoul(text, &rest, 10);

	if (*text < '0' || *text > '9' || *rest != '\0' || n < 1 || n > max) {
		(void)cmd_usage(cmd, "%s %s isn't a number from 1 to %u", option, text, max);
		return false;
	}
	*ret = (unsigned int)n;
	return true;
}

bool ask_option(struct cmd *cmd, struct ask *ask, int opt)
{
	if (opt == 'w')
		return ask_seconds(cmd, "--wait", optarg, &ask->interval);
	return opt == 'n' && ask_count(cmd, "--count", optarg, 100, &ask->tries);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch - neighbour discovery, MLD and DHCP as they go by, and what looks wrong
 *
 * Theory of operation. One packet socket for each interface that is named, or one
 * for all; a filter in the kernel passes only what is decoded here. A turn takes a
 * batch from each socket and goes through them in order of their time stamps. What
 * the kernel had no room for is counted by it and told at the end, so the number
 * of frames is right even when a terminal is too slow to show them. Looking
 * changes nothing on the host: no promiscuous mode, no group, unless asked for.
 */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "cmd/ask.h"
#include "cmd/watch_show.h"
#include "diag/live.h"
#include "diag/suspect.h"
#include "io/pcap.h"
#include "io/sniff.h"

#define SOCKETS_MAX 64
#define BUFFER (32u << 20)		/* some 40,000 frames: a second of a bad storm */
#define LAST_TURNS 1000			/* that empty the sockets at the end */
#define REREAD_NS (MONO_S / 5)		/* interfaces that are new are looked up this often at most */
#define BIT(kind) (1u << (kind))

/* Words for kinds, and for groups of them. */
static const struct {
	const char *word;
	unsigned int kinds;
} words[] = {
	{ "arp", BIT(HEARD_ARP) },
	{ "rs", BIT(HEARD_RS) },
	{ "ra", BIT(HEARD_RA) },
	{ "ns", BIT(HEARD_NS) },
	{ "na", BIT(HEARD_NA) },
	{ "redirect", BIT(HEARD_REDIRECT) },
	{ "nd", BIT(HEARD_RS) | BIT(HEARD_RA) | BIT(HEARD_NS) | BIT(HEARD_NA) | BIT(HEARD_REDIRECT) },
	{ "mld", BIT(HEARD_MLD_QUERY) | BIT(HEARD_MLD_REPORT) },
	{ "dhcp4", BIT(HEARD_DHCP4) },
	{ "dhcp6", BIT(HEARD_DHCP6) },
	{ "dhcp", BIT(HEARD_DHCP4) | BIT(HEARD_DHCP6) },
};
#define ALL_KINDS (BIT(HEARD_KIND_N_) - 1)

struct watch {
	struct cmd *cmd;
	struct sniff *socks[SOCKETS_MAX];	/* NULL: its interface is gone */
	uint32_t ifindexes[SOCKETS_MAX];	/* 0: all */
	struct sniff_frame frames[SOCKETS_MAX][SNIFF_BATCH];
	size_t n;
	unsigned int kinds;
	struct world *world;
	uint64_t world_read_ns;
	int name_width;
	struct suspect *suspect;
	struct pcap *pcap;
	uint64_t frames_read, shown, marks, limit;
	bool over;		/* the limit is reached, or nobody reads us any more */
	struct heard heard;
};

static volatile sig_atomic_t stopped;

static void on_signal(int signo)
{
	(void)signo;
	stopped = 1;
}

/* ------------------------------------------------------------------- places */

static void read_world(struct watch *w, uint64_t now_ns)
{
	struct report *quiet = report_new();
	struct world *fresh = NULL;

	if (live_read(&fresh, quiet) == 0) {
		world_free(w->world);
		w->world = fresh;
	}
	w->world_read_ns = now_ns;
	report_free(quiet);
}

static const struct w_link *link_of(struct watch *w, uint32_t ifindex, uint64_t now_ns)
{
	const struct w_link *link = world_link(w->world, ifindex);

	if (!link && now_ns - w->world_read_ns > REREAD_NS) {
		read_world(w, now_ns);
		link = world_link(w->world, ifindex);
	}
	return link;
}

/* The name to print; @buf takes one that wasn't there at the last look. */
static const char *name_of(const struct w_link *link, uint32_t ifindex, char buf[static IF_NAMESIZE])
{
	if (link)
		return link->name;
	if (if_indextoname(ifindex, buf))
		return buf;
	(void)snprintf(buf, IF_NAMESIZE, "if%u", ifindex);
	return buf;
}

/* Is a guest behind this port of a bridge, or this macvtap? */
static bool is_guests(const struct world *world, const struct w_link *link)
{
	const struct w_link *master = world_link(world, link->master);
	char network[NETWORK_NAME_MAX + 1], guest[GUEST_NAME_MAX + 1];

	if (str_eq(link->kind, "macvtap") || (alias_parse(link->alias, network, guest) && *guest))
		return true;
	if (!master || !str_eq(master->kind, "bridge"))
		return false;
	return str_eq(link->kind, "tun") || strncmp(link->name, "vif", 3) == 0 ||
	       alias_parse(master->alias, network, guest);
}

static bool has_address(const struct world *world, uint32_t ifindex, const struct ip *ip)
{
	for (size_t i = 0; i < world->n_addrs; i++)
		if (world->addrs[i].ifindex == ifindex && ip_eq(&world->addrs[i].prefix.ip, ip))
			return true;
	return false;
}

/* Is the question about an address of the interface that it came in by? */
static bool asks_us(const struct world *world, uint32_t ifindex, const struct heard *h)
{
	struct ip target;

	if (h->kind == HEARD_NS)
		target = ip6(h->ns.target);
	else if (h->kind == HEARD_ARP)
		target = ip4(h->arp.target);
	else
		return false;
	return has_address(world, ifindex, &target);
}

static void place_of(const struct watch *w, const struct sniff_frame *f, const struct w_link *link, int outcome,
		     struct suspect_place *ret)
{
	const struct w_link *master = link ? world_link(w->world, link->master) : NULL;
	bool port = master && str_eq(master->kind, "bridge"), macvtap = link && str_eq(link->kind, "macvtap");
	/* What a guest behind a macvtap writes is sent by the host, as the kernel sees it. */
	bool from_behind = macvtap ? f->way == SNIFF_OUT : f->way != SNIFF_OUT;

	*ret = (struct suspect_place){ .ifindex = f->ifindex, .link = f->ifindex, .vlan = f->vlan };
	if (!link)
		return;
	if (port)
		ret->link = master->ifindex;
	else if (macvtap && link->lower)
		ret->link = link->lower;
	ret->from_guest = from_behind && is_guests(w->world, link);
	if (port || macvtap)
		ret->answer_passes = from_behind && (macvtap || link->kind[0] != '\0');
	else
		ret->answer_passes = f->way == SNIFF_OUT || (outcome == 0 && asks_us(w->world, f->ifindex, &w->heard));
}

/* -------------------------------------------------------------------- frames */

static void on_mark(void *user, const struct suspect_mark *m)
{
	struct watch *w = user;
	struct watch_at at = { .at_ns = m->at_ns, .vlan = m->place.vlan, .name_width = w->name_width };
	char buf[IF_NAMESIZE];

	if (!(w->kinds & BIT(m->about)) || w->over)
		return;
	w->marks++;
	at.ifname = name_of(world_link(w->world, m->place.ifindex), m->place.ifindex, buf);
	if (w->cmd->json)
		watch_json_mark(&at, m);
	else if (m->kind != SUSPECT_BROKEN || w->cmd->quiet)	/* the frame's own line says it */
		watch_show_mark(w->cmd, &at, m);
}

static void record(struct watch *w, const struct sniff_frame *f)
{
	static const uint8_t no_macs[12];
	uint8_t whole[SNIFF_FRAME_MAX + 14];
	mono_t age = 0, now = mono_now();
	struct timespec ts;
	int r;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	uint64_t wall = (uint64_t)ts.tv_sec * MONO_S + (uint64_t)ts.tv_nsec;
	if (wall > f->at_ns)
		age = wall - f->at_ns;
	if (age > now)
		age = now;
	if (f->type == 0) {
		r = pcap_write(w->pcap, f->data.p, f->data.left, now - age);
	} else {	/* the file has Ethernet headers throughout */
		struct wr wr = wr_init(whole, sizeof(whole));

		wr_put(&wr, no_macs, sizeof(no_macs));
		wr_be16(&wr, f->type);
		wr_put(&wr, f->data.p, f->data.left);
		r = pcap_write(w->pcap, whole, wr.len, now - age);
	}
	if (r == 0)
		return;
	report_add(w->cmd->report, SEVERITY_WARNING, NULL, "--pcap",
		   r == -EFBIG ? "the file is full at %u MiB; later frames aren't in it"
			       : "the file can't be written any more (%u MiB at most)",
		   PCAP_FILE_MAX >> 20);
	w->pcap = pcap_free(w->pcap);
}

static void on_frame(struct watch *w, const struct sniff_frame *f)
{
	const struct w_link *link = link_of(w, f->ifindex, f->at_ns);
	struct suspect_place place;
	int outcome;

	w->frames_read++;
	if (link && (link->flags & IFF_LOOPBACK) && w->ifindexes[0] == 0)
		return;
	outcome = heard_read(f->data, f->type, f->csum_ready, &w->heard);
	if (outcome == HEARD_E_NOT_OURS)
		return;
	if (f->cut && outcome != 0)
		w->heard.why = "it is longer than is read here";
	place_of(w, f, link, outcome, &place);
	if (w->kinds & BIT(w->heard.kind)) {
		if (w->pcap)
			record(w, f);
		if (!w->cmd->quiet || w->cmd->json) {
			char buf[IF_NAMESIZE];
			const struct watch_at at = { .ifname = name_of(link, f->ifindex, buf),
						     .at_ns = f->at_ns,
						     .vlan = f->vlan,
						     .name_width = w->name_width };

			if (w->cmd->json && !w->cmd->quiet)
				watch_json_frame(&at, f->way, &w->heard, outcome);
			else if (!w->cmd->quiet)
				watch_show_frame(w->cmd, &at, f->way, &w->heard, outcome);
		}
		w->shown++;
	}
	suspect_heard(w->suspect, &place, &w->heard, outcome, f->at_ns);
	if (w->limit && w->shown >= w->limit)
		w->over = true;
}

/* A socket whose interface went away never gets anything again. */
static void drop_gone(struct watch *w, size_t i)
{
	char name[IF_NAMESIZE];

	if (w->ifindexes[i] == 0 || if_indextoname(w->ifindexes[i], name))
		return;
	const struct w_link *link = world_link(w->world, w->ifindexes[i]);
	report_add(w->cmd->report, SEVERITY_WARNING, NULL, link ? link->name : "interface", "the interface went away");
	w->socks[i] = sniff_free(w->socks[i]);
}

/* One turn of all sockets. Return: whether all of them are empty. */
static bool take(struct watch *w)
{
	size_t at[SOCKETS_MAX] = { 0 }, n[SOCKETS_MAX] = { 0 };
	bool empty = true;

	for (size_t i = 0; i < w->n; i++) {
		int r = w->socks[i] ? sniff_recv(w->socks[i], w->frames[i]) : 0;

		if (r < 0)
			drop_gone(w, i);
		n[i] = r > 0 ? (size_t)r : 0;
		empty = empty && n[i] < SNIFF_BATCH;
	}
	while (!w->over) {
		size_t next = w->n;

		for (size_t i = 0; i < w->n; i++)
			if (at[i] < n[i] &&
			    (next == w->n || w->frames[i][at[i]].at_ns < w->frames[next][at[next]].at_ns))
				next = i;
		if (next == w->n)
			break;
		on_frame(w, &w->frames[next][at[next]++]);
	}
	return empty;
}

/* ---------------------------------------------------------------- the command */

static uint64_t wall_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * MONO_S + (uint64_t)ts.tv_nsec;
}

static bool any_open(const struct watch *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->socks[i])
			return true;
	return false;
}

static void loop(struct watch *w, mono_t end, const sigset_t *unblocked)
{
	while (!stopped && !w->over && any_open(w)) {
		struct pollfd fds[SOCKETS_MAX];
		uint64_t now_ns = wall_ns(), due_ns = suspect_due(w->suspect), wait_ns = MONO_S;
		mono_t now = mono_now();

		if (now >= end)
			break;
		if (end - now < wait_ns)
			wait_ns = end - now;
		if (due_ns != UINT64_MAX && (due_ns <= now_ns || due_ns - now_ns < wait_ns))
			wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
		for (size_t i = 0; i < w->n; i++)
			fds[i] = (struct pollfd){ .fd = w->socks[i] ? sniff_fd(w->socks[i]) : -1, .events = POLLIN };
		const struct timespec ts = { (time_t)(wait_ns / MONO_S), (long)(wait_ns % MONO_S) };
		int r = ppoll(fds, w->n, &ts, unblocked);

		if (r < 0 && errno != EINTR)
			break;
		now_ns = wall_ns();	/* before the sockets are emptied: what is due by now has no answer in them */
		if (take(w) && !w->over)
			suspect_tick(w->suspect, now_ns);
		if (fflush(stdout) != 0)
			w->over = true;
	}
	/* What was there when the end came belongs to it. */
	for (unsigned int i = 0; i < LAST_TURNS && !w->over && !take(w); i++)
		;
}

static void sum_up(struct watch *w)
{
	uint64_t passed = 0, lost = 0, unread, unjudged = suspect_unjudged(w->suspect);

	for (size_t i = 0; i < w->n; i++) {
		uint64_t p = 0, l = 0;

		if (w->socks[i])
			sniff_counts(w->socks[i], &p, &l);
		passed += p;
		lost += l;
	}
	unread = passed > lost + w->frames_read ? passed - lost - w->frames_read : 0;
	if (w->cmd->json) {
		(void)printf("{\"version\":1,\"summary\":{\"frames\":%llu,\"shown\":%llu,\"lost\":%llu,\"unread\":%llu,"
			     "\"marks\":%llu,\"unjudged\":%llu}}\n",
			     (unsigned long long)passed, (unsigned long long)w->shown, (unsigned long long)lost,
			     (unsigned long long)unread, (unsigned long long)w->marks, (unsigned long long)unjudged);
	} else if (!w->cmd->quiet) {
		(void)printf("%s%llu frame%s passed, %llu shown, ", w->cmd->tty ? "\n" : "", (unsigned long long)passed,
			     passed == 1 ? "" : "s", (unsigned long long)w->shown);
		if (unread)
			(void)printf("%llu not looked at, ", (unsigned long long)unread);
		(void)printf("%llu lost%s · %llu thing%s looked wrong\n", (unsigned long long)lost,
			     lost ? " by a full buffer" : "", (unsigned long long)w->marks, w->marks == 1 ? "" : "s");
		if (unjudged)
			(void)printf("%llu solicitations were too many to judge whether somebody answered\n",
				     (unsigned long long)unjudged);
	}
}

static bool is_word(const char *arg, unsigned int *kinds)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(words[i].word, arg)) {
			*kinds |= words[i].kinds;
			return true;
		}
	return false;
}

static int add_socket(struct watch *w, const char *name, bool promiscuous)
{
	const struct w_link *link = name ? world_link_by_name(w->world, name) : NULL;
	uint32_t ifindex = link ? link->ifindex : 0;
	int r;

	if (name && !link) {
		struct finding *f = report_error(w->cmd->report, name, "neither an interface nor a kind of frame");

		report_help(f, "kinds: arp rs ra ns na redirect nd mld dhcp4 dhcp6 dhcp");
		f->exit_status = EXIT_USAGE;
		return -1;
	}
	for (size_t i = 0; i < w->n; i++)
		if (w->ifindexes[i] == ifindex)
			return 0;
	if (w->n == SOCKETS_MAX) {
		(void)cmd_usage(w->cmd, "more than %d interfaces; without names all are watched", SOCKETS_MAX);
		return -1;
	}
	r = sniff_new(&w->socks[w->n], ifindex, SNIFF_ARP | SNIFF_ICMPV6 | SNIFF_DHCP4 | SNIFF_DHCP6, BUFFER);
	if (r == 0 && promiscuous && ifindex)
		r = sniff_join(w->socks[w->n], ifindex, NULL);
	if (r < 0) {
		struct finding *f = report_error(w->cmd->report, name ? name : "watch",
						 r == -EPERM ? "frames can be seen by root only"
							     : "a packet socket cannot be opened: %s",
						 strerror(-r));
		if (r == -EPERM)
			report_help(f, "sudo sixtap watch");
		return -1;
	}
	w->ifindexes[w->n++] = ifindex;
	return 0;
}

/* Return: 0, or an exit status with an error in the report. */
static int open_all(struct watch *w, char **argv, int n, bool promiscuous)
{
	bool named = false;

	if (live_read(&w->world, w->cmd->report) < 0)
		return EXIT_FAILED;
	w->world_read_ns = wall_ns();
	for (int i = 0; i < n; i++) {
		if (is_word(argv[i], &w->kinds))
			continue;
		if (add_socket(w, argv[i], promiscuous) < 0)
			return EXIT_FAILED;
		named = true;
		if ((int)strlen(argv[i]) > w->name_width)
			w->name_width = (int)strlen(argv[i]);
	}
	if (!w->kinds)
		w->kinds = ALL_KINDS;
	if (promiscuous && !named)
		return cmd_usage(w->cmd, "--promiscuous needs interfaces by name");
	if (named)
		return 0;
	for (size_t i = 0; i < w->world->n_links; i++)
		if ((int)strlen(w->world->links[i].name) > w->name_width && !(w->world->links[i].flags & IFF_LOOPBACK))
			w->name_width = (int)strlen(w->world->links[i].name);
	return add_socket(w, NULL, false) < 0 ? EXIT_FAILED : 0;
}

static void run(struct watch *w, mono_t end)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t stop, unblocked;

	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGINT);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &stop, &unblocked);
	(void)sigdelset(&unblocked, SIGINT);
	(void)sigdelset(&unblocked, SIGTERM);
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	if (!w->cmd->tty)
		(void)setvbuf(stdout, NULL, _IOFBF, 1 << 16);	/* flushed once a turn */
	else if (!w->cmd->quiet && !w->cmd->json)
		(void)printf("%swatching · Ctrl-C ends%s\n", cmd_dim(w->cmd), cmd_plain(w->cmd));
	(void)fflush(stdout);
	loop(w, end, &unblocked);
	sum_up(w);
}

int cmd_watch(struct cmd *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "pcap", required_argument, NULL, 'p' },
		{ "count", required_argument, NULL, 'n' },
		{ "timeout", required_argument, NULL, 't' },
		{ "promiscuous", no_argument, NULL, 'P' },
		{ 0 },
	};
	struct watch *w = NEW(struct watch);
	const char *path = NULL;
	bool promiscuous = false;
	mono_t timeout = MONO_NEVER;
	unsigned int count = 0;
	int status = EXIT_USAGE, opt;

	cmd->stream = true;
	w->cmd = cmd;
	while ((opt = cmd_option(cmd, argc, argv, options)) != -1) {
		if (opt == 'p')
			path = optarg;
		else if (opt == 'P')
			promiscuous = true;
		else if (opt == 'n' && !ask_count(cmd, "--count", optarg, 1000000000, &count))
			goto out;
		else if (opt == 't' && !ask_seconds(cmd, "--timeout", optarg, &timeout))
			goto out;
		else if (opt == '?')
			goto out;
	}
	w->limit = count;
	w->suspect = suspect_new(on_mark, w);
	status = open_all(w, argv + optind, argc - optind, promiscuous);
	if (status != 0)
		goto out;
	if (path) {
		int r = pcap_open(&w->pcap, path);

		if (r < 0) {
			report_error(cmd->report, path, "%s", strerror(-r));
			status = EXIT_FAILED;
			goto out;
		}
	}
	run(w, mono_add(mono_now(), timeout));
	if (!any_open(w) && !stopped && !w->over)
		status = EXIT_FAILED;
out:
	for (size_t i = 0; i < w->n; i++)
		sniff_free(w->socks[i]);
	pcap_free(w->pcap);
	suspect_free(w->suspect);
	world_free(w->world);
	free(w);
	return status;
}

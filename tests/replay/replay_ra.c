/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replay_ra - run a script of guests' ND messages against one network of the engine
 *
 * Virtual time, no sockets: frames are built here, handed to engine_net_input(),
 * and what comes out is written as text and compared. A script's lines:
 *
 *   # comment
 *   TIME set prefix P/LEN VALID PREFERRED | set routes 0|1 | set link-local A	(then) configure
 *   TIME rs MAC SRC | mld MAC | dad MAC TARGET | ns MAC SRC TARGET | na MAC TARGET | arp MAC IP | junk MAC
 *   TIME goodbye
 *   > TIME text		the next thing that comes out, at that time; "-" for TIME: at any
 *
 * TIME is in seconds since the start and never goes back. Nothing may come out
 * that no line expects. Usage: replay_ra FILE…
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/engine_net.h"
#include "net/eth.h"
#include "net/icmpv6.h"

#define START (1000000 * MONO_S)
#define LINES_MAX 256

struct replay {
	const char *file;
	unsigned int line;
	struct engine_net *net;
	struct service service;
	mono_t now;
	struct came_out {
		mono_t at;
		char text[512];
	} came_out[LINES_MAX];
	size_t n_out, n_checked;
	unsigned int n_wrong;
};

static void complain(struct replay *r, const char *what, const char *detail)
{
	(void)fprintf(stderr, "%s:%u: %s%s\n", r->file, r->line, what, detail);
	r->n_wrong++;
}

static struct in6_addr a6(struct replay *r, const char *s)
{
	struct in6_addr a = { 0 };

	if (!s || inet_pton(AF_INET6, s, &a) != 1)
		complain(r, "not an IPv6 address: ", s ? s : "(nothing)");
	return a;
}

static const char *a6_str(const struct in6_addr *a)
{
	static char buf[2][INET6_ADDRSTRLEN];
	static unsigned int i;

	return inet_ntop(AF_INET6, a, buf[++i % 2], INET6_ADDRSTRLEN);
}

static void frame_to_text(const struct out_frame *f, char *text, size_t size)
{
	static struct ndp_ra ra;
	struct ipv6 ip;
	struct eth eth;
	struct rd msg;
	uint8_t type;
	int n;

	(void)snprintf(text, size, "not an RA");
	if (eth_parse(rd_init(f->data, f->len), &eth) != 0 || ipv6_parse(eth.payload, &ip) != 0 ||
	    icmpv6_open(&ip, true, &type, &msg) != 0)
		return;

	struct ndp_meta meta = { ip.src, ip.dst, ip.hop_limit };
	if (ndp_parse_ra(msg, &meta, &ra) != 0)
		return;
	n = snprintf(text, size, "ra %s %s from %s lifetime %u", MAC_STR(&eth.dst), a6_str(&ip.dst), a6_str(&ip.src),
		     ra.lifetime_s);
	for (size_t i = 0; i < ra.n_prefixes && n > 0 && (size_t)n < size; i++)
		n += snprintf(text + n, size - (size_t)n, " prefix %s/%u %u %u", a6_str(&ra.prefixes[i].prefix), ra.prefixes[i].len,
			      ra.prefixes[i].valid_s, ra.prefixes[i].preferred_s);
}

static void collect(struct replay *r)
{
	struct out *out = r->net->out;

	for (size_t i = 0; i < out->n_frames && r->n_out < LINES_MAX; i++) {
		struct came_out *to = &r->came_out[r->n_out++];

		to->at = r->now;
		frame_to_text(&out->frames[i], to->text, sizeof(to->text));
	}
	for (size_t i = 0; i < out->n_facts && r->n_out < LINES_MAX; i++) {
		struct came_out *to = &r->came_out[r->n_out++];
		const struct neighbour *n = &out->facts[i].neighbour;

		to->at = r->now;
		(void)snprintf(to->text, sizeof(to->text), "neighbour %s %s", IP_STR(&n->ip), MAC_STR(&n->mac));
	}
	out_reset(out);
}

/* Let timers fire until @to. */
static void run_until(struct replay *r, mono_t to)
{
	while (r->net->serving && engine_net_deadline(r->net, true) <= to) {
		if (engine_net_deadline(r->net, true) > r->now)
			r->now = engine_net_deadline(r->net, true);
		engine_net_tick(r->net, true, r->now);
		collect(r);
	}
	r->now = to;
}

static void set(struct replay *r, char **arg)
{
	struct service_prefix *p = &r->service.prefixes[0];
	struct prefix prefix;

	if (str_eq(arg[1], "routes") && arg[2]) {
		r->service.routes = arg[2][0] == '1';
	} else if (str_eq(arg[1], "link-local")) {
		r->service.link_local = a6(r, arg[2]);
	} else if (str_eq(arg[1], "prefix") && arg[2] && arg[3] && arg[4] && prefix_parse(arg[2], &prefix)) {
		*p = (struct service_prefix){ prefix.ip.v6, prefix.len, true, true, (uint32_t)strtoul(arg[3], NULL, 10),
					      (uint32_t)strtoul(arg[4], NULL, 10) };
		r->service.n_prefixes = 1;
	} else {
		complain(r, "cannot set ", arg[1] ? arg[1] : "nothing");
	}
}

static void configure(struct replay *r)
{
	(void)dhcp4_configure(r->net->dhcp4, &r->service, NULL, 0, r->now);
	(void)dhcp6_configure(r->net->dhcp6, &r->service, NULL, 0, r->now);
	neigh_configure(r->net->neigh, &r->service);
	ra_configure(r->net->ra, &r->service, r->now, r->net->out);
	r->net->serving = true;
}

static void input(struct replay *r, const char *verb, char **arg)
{
	const struct in6_addr all = { .s6_addr = { 0xff, 2, [15] = 1 } };
	enum engine_socket kind = ENGINE_SOCKET_IP;
	uint8_t buf[256];
	struct wr w = wr_init(buf, sizeof(buf));
	struct mac mac, dst = mac_of_multicast6(&all);

	if (!arg[1] || !mac_parse(arg[1], &mac)) {
		complain(r, "not a MAC address: ", arg[1] ? arg[1] : "(nothing)");
		return;
	}
	eth_begin(&w, &dst, &mac, str_eq(verb, "arp") ? ETH_TYPE_ARP : ETH_TYPE_IP6);
	if (str_eq(verb, "rs")) {
		struct in6_addr src = a6(r, arg[2]);
		struct ndp_rs rs = { .has_slla = !IN6_IS_ADDR_UNSPECIFIED(&src), .slla = mac };

		ndp_put_rs(&w, &src, &all, &rs);
	} else if (str_eq(verb, "mld")) {
		static const uint8_t report[] = { 0, 0, 0, 1, 4, 0, 0, 0, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 1, 2, 3 };
		size_t ip = ipv6_begin(&w, &in6addr_any, &all, IPPROTO_ICMPV6, 1), icmp = icmpv6_begin(&w, ICMPV6_MLD2_REPORT);

		wr_put(&w, report, sizeof(report));
		icmpv6_end(&w, icmp, &in6addr_any, &all);
		ipv6_end(&w, ip);
	} else if (str_eq(verb, "dad") || str_eq(verb, "ns")) {
		bool dad = verb[0] == 'd';
		struct in6_addr src = dad ? in6addr_any : a6(r, arg[2]), target = a6(r, arg[dad ? 2 : 3]);
		struct in6_addr to = ip6_solicited_node(&target);
		struct ndp_ns ns = { .target = target, .has_slla = !dad, .slla = mac };

		ndp_put_ns(&w, &src, &to, &ns);
	} else if (str_eq(verb, "na")) {
		struct in6_addr target = a6(r, arg[2]);
		struct ndp_na na = { .target = target, .has_tlla = true, .tlla = mac };

		ndp_put_na(&w, &target, &all, &na);
	} else if (str_eq(verb, "arp")) {
		struct arp arp = { .op = ARP_OP_REQUEST, .sender_mac = mac };

		if (!arg[2] || inet_pton(AF_INET, arg[2], &arp.sender) != 1)
			complain(r, "not an IPv4 address", "");
		arp_put(&w, &arp);
		kind = ENGINE_SOCKET_ARP;
	} else if (str_eq(verb, "junk")) {
		wr_put(&w, "`junk", 5);
	} else {
		complain(r, "unknown verb ", verb);
		return;
	}

	struct packet packet = { .frame = rd_init(buf, w.len), .csum_ready = true };
	engine_net_input(r->net, kind, &packet, true, r->now);
}

static void expect(struct replay *r, char *line)
{
	char *text = line + strcspn(line, " ");
	struct came_out *got = &r->came_out[r->n_checked];
	char time[32];

	if (*text)
		*text++ = '\0';
	if (r->n_checked == r->n_out) {
		complain(r, "nothing more came out; expected ", text);
		return;
	}
	r->n_checked++;
	(void)snprintf(time, sizeof(time), "%.3f", (double)(got->at - START) / MONO_S);
	if (!str_eq(text, got->text))
		complain(r, "came out: ", got->text);
	if (!str_eq(line, "-") && !str_eq(line, time))
		complain(r, "came out at ", time);
}

static void handle(struct replay *r, char *line)
{
	char *arg[8] = { 0 }, *save = NULL;
	size_t n = 0;

	if (line[0] == '>') {
		expect(r, line + 1 + strspn(line + 1, " "));
		return;
	}
	if (r->n_checked < r->n_out)
		complain(r, "came out before this line: ", r->came_out[r->n_checked++].text);

	mono_t at = START + (mono_t)(strtod(line, &line) * 1000) * MONO_MS;
	for (char *word = strtok_r(line, " ", &save); word && n + 1 < ARRAY_LEN(arg); word = strtok_r(NULL, " ", &save))
		arg[n++] = word;
	run_until(r, at);
	if (n == 0)
		return;			/* a bare time only lets time pass */
	if (str_eq(arg[0], "set"))
		set(r, arg);
	else if (str_eq(arg[0], "configure"))
		configure(r);
	else if (str_eq(arg[0], "goodbye"))
		ra_goodbye(r->net->ra, r->now, r->net->out);
	else
		input(r, arg[0], arg);
	collect(r);
}

static unsigned int run_file(const char *file)
{
	static const uint8_t seed[16] = { 1 };
	static struct replay r;
	char line[1024];
	FILE *f = fopen(file, "r");

	r = (struct replay){ .file = file, .now = START };
	if (!f) {
		perror(file);
		return 1;
	}
	r.service = (struct service){ .network = "lan", .mac = { { 0x52, 0x54, 0, 0xaa, 0, 1 } }, .mtu = 1500, .routes = true,
				      .ra = true };
	(void)inet_pton(AF_INET6, "fe80::1", &r.service.link_local);
	if (engine_net_new(&r.net, "lan", seed, seed, START) != 0)
		abort();
	while (fgets(line, sizeof(line), f)) {
		r.line++;
		line[strcspn(line, "#\n")] = '\0';
		size_t n = strlen(line);
		while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t'))
			line[--n] = '\0';
		if (n > 0)
			handle(&r, line);
	}
	(void)fclose(f);
	while (r.n_checked < r.n_out)
		complain(&r, "came out at the end: ", r.came_out[r.n_checked++].text);
	engine_net_free(r.net);
	return r.n_wrong;
}

int main(int argc, char **argv)
{
	unsigned int n_wrong = 0;

	for (int i = 1; i < argc; i++)
		n_wrong += run_file(argv[i]);
	return n_wrong > 0 || argc < 2;
}

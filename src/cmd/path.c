/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path - sixtap path FROM TO [PORT[/udp]]: where a packet goes, and where it ends
 *
 * Nothing is sent: the way is reasoned from a snapshot (diag/path.h), which may
 * come from a file. Where both families are possible both are walked; the JSON
 * answer is then the one that doesn't get through, or IPv4's, with both beside.
 */
#include <netinet/in.h>
#include <stdio.h>
#include "base/arena.h"
#include "cmd/cmd.h"
#include "cmd/doctor.h"
#include "diag/path.h"

#define AT_WIDTH 23

enum {
	OPT_IPV4 = 1,
	OPT_IPV6,
	OPT_FROM,
};

/* PORT, PORT/tcp or PORT/udp. */
static bool parse_port(const char *word, uint8_t *ret_proto, uint16_t *ret_port)
{
	char *end;
	unsigned long n = strtoul(word, &end, 10);

	if (end == word || word[0] < '0' || word[0] > '9' || n == 0 || n > 65535)
		return false;
	if (strcmp(end, "") == 0 || strcmp(end, "/tcp") == 0)
		*ret_proto = IPPROTO_TCP;
	else if (strcmp(end, "/udp") == 0)
		*ret_proto = IPPROTO_UDP;
	else
		return false;
	*ret_port = (uint16_t)n;
	return true;
}

static enum cmd_glyph glyph_of(enum path_verdict verdict)
{
	return verdict == PATH_PASS ? GLYPH_OK : verdict == PATH_DROP ? GLYPH_ERROR : GLYPH_WARNING;
}

static void show_way(const struct cmd *cmd, const struct path_way *way)
{
	for (size_t i = 0; i < way->n; i++) {
		const struct path_step *st = &way->steps[i];

		(void)printf("  %s ", cmd_glyph(cmd, glyph_of(st->verdict)));
		cmd_column(st->at, AT_WIDTH);
		(void)printf("%s\n", st->what);
		if (st->rule[0] && (st->verdict != PATH_PASS || cmd->verbose))
			(void)printf("    %*s%s%s%s\n", AT_WIDTH, "", cmd_dim(cmd), st->rule, cmd_plain(cmd));
	}
}

static void show(const struct cmd *cmd, const struct path *p)
{
	const char *arrow = cmd->utf8 ? "→" : "->", *family = p->family == AF_INET ? "IPv4" : "IPv6";
	const struct path_way *bad =
		p->there.verdict != PATH_PASS && (p->there.verdict == PATH_DROP || p->answer.verdict == PATH_PASS)
			? &p->there
			: &p->answer;

	(void)printf("%s%s %s %s%s  %s %s %s", cmd_bold(cmd), p->from.name, arrow, p->to.name, cmd_plain(cmd),
		     IP_STR(&p->src), arrow, IP_STR(&p->dst));
	if (p->port)
		(void)printf(" port %u/%s", p->port, p->proto == IPPROTO_TCP ? "tcp" : "udp");
	(void)printf(", %s%s\n", family, p->port ? "" : " ping");
	show_way(cmd, &p->there);
	if (p->there.verdict != PATH_DROP) {
		(void)printf("%sand the answer%s\n", cmd_dim(cmd), cmd_plain(cmd));
		show_way(cmd, &p->answer);
	}
	if (p->verdict == PATH_PASS)
		(void)printf("%s %s: it gets there, and so does the answer\n", cmd_glyph(cmd, GLYPH_OK), family);
	else if (bad->end)
		(void)printf("%s %s: %s %s at %s: %s\n", cmd_glyph(cmd, glyph_of(p->verdict)), family,
			     bad == &p->there ? "it" : "the answer", p->verdict == PATH_DROP ? "ends" : "may end",
			     bad->end->at, bad->end->what);
}

/* The error is told. */
static bool find(struct cmd *cmd, const struct snapshot *s, struct arena *arena, const char *word, struct path_end *ret)
{
	const char *wrong = path_find_end(s, arena, word, ret);
	struct finding *f;

	if (!wrong)
		return true;
	f = report_error(cmd->report, word, "%s", wrong);
	report_help(f, "a guest (NETWORK/GUEST), its interface, an address, host or outside");
	f->exit_status = EXIT_USAGE;
	return false;
}

int cmd_path(struct cmd *cmd, int argc, char **argv)
{
	static const struct option own[] = {
		{ "ipv4", no_argument, NULL, OPT_IPV4 },
		{ "ipv6", no_argument, NULL, OPT_IPV6 },
		{ "from", required_argument, NULL, OPT_FROM },
		{ 0 },
	};
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	_cleanup_(snapshot_freep) struct snapshot *snap = NULL;
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct doctor doctor = { .cmd = cmd };
	struct path paths[2], *worst = NULL;
	struct path_end from, to;
	const char *file = NULL;
	uint8_t only = 0, proto = 0;
	uint16_t port = 0;
	size_t n = 0;
	int opt;

	cmd->failed = EXIT_UNDETERMINED;
	while ((opt = cmd_option(cmd, argc, argv, own)) != -1) {
		if (opt == OPT_IPV4)
			only = AF_INET;
		else if (opt == OPT_IPV6)
			only = AF_INET6;
		else if (opt == OPT_FROM)
			file = optarg;
		else
			return EXIT_USAGE;
	}
	argv += optind;
	argc -= optind;
	if (argc < 2 || argc > 3)
		return cmd_usage(cmd, "FROM and TO are needed; sixtap path lan/web outside 443");
	if (argc == 3 && !parse_port(argv[2], &proto, &port))
		return cmd_usage(cmd, "\"%s\" isn't a port; write 443, 443/tcp or 53/udp", argv[2]);
	if ((file ? snapshot_load(&snap, file, cmd->report) : doctor_read(&doctor, &snap)) < 0)
		return EXIT_UNDETERMINED;
	if (!find(cmd, snap, arena, argv[0], &from) || !find(cmd, snap, arena, argv[1], &to))
		return EXIT_USAGE;
	for (size_t i = 0; i < 2; i++) {
		if ((only && only != families[i]) || !path_has_family(&from, &to, families[i]))
			continue;
		path_walk(snap, arena, &from, &to, families[i], proto, port, &paths[n]);
		if (!worst || (paths[n].verdict != PATH_PASS && worst->verdict == PATH_PASS))
			worst = &paths[n];
		n++;
	}
	if (!worst) {
		struct finding *f =
			report_error(cmd->report, "path", "%s and %s have no address of one family that is known here",
				     argv[0], argv[1]);

		report_help(f, "name an address instead");
		return EXIT_UNDETERMINED;
	}
	if (cmd->json) {
		json_t *o = path_json(worst), *all = json_object();

		for (size_t i = 0; i < n; i++)
			(void)json_object_set_new(all, paths[i].family == AF_INET ? "ipv4" : "ipv6",
						  path_json(&paths[i]));
		if (n > 1)
			(void)json_object_set(o, "families", all);
		json_decref(all);
		cmd_json(cmd, o);
	} else {
		for (size_t i = 0; i < n; i++) {
			if (i > 0)
				(void)printf("\n");
			show(cmd, &paths[i]);
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (paths[i].verdict == PATH_UNKNOWN)
			return EXIT_UNDETERMINED;
	}
	return EXIT_DONE;
}

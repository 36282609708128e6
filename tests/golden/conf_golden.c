/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf_golden - every configuration of a folder against what was said of it
 *
 * For each DIR/x.yaml (or folder DIR/x.d of them), DIR/x.txt is what a person
 * sees: the findings, or the whole struct desired. --bless rewrites the texts.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include "conf/conf.h"
#include "conf/forward.h"

#define FILES_MAX 8

static const struct conf_seed seed = { { 's', 'i', 'x', 't', 'a', 'p' } };

static char *read_file(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t n = 0, got;

	if (!f)
		return NULL;
	do {
		text = xrealloc(text, n + 65536 + 1, 1);
		got = fread(text + n, 1, 65536, f);
		n += got;
	} while (got > 0);
	text[n] = '\0';
	*ret_len = n;
	(void)fclose(f);
	return text;
}

static void print_guest(FILE *to, const struct d_guest *g)
{
	(void)fprintf(to, "  guest %s mac=%s%s", g->name, MAC_STR(&g->mac), g->mac_given ? "" : " (derived)");
	for (size_t i = 0; i < g->n_ips; i++)
		(void)fprintf(to, " %s", IP_STR(&g->ips[i]));
	if (g->user)
		(void)fprintf(to, " user=%s", g->user);
	(void)fputc('\n', to);
	for (size_t i = 0; i < g->n_forwards; i++) {
		(void)fprintf(to, "    forward %s", g->forwards[i].spec);
		for (size_t k = 0; k < g->forwards[i].n_from; k++)
			(void)fprintf(to, " from=%s", PREFIX_STR(&g->forwards[i].from[k]));
		(void)fputc('\n', to);
	}
}

static void print_network(FILE *to, const struct d_network *n)
{
	static const char *const nat6[] = { [TRISTATE_AUTO] = "auto", [TRISTATE_YES] = "yes", [TRISTATE_NO] = "no" };
	static const char *const assign[] = { "-", "slaac", "dhcp", "both" };

	(void)fprintf(to, "%s mode=%s uplink=%s bridge=%s mac=%s mtu=%u domain=%s file=%s source=%s line=%u\n", n->name,
		      net_mode_name[n->mode], n->uplink ? n->uplink : "auto", n->bridge, MAC_STR(&n->mac), n->mtu, n->domain,
		      n->file, n->source, n->where.line);
	(void)fprintf(to, "  ipv4 on=%d auto=%d address=%s dhcp=%d range=%s-%s\n", n->ipv4, n->ipv4_auto, PREFIX_STR(&n->address4),
		      n->dhcp4, IP_STR(&n->range4.first), IP_STR(&n->range4.last));
	(void)fprintf(to, "  ipv6 %s address=%s assign=%s range=%s-%s nat=%s ladder=", ip6_source_name[n->ipv6],
		      PREFIX_STR(&n->address6), assign[n->assign], IP_STR(&n->range6.first), IP_STR(&n->range6.last), nat6[n->nat6]);
	for (size_t i = 0; i < n->n_ladder; i++)
		(void)fprintf(to, "%s%s", i ? "," : "", ip6_source_name[n->ladder[i]]);
	(void)fprintf(to, "\n  lease=%u nat-ports=%u-%u nat-address=", n->lease_s, n->nat_port_first, n->nat_port_last);
	for (size_t i = 0; i < n->n_nat_addresses; i++)
		(void)fprintf(to, "%s%s", i ? "," : "", IP_STR(&n->nat_addresses[i]));
	(void)fprintf(to, " dns=%d dns-servers=", n->dns);
	for (size_t i = 0; i < n->n_dns_servers; i++)
		(void)fprintf(to, "%s%s", i ? "," : "", IP_STR(&n->dns_servers[i]));
	(void)fprintf(to, "\n  host-access=%s spoof-check=%d firewall=%d autostart=%d allow=", host_access_name[n->host_access],
		      n->spoof_check, n->firewall_auto, n->autostart);
	for (size_t i = 0; i < n->n_allow; i++)
		(void)fprintf(to, "%s%s", i ? "," : "", n->allow[i]);
	(void)fputc('\n', to);
	if (n->mode == NET_MODE_MACVTAP) {
		(void)fprintf(to, "  macvtap mode=%s multicast=%s queue=%u host=%s,%s sources=", macvtap_mode_name[n->macvtap.mode],
			      macvtap_multicast_name[n->macvtap.multicast], n->macvtap.broadcast_queue,
			      PREFIX_STR(&n->host_address4), PREFIX_STR(&n->host_address6));
		for (size_t i = 0; i < n->macvtap.n_sources; i++)
			(void)fprintf(to, "%s%s", i ? "," : "", MAC_STR(&n->macvtap.sources[i]));
		(void)fputc('\n', to);
	}
	for (size_t i = 0; i < n->n_guests; i++)
		print_guest(to, &n->guests[i]);
}

static int only_yaml(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && str_eq(e->d_name + n - 5, ".yaml");
}

/* What is said of one configuration: a file, or a folder of files. */
static char *say(const char *path, const char *name)
{
	_cleanup_(report_freep) struct report *report = report_new();
	_cleanup_(desired_freep) struct desired *desired = NULL;
	struct conf_source sources[FILES_MAX] = { 0 };
	char *names[FILES_MAX] = { NULL }, *texts[FILES_MAX] = { NULL }, *said = NULL;
	struct dirent **list = NULL;
	size_t n = 0, len = 0;
	int n_list = scandir(path, &list, only_yaml, alphasort);

	if (n_list < 0) {
		names[0] = xstrdup(name);
		texts[0] = read_file(path, &len);
		sources[n++] = (struct conf_source){ names[0], texts[0] ? texts[0] : "", len, name };
	}
	for (int i = 0; i < n_list && n < FILES_MAX; i++) {
		_cleanup_(freep) char *full = xasprintf("%s/%s", path, list[i]->d_name);

		names[n] = xasprintf("%s/%s", name, list[i]->d_name);
		texts[n] = read_file(full, &len);
		sources[n] = (struct conf_source){ names[n], texts[n] ? texts[n] : "", len, name };
		n++;
	}
	for (int i = 0; i < n_list; i++)
		free(list[i]);
	free((void *)list);

	FILE *to = open_memstream(&said, &len);
	int r = conf_read(sources, n, &seed, report, &desired);
	for (size_t i = 0; i < n; i++) {
		free(names[i]);
		free(texts[i]);
	}
	report_print(report, to, false);
	(void)fprintf(to, "%zu error%s, exit status %d\n", report_n_errors(report), report_n_errors(report) == 1 ? "" : "s",
		      report_exit_status(report));
	for (size_t i = 0; r == 0 && i < desired->n_networks; i++)
		print_network(to, &desired->networks[i]);
	(void)fclose(to);
	return said;
}

static int check(const char *dir, const char *entry, size_t stem, bool bless)
{
	_cleanup_(freep) char *path = xasprintf("%s/%s", dir, entry), *golden = xasprintf("%s/%.*s.txt", dir, (int)stem, entry);
	_cleanup_(freep) char *said = say(path, entry);
	size_t len = 0;
	_cleanup_(freep) char *want = read_file(golden, &len);

	if (want && str_eq(want, said))
		return 0;
	if (!bless) {
		(void)printf("%s differs; --bless writes what is said now:\n%s", golden, said);
		return 1;
	}
	FILE *f = fopen(golden, "we");
	int r = !f || fputs(said, f) < 0;
	if (f)
		r |= fclose(f) != 0;
	return r;
}

int main(int argc, char **argv)
{
	bool bless = argc == 3 && str_eq(argv[2], "--bless");
	struct dirent **list = NULL;
	int n = argc >= 2 ? scandir(argv[1], &list, NULL, alphasort) : -1, bad = 0, seen = 0;

	if (n < 0) {
		(void)fprintf(stderr, "usage: conf_golden DIR [--bless]\n");
		return 2;
	}
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		size_t len = strlen(name);

		if (len > 5 && str_eq(name + len - 5, ".yaml")) {
			bad += check(argv[1], name, len - 5, bless);
			seen++;
		} else if (len > 2 && str_eq(name + len - 2, ".d")) {
			bad += check(argv[1], name, len - 2, bless);
			seen++;
		}
		free(list[i]);
	}
	free((void *)list);
	(void)printf("%d configurations, %d differ\n", seen, bad);
	return bad > 0 || seen == 0;
}

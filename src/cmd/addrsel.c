/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addrsel - sixtap addrsel: which source and destination a program will use, and why
 *
 * Gathers (destinations, sources, tables), lets src/addrsel judge, and shows or
 * writes what came of it. Three kinds of host: this one, by its kernel; a made-up
 * one, by --source; a guest of ours, by the daemon. Reads only, but for --write.
 */
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include "addrsel/explain.h"
#include "cmd/addrsel.h"
#include "cmd/addrsel_live.h"
#include "cmd/client.h"
#include "ctl/request.h"

#define WARNED_LINE_MAX 200	/* source lines longer than this are not shown beside a warning */

enum {
	OPT_SOURCE = 1,
	OPT_GAI_CONF,
	OPT_GUEST,
	OPT_ADVISE,
	OPT_FORMAT,
	OPT_WRITE,
	OPT_NO_ROUTE,
};

static const struct option options[] = {
	{ "source", required_argument, NULL, OPT_SOURCE },
	{ "gai-conf", required_argument, NULL, OPT_GAI_CONF },
	{ "guest", required_argument, NULL, OPT_GUEST },
	{ "advise", required_argument, NULL, OPT_ADVISE },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "write", no_argument, NULL, OPT_WRITE },
	{ "no-route", required_argument, NULL, OPT_NO_ROUTE },
	{ 0 },
};

struct wish {
	const char **sources;
	size_t n_sources, cap_sources;
	const char *gai_conf, *guest;
	uint8_t advise;			/* AF_INET, AF_INET6 or 0 */
	bool no_route4, no_route6;
	bool format_given, cloud_init, write;
};

static uint8_t family_of(const char *s)
{
	return str_eq(s, "ipv6") ? AF_INET6 : str_eq(s, "ipv4") ? AF_INET : 0;
}

static int take_option(struct cmd *cmd, struct wish *wish, int opt)
{
	uint8_t family;

	switch (opt) {
	case OPT_SOURCE:
		GROW(wish->sources, wish->n_sources, wish->cap_sources);
		wish->sources[wish->n_sources++] = optarg;
		return 0;
	case OPT_GAI_CONF:
		wish->gai_conf = optarg;
		return 0;
	case OPT_GUEST:
		wish->guest = optarg;
		if (!strchr(optarg, '/') || optarg[0] == '/' || strchr(optarg, '/')[1] == '\0')
			return cmd_usage(cmd, "--guest %s isn't NETWORK/GUEST", optarg);
		return 0;
	case OPT_ADVISE:
		wish->advise = family_of(optarg);
		return wish->advise ? 0 : cmd_usage(cmd, "--advise %s isn't ipv6 or ipv4", optarg);
	case OPT_FORMAT:
		wish->format_given = true;
		wish->cloud_init = str_eq(optarg, "cloud-init");
		if (!wish->cloud_init && !str_eq(optarg, "gai.conf"))
			return cmd_usage(cmd, "--format %s isn't gai.conf or cloud-init", optarg);
		return 0;
	case OPT_WRITE:
		wish->write = true;
		return 0;
	case OPT_NO_ROUTE:
		family = family_of(optarg);
		if (family == 0)
			return cmd_usage(cmd, "--no-route %s isn't ipv6 or ipv4", optarg);
		wish->no_route4 = wish->no_route4 || family == AF_INET;
		wish->no_route6 = wish->no_route6 || family == AF_INET6;
		return 0;
	}
	return EXIT_USAGE;
}

static int check_wish(struct cmd *cmd, const struct wish *wish, int n_dests)
{
	if (n_dests == 0)
		return cmd_usage(cmd, "names or addresses of destinations are missing");
	if (wish->guest && wish->n_sources > 0)
		return cmd_usage(cmd, "--guest and --source exclude each other");
	if ((wish->no_route4 || wish->no_route6) && wish->n_sources == 0)
		return cmd_usage(cmd, "--no-route goes with --source");
	if ((wish->write || wish->format_given) && !wish->advise)
		return cmd_usage(cmd, "%s goes with --advise", wish->write ? "--write" : "--format");
	if (wish->write && wish->cloud_init)
		return cmd_usage(cmd, "--write writes a gai.conf, not cloud-init");
	if (wish->write && wish->guest)
		return cmd_usage(cmd, "--write writes on this host; a guest takes --format cloud-init");
	if (wish->write && wish->n_sources > 0 && !wish->gai_conf)
		return cmd_usage(cmd, "--write for a made-up host needs its --gai-conf FILE");
	return 0;
}

/* ---------------------------------------------------------------- hosts */

/* The interface of this name, made when it's new. */
static struct addrsel_if *host_if(struct addrsel_host *host, const char *name)
{
	struct addrsel_if interface = { .index = (uint32_t)host->n_ifs + 1 };

	for (size_t i = 0; i < host->n_ifs; i++)
		if (str_eq(host->ifs[i].name, name))
			return &host->ifs[i];
	(void)str_copy(interface.name, sizeof(interface.name), name);
	addrsel_host_add_if(host, &interface);
	return &host->ifs[host->n_ifs - 1];
}

/* ADDR[/LEN][,deprecated][,temporary][,home][,tunnel][,dev=NAME] */
static int add_source(struct cmd *cmd, struct addrsel_host *host, const char *spec)
{
	_cleanup_(freep) char *text = xstrdup(spec);
	char *save = NULL, *word = strtok_r(text, ",", &save);
	struct addrsel_addr addr = { 0 };
	const char *dev = "eth0";
	bool tunnel = false;
	struct prefix prefix;
	struct addrsel_if *interface;

	if (word && prefix_parse(word, &prefix)) {
		addr.ip = prefix.ip;
		addr.len = prefix.len;
	} else if (word && ip_parse(word, &addr.ip)) {
		addr.len = addr.ip.family == AF_INET6 ? 64 : 24;
	} else {
		return cmd_usage(cmd, "--source %s isn't an address or ADDRESS/LENGTH", spec);
	}
	if (ip_is_multicast(&addr.ip) || ip_is_unspecified(&addr.ip))
		return cmd_usage(cmd, "--source %s cannot be a source", spec);
	while ((word = strtok_r(NULL, ",", &save))) {
		if (str_eq(word, "deprecated"))
			addr.deprecated = true;
		else if (str_eq(word, "temporary"))
			addr.temporary = true;
		else if (str_eq(word, "home"))
			addr.home = true;
		else if (str_eq(word, "tunnel"))
			tunnel = true;
		else if (strncmp(word, "dev=", 4) == 0 && word[4] && strlen(word + 4) < IF_NAMESIZE)
			dev = word + 4;
		else
			return cmd_usage(cmd, "--source %s: %s isn't deprecated, temporary, home, tunnel or dev=NAME", spec,
					 word);
	}
	interface = host_if(host, dev);
	interface->tunnel = interface->tunnel || tunnel;
	interface->prefer_temporary = interface->prefer_temporary || addr.temporary;
	addr.index = interface->index;
	addrsel_host_assign(host, &addr);
	return 0;
}

/* A default route on the first interface that has an address of the family and isn't lo. */
static void add_default_route(struct addrsel_host *host, uint8_t family)
{
	for (size_t i = 0; i < host->n_addrs; i++) {
		const struct addrsel_addr *addr = &host->addrs[i];

		if (addr->ip.family != family || addr->index == 1)
			continue;
		addrsel_host_add_route(host, &(struct addrsel_route){ .dst.ip.family = family,
								      .index = addr->index,
								      .metric = 1024,
								      .scope = 253 });
		return;
	}
}

static int made_up_host(struct cmd *cmd, const struct wish *wish, struct addrsel_host **ret)
{
	_cleanup_(addrsel_host_freep) struct addrsel_host *host = addrsel_host_new();

	addrsel_host_add_loopback(host);
	for (size_t i = 0; i < wish->n_sources; i++) {
		int r = add_source(cmd, host, wish->sources[i]);

		if (r != 0)
			return r;
	}
	if (!wish->no_route4)
		add_default_route(host, AF_INET);
	if (!wish->no_route6)
		add_default_route(host, AF_INET6);
	*ret = STEAL_PTR(host);
	return 0;
}

/* The prefix length of a network's own address ("192.168.150.1/24"), or @otherwise. */
static uint8_t network_len(const json_t *network, const char *key, uint8_t otherwise)
{
	const char *s = json_string_value(json_object_get(json_object_get(network, key), "address"));
	struct prefix prefix;

	return s && prefix_parse(s, &prefix) ? prefix.len : otherwise;
}

static void add_guest_addrs(struct addrsel_host *host, const json_t *list, uint8_t len)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)list, i, v) {
		const char *s = json_string_value(json_is_object(v) ? json_object_get(v, "address") : v);
		struct addrsel_addr addr = { .index = 2, .len = len };
		struct prefix prefix;

		if (s && prefix_parse(s, &prefix))
			addr.ip = prefix.ip;
		else if (!s || !ip_parse(s, &addr.ip))
			continue;
		addrsel_host_assign(host, &addr);
	}
}

static const json_t *find_named(const json_t *list, const char *name, size_t len)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)list, i, v) {
		const char *s = json_string_value(json_object_get(v, "name"));

		if (s && strlen(s) == len && strncmp(s, name, len) == 0)
			return v;
	}
	return NULL;
}

/* A guest as the daemon's status tells it: its addresses behind one interface. Return: 0 or an exit status. */
static int addrsel_guest_sources(struct cmd *cmd, const char *which, struct addrsel_host **ret)
{
	_cleanup_(addrsel_host_freep) struct addrsel_host *host = addrsel_host_new();
	const char *slash = strchr(which, '/'), *mode;
	const json_t *network, *guest;
	struct control *control = NULL;
	json_t *answer = NULL;
	int r = client_connect(cmd, CLIENT_MUST_RUN, &control);

	if (r == 0)
		r = client_ask(cmd, control, ctl_request_new(CTL_STATUS), NULL, NULL, &answer, NULL, NULL);
	control_free(control);
	if (r != 0)
		return EXIT_FAILED;
	network = find_named(json_object_get(answer, "networks"), which, (size_t)(slash - which));
	guest = network ? find_named(json_object_get(network, "guests"), slash + 1, strlen(slash + 1)) : NULL;
	addrsel_host_add_loopback(host);
	addrsel_host_add_if(host, &(struct addrsel_if){ .index = 2, .name = "eth0" });
	if (guest) {
		add_guest_addrs(host, json_object_get(guest, "ipv4"), network_len(network, "ipv4", 24));
		add_guest_addrs(host, json_object_get(guest, "ipv6"), network_len(network, "ipv6", 64));
		mode = json_string_value(json_object_get(network, "mode"));
		if (!str_eq(mode, "isolated")) {
			add_default_route(host, AF_INET);
			add_default_route(host, AF_INET6);
		}
	}
	json_decref(answer);
	if (!guest) {
		report_help(report_error(cmd->report, which, "no such guest is known"), "see sixtap guests");
		return EXIT_FAILED;
	}
	if (host->n_addrs == 2) {	/* those of lo */
		report_help(report_error(cmd->report, which, "has no address yet"), "see sixtap leases");
		return EXIT_FAILED;
	}
	*ret = STEAL_PTR(host);
	return 0;
}

/* ---------------------------------------------------------------- destinations */

static bool has_dest(const struct judgement *j, size_t n, const struct addrsel_dest *d)
{
	for (size_t i = 0; i < n; i++)
		if (ip_eq(&j->dests[i].ip, &d->ip) && j->dests[i].scope_id == d->scope_id)
			return true;
	return false;
}

static void add_dest(struct judgement *j, size_t n_before, const struct addrsel_dest *d)
{
	if (has_dest(j, n_before, d))	/* said before; twice in one answer stays twice, as glibc has it */
		return;
	GROW(j->dests, j->n, j->cap);
	j->dests[j->n++] = *d;
}

/* ADDR or FE80ADDR%IFACE. Return: false when it isn't one, and a name has to be asked for. */
static bool literal(const char *arg, struct addrsel_dest *ret)
{
	char text[IP_STRLEN];
	const char *percent = strchr(arg, '%');
	size_t n = percent ? (size_t)(percent - arg) : strlen(arg);

	*ret = (struct addrsel_dest){ .index = ADDRSEL_NO_INDEX };
	if (n >= sizeof(text))
		return false;
	memcpy(text, arg, n);
	text[n] = '\0';
	if (!ip_parse(text, &ret->ip) || (percent && ret->ip.family != AF_INET6))
		return false;
	if (percent)
		ret->scope_id = if_nametoindex(percent + 1);
	return !percent || ret->scope_id != 0;
}

/* All destinations; every one that can't be found is said. Return: 0 or an exit status. */
static int gather_dests(struct cmd *cmd, struct judgement *j, const struct policy *own, char **argv, int argc)
{
	int status = 0;

	for (int i = 0; i < argc; i++) {
		_cleanup_(freep) struct addrsel_dest *found = NULL;
		struct addrsel_dest one;
		size_t n = 0, before = j->n;
		bool differs = false;
		int r;

		if (argv[i][0] == '\0') {
			status = cmd_usage(cmd, "an empty name");
			continue;
		}
		if (literal(argv[i], &one)) {
			add_dest(j, before, &one);
			continue;
		}
		if (strchr(argv[i], ':')) {	/* no name has one */
			status = cmd_usage(cmd, "%s isn't an IPv6 address", argv[i]);
			continue;
		}
		r = addrsel_live_name(argv[i], own, &found, &n, &differs);
		if (r != 0) {
			report_help(report_error(cmd->report, argv[i], "%s", gai_strerror(r)), "check the name");
			status = status ? status : EXIT_FAILED;
			continue;
		}
		for (size_t k = 0; k < n; k++)
			add_dest(j, before, &found[k]);
		if (differs)
			report_add(cmd->report, SEVERITY_WARNING, NULL, argv[i],
				   "getaddrinfo() orders its addresses in another way than glibc 2.36 does");
	}
	return status;
}

/* ---------------------------------------------------------------- judging */

static void resolve(const struct judgement *j, struct addrsel_dest *dests, size_t n, struct cmd *cmd)
{
	int r = 0;

	if (j->host)
		addrsel_host_resolve(j->host, dests, n);
	else
		r = addrsel_live_resolve(dests, n);
	if (r < 0)
		report_add(cmd->report, SEVERITY_WARNING, NULL, "rtnetlink",
			   "%s; deprecated addresses and tunnels are not known", strerror(-r));
}

static bool both_families(const struct judgement *j)
{
	bool six = false, four = false;

	for (size_t i = 0; i < j->n; i++) {
		six = six || j->dests[i].ip.family == AF_INET6;
		four = four || j->dests[i].ip.family == AF_INET;
	}
	return six && four;
}

static void judge(struct cmd *cmd, struct judgement *j, uint8_t advise)
{
	struct addrsel_dest refs[ADDRSEL_REFERENCE_MAX];
	size_t n_refs = addrsel_reference(refs);

	addrsel_sort(j->policy, j->dests, j->n, j->order);
	j->advice = advice_free(j->advice);
	j->advised = advise ? advise : AF_INET6;
	if (!advise && !both_families(j))
		return;
	resolve(j, refs, n_refs, cmd);
	j->advice = addrsel_advise(j->policy, j->dests, j->n, refs, n_refs, j->advised);
}

/* Warnings show the line they are about, unless that's no text for a terminal. */
static void remember_source(struct cmd *cmd, const struct gai_file *file)
{
	size_t start = 0;

	for (size_t i = 0; i < file->len; i++) {
		if (file->text[i] == '\n')
			start = i + 1;
		else if (i - start >= WARNED_LINE_MAX || ((unsigned char)file->text[i] < ' ' && file->text[i] != '\t' &&
							  file->text[i] != '\r'))
			return;
	}
	report_source(cmd->report, file->path, file->text, file->len);
}

static int load_policy(struct cmd *cmd, struct judgement *j, const struct wish *wish)
{
	const char *path = wish->gai_conf ? wish->gai_conf : wish->guest || wish->n_sources > 0 ? NULL : GAI_CONF;

	if (path && gai_file_read(cmd, path, wish->gai_conf && !wish->write, &j->file) != 0)
		return EXIT_FAILED;
	if (j->file.text)
		remember_source(cmd, &j->file);
	j->policy = policy_parse(j->file.text, j->file.len, j->file.path, cmd->report);
	return 0;
}

/* This host's own tables: the ones getaddrinfo() here sorts by. */
static struct policy *own_policy(void)
{
	_cleanup_(gai_file_clear) struct gai_file file = { 0 };
	_cleanup_(report_freep) struct report *unheard = report_new();
	struct cmd quiet = { .report = unheard };

	(void)gai_file_read(&quiet, GAI_CONF, false, &file);
	return policy_parse(file.text, file.len, GAI_CONF, NULL);
}

/* ---------------------------------------------------------------- results */

static const char *family_name(uint8_t family)
{
	return family == AF_INET6 ? "IPv6" : "IPv4";
}

/* --advise without --write: a gai.conf (or cloud-init data) on stdout. */
static int print_advice(struct cmd *cmd, const struct judgement *j, bool cloud_init)
{
	_cleanup_(freep) char *text = NULL;

	if (j->advice->outcome == ADVICE_NOT_NEEDED) {
		if (!cmd->quiet)
			(void)fprintf(stderr, "sixtap: %s comes first already: nothing to change\n", family_name(j->advised));
		return EXIT_DONE;
	}
	text = cloud_init ? advice_cloud_init(j->advice->policy) : advice_config(j->advice->policy);
	(void)fputs(text, stdout);
	return EXIT_DONE;
}

static void answer_written(struct cmd *cmd, const struct judgement *j, bool changed, const char *backup)
{
	json_t *answer = addrsel_show_json(j);

	(void)json_object_set_new(answer, "changed", json_boolean(changed));
	if (backup)
		(void)json_object_set_new(answer, "backup", json_string(backup));
	cmd_json(cmd, answer);
}

/* --write: order before, the file, order after. */
static int write_advice(struct cmd *cmd, struct judgement *j)
{
	_cleanup_(freep) char *text = NULL;
	_cleanup_(freep) char *backup = NULL;
	bool show = !cmd->json && !cmd->quiet;
	size_t len = 0;

	if (j->advice->outcome == ADVICE_NOT_NEEDED) {
		if (cmd->json)
			answer_written(cmd, j, false, NULL);
		else if (show)
			(void)printf("%s %s comes first already: nothing to change\n", cmd_glyph(cmd, GLYPH_OK),
				     family_name(j->advised));
		return EXIT_DONE;
	}
	text = advice_merge(j->advice, j->policy, j->file.text, j->file.len, &len);
	if (show) {
		(void)printf("Before:\n");
		addrsel_show_table(cmd, j);
	}
	if (gai_file_replace(cmd, &j->file, text, len, &backup) != 0)
		return EXIT_FAILED;
	policy_free(j->policy);
	j->policy = policy_parse(text, len, j->file.path, NULL);
	judge(cmd, j, j->advised);
	if (cmd->json)
		answer_written(cmd, j, true, backup);
	if (show) {
		(void)printf("\nAfter:\n");
		addrsel_show_table(cmd, j);
		(void)printf("\n%s wrote %s", cmd_glyph(cmd, GLYPH_OK), j->file.path);
		if (backup)
			(void)printf("; the old one is %s", backup);
		(void)printf("\n  Programs that are running keep what they read at their start.\n");
	}
	return EXIT_DONE;
}

static void clear(struct judgement *j)
{
	gai_file_clear(&j->file);
	policy_free(j->policy);
	addrsel_host_free(j->host);
	advice_free(j->advice);
	free(j->dests);
	free(j->order);
}

int cmd_addrsel(struct cmd *cmd, int argc, char **argv)
{
	_cleanup_(clear) struct judgement j = { 0 };
	_cleanup_(policy_freep) struct policy *own = NULL;
	struct wish wish = { 0 };
	int opt, r = 0;

	while (r == 0 && (opt = cmd_option(cmd, argc, argv, options)) != -1)
		r = opt == '?' ? EXIT_USAGE : take_option(cmd, &wish, opt);
	argv += optind;
	argc -= optind;
	if (r == 0)
		r = check_wish(cmd, &wish, argc);
	if (r == 0)
		r = load_policy(cmd, &j, &wish);
	if (r == 0 && wish.guest)
		r = addrsel_guest_sources(cmd, wish.guest, &j.host);
	else if (r == 0 && wish.n_sources > 0)
		r = made_up_host(cmd, &wish, &j.host);
	free(wish.sources);
	if (r != 0)
		return r;
	j.guest = wish.guest;
	own = own_policy();
	r = gather_dests(cmd, &j, own, argv, argc);
	if (r != 0)
		return r;
	j.order = xcalloc(j.n, sizeof(*j.order));
	resolve(&j, j.dests, j.n, cmd);
	judge(cmd, &j, wish.advise);
	if (wish.advise && j.advice->outcome == ADVICE_IMPOSSIBLE) {
		report_error(cmd->report, family_name(wish.advise), "no gai.conf can make it come first: %s", j.advice->why);
		return EXIT_FAILED;
	}
	if (wish.write)
		return write_advice(cmd, &j);
	if (cmd->json) {
		cmd_json(cmd, addrsel_show_json(&j));
		return EXIT_DONE;
	}
	if (wish.advise)
		return print_advice(cmd, &j, wish.cloud_init);
	if (wish.guest && !wish.gai_conf && !cmd->quiet)
		(void)printf("For %s, assuming the guest's gai.conf is glibc's default:\n\n", wish.guest);
	addrsel_show_table(cmd, &j);
	if (cmd->quiet)
		return EXIT_DONE;
	addrsel_show_explanation(&j);
	addrsel_show_advice(cmd, &j, argc, argv);
	return EXIT_DONE;
}

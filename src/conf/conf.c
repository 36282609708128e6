/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf - YAML text to a checked struct desired
 *
 * Theory of operation: each text becomes a tree (yaml.c), each network of it is
 * read key by key (network.c, ip.c, guest.c) into a draft, with a finding for
 * everything that is wrong on its own. When all files are read, check.c judges
 * what needs every network and derives what was left out. Any error refuses
 * the whole configuration, after all of it was looked at. Work is bounded by
 * the size of the files (CONF_FILE_MAX each) and the limits of yaml.c.
 */
#include "conf/conf.h"

#include "conf/read.h"

static void read_networks(struct conf *c, const struct yaml_node *node, const struct conf_source *source)
{
	if (node->type == YAML_NULL)
		return;
	if (node->type != YAML_MAP) {
		report_help(conf_error(c, &node->where, "networks", "%s where a mapping belongs", yaml_type_text(node->type)),
			    "write  NAME:  below it, and the network's keys below that");
		return;
	}
	for (size_t i = 0; i < node->n; i++)
		conf_read_network(c, &node->pairs[i], source);
}

static void read_source(struct conf *c, const struct conf_source *source)
{
	enum { NETWORKS, ADOPT, N_ };
	static const struct key keys[N_] = { [NETWORKS] = { "networks", IN_ALL }, [ADOPT] = { "adopt", IN_ALL } };
	const char *file = arena_strdup(c->arena, source->file);
	const struct where top = { .file = file, .line = 1, .column = 1, .width = 1 };
	const struct yaml_node *v[N_], *root;

	if (source->len > CONF_FILE_MAX) {
		report_source(c->report, file, source->text, 4096);
		report_help(conf_error(c, &top, NULL, "the file has more than 1 MiB"), "split it into several");
		return;
	}
	report_source(c->report, file, source->text, source->len);
	root = yaml_read(file, source->text, source->len, c->scratch, c->report);
	if (!root)
		return;
	if (root->type != YAML_MAP && root->type != YAML_NULL) {
		report_help(conf_error(c, &root->where, NULL, "%s where a mapping belongs", yaml_type_text(root->type)),
			    "a configuration begins with  networks:");
		return;
	}
	if (!conf_map(c, root, NULL, keys, N_, -1, v))
		return;
	if (v[NETWORKS])
		read_networks(c, v[NETWORKS], source);
	if (v[ADOPT])
		conf_read_adopt(c, v[ADOPT]);
}

int conf_read(const struct conf_source *sources, size_t n, const struct conf_seed *seed, struct report *report,
	      struct desired **ret)
{
	_cleanup_(desired_freep) struct desired *desired = desired_new();
	_cleanup_(arena_freep) struct arena *scratch = arena_new();
	struct conf c = { .arena = desired->arena, .scratch = scratch, .report = report, .seed = seed };
	size_t had = report_n_errors(report);

	for (size_t i = 0; i < n; i++)
		read_source(&c, &sources[i]);
	conf_check(&c);
	desired->networks = arena_alloc(desired->arena, c.n_drafts, sizeof(*desired->networks));
	for (size_t i = 0; i < c.n_drafts; i++)		/* sorted by name */
		desired->networks[desired->n_networks++] = *c.drafts[i].net;
	free(c.drafts);
	desired->adopt_all = c.adopt_all;
	desired->adopts = arena_alloc(desired->arena, c.n_adopts, sizeof(*desired->adopts));
	for (size_t i = 0; i < c.n_adopts; i++)
		desired->adopts[desired->n_adopts++] = c.adopts[i];
	free(c.adopts);
	if (report_n_errors(report) > had)
		return 1;
	*ret = STEAL_PTR(desired);
	return 0;
}

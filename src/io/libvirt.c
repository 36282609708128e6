/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt - what libvirt's XML and files say about guests
 */
#include "io/libvirt.h"

#include <errno.h>
#include <fcntl.h>
#include "base/mem.h"
#ifdef HAVE_LIBVIRT
#include "io/libvirt_lib.h"
#endif
#include "io/xml_lib.h"

static const char *const folders[] = { "/run/libvirt/qemu", "/etc/libvirt/qemu" };

static bool is(const xmlNode *node, const char *name)
{
	return node && node->type == XML_ELEMENT_NODE && str_eq((const char *)node->name, name);
}

static const xmlNode *child(const xmlNode *node, const char *name)
{
	for (const xmlNode *c = node ? node->children : NULL; c; c = c->next)
		if (is(c, name))
			return c;
	return NULL;
}

/* Return: whether there is such an attribute, and it fits; else "" is in @buf. */
static bool attribute(const xmlNode *node, const char *name, char *buf, size_t size)
{
	xmlChar *s = node ? xml_load()->xmlGetProp(node, (const xmlChar *)name) : NULL;
	bool ok = s && str_copy(buf, size, (const char *)s);

	(*xml_load()->xmlFree)(s);
	if (!ok)
		buf[0] = '\0';
	return ok;
}

static void read_nic(const xmlNode *node, struct libvirt_guest *g)
{
	const xmlNode *source = child(node, "source");
	struct libvirt_nic nic = { .device = "" };
	char mac[32], trust[8];

	(void)attribute(node, "type", nic.type, sizeof(nic.type));
	if (!attribute(child(node, "mac"), "address", mac, sizeof(mac)) || !mac_parse(mac, &nic.mac))
		nic.mac = (struct mac){ .b = { 0 } };
	(void)attribute(child(node, "target"), "dev", nic.device, sizeof(nic.device));
	(void)attribute(child(node, "model"), "type", nic.model, sizeof(nic.model));
	(void)attribute(source, "mode", nic.mode, sizeof(nic.mode));
	if ((!attribute(source, "bridge", nic.source, sizeof(nic.source)) || !nic.source[0]) &&
	    (!attribute(source, "network", nic.source, sizeof(nic.source)) || !nic.source[0]))
		(void)attribute(source, "dev", nic.source, sizeof(nic.source));
	nic.trust_rx = attribute(node, "trustGuestRxFilters", trust, sizeof(trust)) && str_eq(trust, "yes");
	GROW(g->nics, g->n, g->cap);
	g->nics[g->n++] = nic;
}

void libvirt_guest_clear(struct libvirt_guest *guest)
{
	free(guest->nics);
	*guest = (struct libvirt_guest){ .n = 0 };
}

static xmlDoc *read_xml(const char *xml, size_t len)
{
	const struct xml_lib *lib = xml_load();

	if (!lib || len > LIBVIRT_XML_MAX)
		return NULL;
	return lib->xmlReadMemory(xml, (int)len, "libvirt.xml", NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

static void free_xml(xmlDoc *doc)
{
	if (doc)
		xml_load()->xmlFreeDoc(doc);
}

int libvirt_parse(const char *xml, size_t len, struct libvirt_guest *ret)
{
	xmlDoc *doc = read_xml(xml, len);
	const xmlNode *domain = doc ? xml_load()->xmlDocGetRootElement(doc) : NULL;
	bool status = is(domain, "domstatus");

	*ret = (struct libvirt_guest){ .n = 0 };
	if (status)
		domain = child(domain, "domain");
	bool found = is(domain, "domain");
	ret->running = found && status;
	const xmlNode *devices = found ? child(domain, "devices") : NULL;
	for (const xmlNode *c = devices ? devices->children : NULL; c; c = c->next)
		if (is(c, "interface"))
			read_nic(c, ret);
	free_xml(doc);
	return found ? 0 : 1;
}

void libvirt_parse_network(const char *xml, size_t len, char mode[static 32])
{
	xmlDoc *doc = read_xml(xml, len);
	const xmlNode *network = doc ? xml_load()->xmlDocGetRootElement(doc) : NULL;

	(void)attribute(is(network, "network") ? child(network, "forward") : NULL, "mode", mode, 32);
	free_xml(doc);
}

static int read_file(const char *path, struct libvirt_guest *ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) char *text = NULL;
	size_t len = 0;
	ssize_t n = -1;

	if (fd < 0)
		return errno == ENOENT ? 1 : -errno;
	text = xcalloc(LIBVIRT_XML_MAX + 1, 1);
	while (len <= LIBVIRT_XML_MAX && (n = read(fd, text + len, LIBVIRT_XML_MAX + 1 - len)) > 0)
		len += (size_t)n;
	return n < 0 ? -errno : libvirt_parse(text, len, ret);
}

#ifdef HAVE_LIBVIRT
static int ask_library(const char *name, struct libvirt_guest *ret)
{
	const struct libvirt_lib *lib = libvirt_load();
	int r = 1;

	if (!lib)
		return 1;
	virConnectPtr conn = lib->virConnectOpenReadOnly(NULL);
	virDomainPtr domain = conn ? lib->virDomainLookupByName(conn, name) : NULL;
	_cleanup_(freep) char *xml = domain ? lib->virDomainGetXMLDesc(domain, 0) : NULL;

	if (xml) {
		r = libvirt_parse(xml, strlen(xml), ret);
		ret->running = r == 0 && lib->virDomainIsActive(domain) == 1;
	}
	if (domain)
		(void)lib->virDomainFree(domain);
	if (conn)
		(void)lib->virConnectClose(conn);
	return r;
}
#else
static int ask_library(const char *name, struct libvirt_guest *ret)
{
	(void)name;
	(void)ret;
	return 1;
}
#endif

int libvirt_find(const char *name, bool ask, struct libvirt_guest *ret)
{
	int first = 1;

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		_cleanup_(freep) char *path = xasprintf("%s/%s.xml", folders[i], name);
		int r = read_file(path, ret);

		if (r == 0)
			return 0;
		if (first == 1)
			first = r;
	}
	return ask && ask_library(name, ret) == 0 ? 0 : first;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt - a guest that libvirt knows: its NICs on macvtap devices
 */
#include "attach/libvirt.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#ifdef HAVE_LIBVIRT
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#endif
#include "base/mem.h"

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

/* Return: whether there is such an attribute, and it fits. */
static bool attribute(const xmlNode *node, const char *name, char *buf, size_t size)
{
	xmlChar *s = node ? xmlGetProp(node, (const xmlChar *)name) : NULL;
	bool ok = s && str_copy(buf, size, (const char *)s);

	xmlFree(s);
	return ok;
}

static void read_nic(const xmlNode *node, struct libvirt_guest *g)
{
	char type[32], mac[32];
	struct libvirt_nic nic = { .device = "" };

	if (!attribute(node, "type", type, sizeof(type)) || !str_eq(type, "direct")) {
		g->n_others++;
		return;
	}
	if (!attribute(child(node, "mac"), "address", mac, sizeof(mac)) || !mac_parse(mac, &nic.mac) || g->n == LIBVIRT_NICS)
		return;
	if (!attribute(child(node, "target"), "dev", nic.device, sizeof(nic.device)))
		nic.device[0] = '\0';
	g->nics[g->n++] = nic;
}

int libvirt_parse(const char *xml, size_t len, struct libvirt_guest *ret)
{
	if (len > LIBVIRT_XML_MAX)
		return 1;
	xmlDoc *doc = xmlReadMemory(xml, (int)len, "domain.xml", NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	const xmlNode *domain = doc ? xmlDocGetRootElement(doc) : NULL;
	bool status = is(domain, "domstatus");

	*ret = (struct libvirt_guest){ .running = status };
	if (status)
		domain = child(domain, "domain");
	bool found = is(domain, "domain");
	const xmlNode *devices = found ? child(domain, "devices") : NULL;
	for (const xmlNode *c = devices ? devices->children : NULL; c; c = c->next)
		if (is(c, "interface"))
			read_nic(c, ret);
	xmlFreeDoc(doc);
	return found ? 0 : 1;
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
/* What we call of it, loaded when it is needed: it brings a dozen libraries along. */
struct lib {
	void *handle;
	__typeof__(&virConnectOpenReadOnly) open;
	__typeof__(&virConnectClose) close;
	__typeof__(&virDomainLookupByName) lookup;
	__typeof__(&virDomainGetXMLDesc) xml;
	__typeof__(&virDomainIsActive) is_active;
	__typeof__(&virDomainFree) free;
	__typeof__(&virSetErrorFunc) on_error;
};

static void silent(void *user, virErrorPtr error)
{
	(void)user;
	(void)error;
}

static bool load(struct lib *lib)
{
	lib->handle = dlopen("libvirt.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!lib->handle)
		return false;
	*(void **)&lib->open = dlsym(lib->handle, "virConnectOpenReadOnly");
	*(void **)&lib->close = dlsym(lib->handle, "virConnectClose");
	*(void **)&lib->lookup = dlsym(lib->handle, "virDomainLookupByName");
	*(void **)&lib->xml = dlsym(lib->handle, "virDomainGetXMLDesc");
	*(void **)&lib->is_active = dlsym(lib->handle, "virDomainIsActive");
	*(void **)&lib->free = dlsym(lib->handle, "virDomainFree");
	*(void **)&lib->on_error = dlsym(lib->handle, "virSetErrorFunc");
	return lib->open && lib->close && lib->lookup && lib->xml && lib->is_active && lib->free && lib->on_error;
}

static int ask_library(const char *name, struct libvirt_guest *ret)
{
	struct lib lib;
	int r = 1;

	if (!load(&lib))	/* stays loaded: it has threads */
		return 1;
	lib.on_error(NULL, silent);
	virConnectPtr conn = lib.open(NULL);
	virDomainPtr domain = conn ? lib.lookup(conn, name) : NULL;
	char *xml = domain ? lib.xml(domain, 0) : NULL;

	if (xml) {
		r = libvirt_parse(xml, strlen(xml), ret);
		ret->running = lib.is_active(domain) == 1;
	}
	free(xml);
	if (domain)
		(void)lib.free(domain);
	if (conn)
		(void)lib.close(conn);
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

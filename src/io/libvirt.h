/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt - what libvirt's XML and files say about guests
 *
 * libvirt keeps a guest's XML in /run/libvirt/qemu while it runs, and in
 * /etc/libvirt/qemu where it is defined. libvirt_find() reads these first:
 * asking libvirt's daemon would start it, and at boot wait for it while it waits
 * for us. Its client library (io/libvirt_lib) is asked for guests that have
 * neither (other drivers, another URI in LIBVIRT_DEFAULT_URI).
 *
 * `adopt` looks one guest up; a snapshot of the host (diag/snap_libvirt) has the
 * library list all of them, and reads their XML by libvirt_parse().
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "net/addr.h"

#define LIBVIRT_XML_MAX (4u << 20)

/* One <interface>. What it doesn't say, or what is longer than fits, is "". */
struct libvirt_nic {
	struct mac mac;		/* zero: none is said, or what isn't one */
	char type[32];		/* "direct": a macvtap; "network", "bridge", … */
	char device[16];	/* while it runs */
	char model[64];
	char mode[32];		/* of a macvtap */
	char source[256];	/* a bridge, else a network, else a device */
	bool trust_rx;		/* trustGuestRxFilters='yes' */
};

struct libvirt_guest {
	bool running;
	size_t n, cap;
	struct libvirt_nic *nics;	/* owned */
};

/* Its NICs; all zero after it. */
void libvirt_guest_clear(struct libvirt_guest *guest);

/**
 * libvirt_parse() - Read a domain's XML
 * @xml:	text of @len bytes: a <domain>, or a <domstatus> around one, which says that it runs
 * @ret:	to be cleared; all zero when 1 is returned
 *
 * Return: 0, or 1: it is neither
 */
int libvirt_parse(const char *xml, size_t len, struct libvirt_guest *ret);

/* The forward mode in a network's XML; "" when it has none. */
void libvirt_parse_network(const char *xml, size_t len, char mode[static 32]);

/**
 * libvirt_find() - Look a guest up
 * @name:	as `virsh list --all` shows it
 * @ask:	also ask libvirt's library; it may wait for the daemon
 * @ret:	as of libvirt_parse()
 *
 * Return: 0, 1: nobody knows it, or a negative errno: the first thing that couldn't be read
 */
int libvirt_find(const char *name, bool ask, struct libvirt_guest *ret);

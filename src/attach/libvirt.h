/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt - a guest that libvirt knows: its NICs on macvtap devices
 *
 * libvirt keeps a guest's XML in /run/libvirt/qemu while it runs, and in
 * /etc/libvirt/qemu where it is defined. These are read first: asking libvirt's
 * daemon would start it, and at boot wait for it while it waits for us. Its
 * client library is asked for guests that have neither (other drivers, another
 * URI in LIBVIRT_DEFAULT_URI); it is loaded then, if the build knows it and the
 * host has it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "net/addr.h"

#define LIBVIRT_NICS 8
#define LIBVIRT_XML_MAX (4u << 20)

struct libvirt_nic {
	struct mac mac;
	char device[16];	/* while it runs, else "" */
};

struct libvirt_guest {
	bool running;
	size_t n_others;	/* NICs of other types */
	size_t n;
	struct libvirt_nic nics[LIBVIRT_NICS];	/* <interface type='direct'>; more are left out */
};

/**
 * libvirt_parse() - Read a domain's XML
 * @xml:	text of @len bytes: a <domain>, or a <domstatus> around one
 * @ret:	set when 0 is returned
 *
 * A NIC without a MAC is left out; libvirt writes each.
 *
 * Return: 0, or 1: it is neither
 */
int libvirt_parse(const char *xml, size_t len, struct libvirt_guest *ret);

/**
 * libvirt_find() - Look a guest up
 * @name:	as `virsh list --all` shows it
 * @ask:	also ask libvirt's library; it may wait for the daemon
 * @ret:	set when 0 is returned
 *
 * Return: 0, 1: nobody knows it, or a negative errno: the first thing that couldn't be read
 */
int libvirt_find(const char *name, bool ask, struct libvirt_guest *ret);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt_lib - libvirt's client library, loaded when it is asked
 */
#include "io/libvirt_lib.h"

static void silent(void *user, virErrorPtr error)
{
	(void)user;
	(void)error;
}

static DEFINE_DL(load, libvirt_lib, "libvirt.so.0", LIBVIRT_CALLS)

const struct libvirt_lib *libvirt_load(void)
{
	const struct libvirt_lib *lib = load();

	if (lib)
		lib->virSetErrorFunc(NULL, silent);
	return lib;
}

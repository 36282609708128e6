/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libvirt_lib - libvirt's client library, loaded when it is asked
 *
 * It brings a dozen libraries along, which would cost every other command ten
 * milliseconds, and a host without libvirt needn't have it. Only where the build
 * has its headers (HAVE_LIBVIRT).
 */
#pragma once
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include "base/dl.h"

/* What is called of it, by its own names. */
#define LIBVIRT_CALLS(F)                                                                                             \
	F(virConnectClose) F(virConnectListAllDomains) F(virConnectListAllNetworks) F(virConnectOpenReadOnly)        \
	F(virDomainFree) F(virDomainGetName) F(virDomainGetUUIDString) F(virDomainGetXMLDesc)                        \
	F(virDomainIsActive) F(virDomainIsPersistent) F(virDomainLookupByName)                                       \
	F(virGetLastErrorMessage)                                                                                    \
	F(virNetworkDHCPLeaseFree) F(virNetworkFree) F(virNetworkGetAutostart) F(virNetworkGetBridgeName)            \
	F(virNetworkGetDHCPLeases) F(virNetworkGetName) F(virNetworkGetXMLDesc) F(virNetworkIsActive)                \
	F(virNetworkIsPersistent)                                                                                    \
	F(virSetErrorFunc)

struct libvirt_lib {
	LIBVIRT_CALLS(DL_MEMBER)
};

/* It stays loaded, as it has threads, and prints no errors. Return: NULL when it isn't installed, or too old. */
const struct libvirt_lib *libvirt_load(void);

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xml_lib - libxml2, loaded when there is XML
 */
#include "io/xml_lib.h"

#undef xmlFree			/* of a build with threads: what is a variable there is loaded by its name */
#define XML_NAMES(F) XML_CALLS(F) F(xmlFree)

DEFINE_DL(xml_load, xml_lib, "libxml2.so.2", XML_NAMES)

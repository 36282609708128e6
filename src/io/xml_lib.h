/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xml_lib - libxml2, loaded when there is XML
 *
 * It brings ICU and the C++ library along, more than everything else that
 * `sixtap forward add` loads: a millisecond and a half of its start.
 */
#pragma once
#include <libxml/parser.h>
#include <libxml/tree.h>
#include "base/dl.h"

/* What is called of it, by its own names. */
#define XML_CALLS(F) F(xmlDocGetRootElement) F(xmlFreeDoc) F(xmlGetProp) F(xmlReadMemory)

struct xml_lib {
	XML_CALLS(DL_MEMBER)
	xmlFreeFunc *xmlFree;	/* a variable of the library */
};

/* It stays loaded. Return: NULL when it isn't installed, or too old. */
const struct xml_lib *xml_load(void);

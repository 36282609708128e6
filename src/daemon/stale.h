/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stale - folders of network namespaces that are gone
 */
#pragma once

/*
 * Remove the neighbours of @own ("…/netns-COOKIE", or the folder that holds such) whose namespace no process is in and
 * that has no name in /run/netns. Nothing else is touched. Needs root; what fails is left for the next start.
 */
void stale_remove(const char *own);

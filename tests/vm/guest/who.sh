#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# who.sh - the guest's answer on port 80: its name and whom it sees
printf 'Content-Type: text/plain\r\n\r\n%s %s\n' "$(hostname)" "$REMOTE_ADDR"

# SPDX-License-Identifier: GPL-2.0-or-later
# A thin front: meson and ninja build, tools/ does the rest.
PYTHON = /usr/bin/python3
B = build
# Debian's programs, whatever else is first on the PATH; what root builds belongs to the user behind sudo.
export PATH := /usr/sbin:/usr/bin:/sbin:/bin:$(PATH)
unexport MAKEFLAGS
own = @[ -z "$$SUDO_UID" ] || [ "$$(id -u)" != 0 ] || chown -hR "$$SUDO_UID:$$SUDO_GID" $(B)

.PHONY: all demo check bench install deb clean deps
all: deps
	@[ -f $(B)/build.ninja ] || meson setup $(B)
	@ninja -C $(B)
	$(own)

deps:
	@tools/deps build

demo:
	@tools/deps demo
	@$(MAKE) --no-print-directory all
	@tools/guest-image
	@$(PYTHON) tools/demo

check:
	@tools/deps check
	@$(PYTHON) tools/check

bench:
	@tools/deps bench
	@$(MAKE) --no-print-directory all
	@tools/bench

deb:
	@tools/deps deb
	@tools/make-deb
	$(own)

install: all
	@meson install -C $(B) --no-rebuild

clean:
	rm -rf $(B)

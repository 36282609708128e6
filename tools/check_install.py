#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""check_install - what `meson install` puts where, and what systemd thinks of it.

check_install.py BUILD-FOLDER

Installs into a folder of its own (DESTDIR). systemd-analyze looks at the units when it is there.
"""
import json, os, re, shutil, subprocess, sys, tempfile

# What the package relies on, below the prefix; /etc is the sysconfdir.
FILES = """
bin/sixtap sbin/sixtapd
lib/systemd/system/sixtapd.service lib/systemd/system/sixtap.service
lib/systemd/network/00-sixtap.network lib/systemd/network/00-sixtap.link lib/udev/rules.d/70-sixtap.rules
lib/sysusers.d/sixtap.conf lib/tmpfiles.d/sixtap.conf
share/bash-completion/completions/sixtap share/sixtap/sixtap.schema.json share/doc/sixtap/examples/nat.yaml
share/man/man8/sixtap.8 share/man/man8/sixtapd.8 share/man/man8/sixtap-addrsel.8 share/man/man5/sixtap.yaml.5
""".split()
EXPOSURE_MAX = 5.5      # of sixtapd.service: its monitor needs CAP_SYS_ADMIN, and no PrivateNetwork can help it


def run(*argv, **kw):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **kw)


def option(build, name):
    for o in json.loads(run("meson", "introspect", "--buildoptions", build).stdout):
        if o["name"] == name:
            return o["value"]


def check(build, dest, say):
    p = run("meson", "install", "-C", build, "--no-rebuild", env=dict(os.environ, DESTDIR=dest))
    if p.returncode:
        return say("meson install: " + p.stdout[-2000:])
    prefix = option(build, "prefix")
    root = dest + prefix
    for f in FILES:
        if not os.path.isfile(os.path.join(root, f)):
            say(f"{prefix}/{f} isn't installed")
    stray = [os.path.join(d, f) for d, _, files in os.walk(dest) for f in files
             if f.endswith((".a", ".h", ".in", ".build")) or os.stat(os.path.join(d, f)).st_mode & 0o6022]
    if stray:
        say("does not belong there, or is setuid or writable: " + " ".join(stray))
    units = [os.path.join(root, "lib/systemd/system", u) for u in ("sixtapd.service", "sixtap.service")]
    for u in units:
        with open(u) as f:
            text = f.read()
        if "@" in re.sub(r"@(system-service|mount)|modprobe@", "", text):
            say(f"{u}: a placeholder is left")
        for program in re.findall(r"^Exec\w+=(\S+)", text, re.M):
            if program != "/bin/kill" and not os.access(dest + program, os.X_OK):
                say(f"{u}: {program} isn't what was installed")
    # Wherever it was put, the command finds the daemon that came with it: this one says that its run directory is no folder.
    up = run(os.path.join(root, "bin/sixtap"), "-c", os.path.join(root, "share/doc/sixtap/examples/nat.yaml"), "--run-dir", "/proc/x",
             "--state-dir", dest, "up")
    if os.geteuid() == 0 and (up.returncode != 1 or "sixtapd.log: cannot be written" not in up.stdout):
        say(f"sixtap of {dest} doesn't find its daemon: {up.stdout}")
    for f in sorted(os.listdir(os.path.join(root, "share/doc/sixtap/examples"))):
        p = run(os.path.join(root, "bin/sixtap"), "-c", os.path.join(root, "share/doc/sixtap/examples", f), "check")
        if p.returncode:
            say(f"example {f}: {p.stdout}")
    if shutil.which("systemd-analyze"):
        analyze(units, dest, say)
    if shutil.which("systemd-sysusers"):
        os.makedirs(dest + "/etc", exist_ok=True)
        p = run("systemd-sysusers", "--root=" + dest, os.path.join(root, "lib/sysusers.d/sixtap.conf"))
        with open(dest + "/etc/passwd") as f:
            users = {l.split(":")[0] for l in f}
        if p.returncode or not {"sixtap", "sixtap-engine", "sixtap-dns"} <= users:
            say(f"systemd-sysusers: {p.stdout}")
    if shutil.which("systemd-tmpfiles") and os.geteuid() == 0:
        p = run("systemd-tmpfiles", "--root=" + dest, "--create", os.path.join(root, "lib/tmpfiles.d/sixtap.conf"))
        if p.returncode or not os.path.isdir(dest + "/var/lib/sixtap"):
            say(f"systemd-tmpfiles: {p.stdout}")


def analyze(units, dest, say):
    """Settings that systemd doesn't know, and how much of the host the daemon can reach."""
    with tempfile.TemporaryDirectory() as d:
        copies = []
        for u in units:         # with programs that exist here
            copies.append(os.path.join(d, os.path.basename(u)))
            with open(u) as f, open(copies[-1], "w") as to:
                to.write(re.sub(r"^(Exec\w+=)(\S+)", r"\1/bin/true", re.sub(r"(?m)^Documentation=.*\n", "", f.read()), flags=re.M))
        p = run("systemd-analyze", "verify", "--recursive-errors=no", *copies)
        bad = [l for l in p.stdout.splitlines() if "sixtap" in l]
        if bad:
            say("systemd-analyze verify: " + "; ".join(bad))
        p = run("systemd-analyze", "security", "--offline=yes", "--no-pager", copies[0])
        m = re.search(r"exposure level for \S+: ([\d.]+)", p.stdout)
        if not m or float(m[1]) > EXPOSURE_MAX:
            say(f"systemd-analyze security: {m[0] if m else p.stdout[-500:]}, at most {EXPOSURE_MAX}")


def main():
    failed = []
    with tempfile.TemporaryDirectory() as d:
        check(os.path.abspath(sys.argv[1]), os.path.join(d, "root"), failed.append)
    for f in failed:
        print(f)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""check_completion - drive bash's completion of sixtap as Tab would, without a terminal.

check_completion.py SIXTAP

With and without Debian's bash-completion loaded. A `sixtap` in front of the PATH answers `--json status`
with two networks, as the real one writes them; all else is the real one's.
"""
import json, os, re, subprocess, sys, tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STATUS = {"version": 1, "daemon": {"pid": 1, "uptime": 3.2},
          "networks": [{"name": "lan", "mode": "nat", "state": "up", "guests": [
                            {"name": "web", "mac": "52:54:00:12:34:56", "state": "attached", "forwards": [
                                {"spec": "8080:80/tcp", "state": "active"}]},
                            {"name": "52:54:00:aa:00:01", "state": "attached"}]},
                       {"name": "lab", "mode": "isolated", "state": "up", "guests": []}]}
YAML = "networks:\n  lan:\n    mode: nat\n    guests:\n      web: {}\n  dmz: { mode: nat }\nother: {}\n"
DRIVER = r"""
source "$1" || exit 9
[[ -n $2 ]] && { source "$2" || exit 9; }
shift 2
# As readline takes a line apart: at blanks and, alone, at the characters of COMP_WORDBREAKS.
COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_TYPE=9 COMP_KEY=9
COMP_WORDS=() word=
for ((i = 0; i < ${#COMP_LINE}; i++)); do
	c=${COMP_LINE:i:1}
	if [[ $c == ' ' ]]; then [[ -n $word ]] && COMP_WORDS+=("$word"); word=
	elif [[ $c == [:=] ]]; then [[ -n $word ]] && COMP_WORDS+=("$word"); COMP_WORDS+=("$c"); word=
	else word+=$c; fi
done
COMP_WORDS+=("$word")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_sixtap sixtap "$word" "${COMP_WORDS[COMP_CWORD - 1]}" 2>&1
printf '%s\n' "${COMPREPLY[@]}"
"""

# (what is typed, some of what is offered, what isn't, why)
CASES = [
    ("sixtap ", ["up", "down", "init", "map", "run", "status"], ["lan", "--json"], "commands first"),
    ("sixtap st", ["status"], ["up"], "what begins so"),
    ("sixtap --", ["--json", "--config", "--netns", "--color", "--version"], ["--full"], "global options"),
    ("sixtap up --", ["--no-wait", "--autostart", "--full", "--json"], ["--queues"], "the command's and the global ones"),
    ("sixtap run --", ["--name", "--queues", "--dry-run"], ["--autostart"], "another's"),
    ("sixtap --color ", ["auto", "always", "never"], [], "values of an option"),
    ("sixtap up --color a", ["auto", "always"], ["never"], "also behind the command"),
    ("sixtap up ", ["lan", "lab"], ["web", "lan/web"], "networks that are up"),
    ("sixtap -c conf/a.yaml up ", ["lan", "dmz"], ["guests", "other"], "and those that are declared"),
    ("sixtap -c conf down d", ["dmz"], ["lan"], "in a folder, too"),
    ("sixtap --json -q status l", ["lan", "lab"], [], "options in between"),
    ("sixtap -c ", ["conf"], ["note.txt"], "folders"),
    ("sixtap -c conf/", ["conf/a.yaml"], ["conf/b.txt"], "YAML files"),
    ("sixtap run ", ["lan"], [], "a network"),
    ("sixtap run lan ", [], ["lan"], "and only one"),
    ("sixtap run lan --device v", ["virtio-net-pci"], [], "models"),
    ("sixtap addrsel --guest l", ["lan/web"], ["lan"], "guests"),
    ("sixtap addrsel --guest lan/52:54:", ["00:aa:00:01"], ["lan/web"], "a name with colons: what follows the last one"),
    ("sixtap export ", ["qemu"], ["lan/web"], "what it can write"),
    ("sixtap export qemu l", ["lan/web"], ["lan"], "of which guest"),
    ("sixtap init ", ["nat", "macvtap", "hosting"], [], "modes"),
    ("sixtap watch ", ["lo", "nd", "dhcp6"], ["lan"], "interfaces and kinds of frames"),
    ("sixtap watch lo r", ["rs", "ra", "redirect"], ["lo"], "more of them"),
    ("sixtap rs ", ["lo"], ["nd"], "interfaces"),
    ("sixtap ns fe80::1 ", ["lo"], [], "the interface behind the address"),
    ("sixtap ns --", ["--dad", "--unicast"], [], "options of ns"),
    ("sixtap init macvtap ", ["lo"], ["nat"], "interfaces"),
    ("sixtap map --svg no", ["note.txt"], [], "any file"),
    ("sixtap doctor --save no", ["note.txt"], [], "a file, of doctor"),
    ("sixtap forward --save ", ["add", "del"], ["note.txt"], "a switch, of forward"),
    ("sixtap forward --save add l", ["lan/web"], [], "and no value is behind it"),
    ("sixtap doctor --compare no", ["note.txt"], ["lan"], "two files"),
    ("sixtap adopt --monitor no", ["note.txt"], ["all"], "a socket"),
    ("sixtap help m", ["map"], [], "help on a command"),
    ("sixtap run lan -- gre", ["grep"], [], "after -- another program's line begins"),
    ("sixtap frobnicate ", [], ["lan"], "an unknown command has no arguments"),
]


def complete(line, env, cwd, framework):
    p = subprocess.run(["bash", "--norc", "--noprofile", "-c", DRIVER, "bash", os.path.join(TOP, "completions/sixtap.bash"),
                        framework, line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=cwd, timeout=120)
    return [l for l in p.stdout.split("\n") if l], p.returncode


def values_unknown(binary):
    """Options that take a value, says --help, and the completion doesn't know it: the word behind would be taken for an argument."""
    with open(os.path.join(TOP, "completions/sixtap.bash")) as f:
        source = f.read()
    takes = source.partition("_sixtap_takes_value() {")[2].partition("\n}")[0]
    offers = source.partition("_sixtap_value() {")[2].partition("\n}")[0]

    def help_of(*argv):
        return subprocess.run([binary, *argv, "--help"], stdout=subprocess.PIPE, text=True, env=dict(os.environ, LC_ALL="C.UTF-8")).stdout

    out = []
    for command in re.findall(r"^  ([a-z]+)  ", help_of(), re.M):
        for option in re.findall(r"(--[a-z0-9-]+) (?:[A-Z]+\b|[a-z0-9.-]+\|)", "\n".join(
                    l for l in help_of(command).split("\n") if re.match(r" +-", l))):
            if not all(re.search(re.escape(option) + r"[ )]", text) for text in (takes, offers)):
                out.append(f"{command} {option} takes a value, which the completion doesn't know")
    return out


def main():
    binary = os.path.abspath(sys.argv[1])
    failed = []
    with tempfile.TemporaryDirectory() as d:
        os.makedirs(os.path.join(d, "bin"))
        os.makedirs(os.path.join(d, "conf"))
        for name, text in (("conf/a.yaml", YAML), ("conf/b.txt", ""), ("note.txt", ""), ("status", json.dumps(STATUS, indent=2))):
            with open(os.path.join(d, name), "w") as f:
                f.write(text)
        with open(os.path.join(d, "bin/sixtap"), "w") as f:
            f.write(f'#!/bin/sh\ncase "$*" in *"--json status") exec cat {d}/status ;; *--help) exec {binary} "$@" ;; esac\nexit 1\n')
        os.chmod(os.path.join(d, "bin/sixtap"), 0o755)
        env = {"PATH": f"{d}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": d, "LC_ALL": "C.UTF-8"}
        failed += values_unknown(binary)
        for framework in ("", "/usr/share/bash-completion/bash_completion"):
            if framework and not os.path.exists(framework):
                continue
            for line, wanted, unwanted, why in CASES:
                got, status = complete(line, env, d, framework)
                if status == 9:
                    failed.append("the completion file cannot be read by bash")
                    break
                wrong = [w for w in wanted if w not in got] + ["not " + u for u in unwanted if u in got]
                if wrong:
                    failed.append(f"{line!r} ({why}): {', '.join(wrong)}; got {' '.join(got) or 'nothing'}"
                                  f"{' with bash-completion' if framework else ''}")
    for f in failed:
        print(f)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())

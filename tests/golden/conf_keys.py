#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every key with good and bad values: what does the reader say, and does the schema say the same?

conf_keys.py SIXTAP SCHEMA

One value at a time goes through `sixtap check` and through the schema, which sees it as a reader of YAML 1.1 does
(PyYAML) and as one of 1.2 does (editors). A value is good, bad in itself (the schema refuses it, too), or wrong: only
the rest of the configuration, or arithmetic, tells. Whatever is refused is refused with a place, a key and a way out.
"""
import json, os, re, subprocess, sys, tempfile
import jsonschema
import yaml

YES, NO = ["yes", "true", "on", "'yes'", "'on'", "True"], ["no", "false", "off", "'no'", "'off'"]
SERVED = "ipv4: {address: 10.1.1.1/24}\n    ipv6: {address: 'fd00:1::1/64'}\n    "
LAPTOP = "mode: macvtap\n    uplink: eth0\n    "


class Yaml12(yaml.SafeLoader):
    """Booleans of YAML 1.2's core schema, and no numbers with base 60."""


Yaml12.yaml_implicit_resolvers = {
    k: [(tag, r) for tag, r in v if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:int")]
    for k, v in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
Yaml12.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))

# (what stands before the value, good, bad, wrong)
KEYS = [
    ("mode: ", ["nat", "isolated", "bridge", "macvtap"], ["natt", "NAT", "passthrough", "1", "''", "[nat]", "{}", "off"],
     ["routed", "hostdev"]),
    ("uplink: ", ["eth0", "auto", "br0.5"], ["a/b", "''", "waytoolonginterface", "[a]", "5x x"], []),
    ("bridge: ", ["virbr9"], ["a:b", "''", "waytoolonginterface"], []),
    ("mac: ", ["'52:54:00:aa:00:01'", '"52-54-00-AA-00-01"'], ["auto", "41135085296", "'52:54:00:aa:00'", "5254.00aa.0001", "''"],
     ["'01:00:5e:00:00:01'", "'00:00:00:00:00:00'"]),
    ("mtu: ", ["auto", "1500", "1280", "65521", "'1500'"], ["0", "-1", "65522", "1500.5", "big", "1500B", "off"], ["1279"]),
    ("domain: ", ["lan", "vm.example.org", "a-b"], ["Lan", "a_b", "'.'", "''", "'-a'", "a..b", "lan."], []),
    ("ipv4: ", [*NO, "auto", "{}", "{address: auto}", "{address: 10.1.1.1/24}", "{address: 10.1.1.1/24, dhcp: off}", "{dhcp: no}",
                "{dhcp: auto}", "{address: 10.1.1.1/24, dhcp: 10.1.1.5-10.1.1.9}"],
     [*YES, "ula", "10.1.1.1/24", "10.1.1.1", "[]", "{adress: 1}", "{address: 10.1.1.1}", "{address: 10.1.1.1/33}",
      "{address: 10.1.1.1/31}", "{address: 10.1.1.1/7}", "{address: off}", "{address: 10.1.1.300/24}", "{dhcp: 10.1.1.5}",
      "{dhcp: yes}", "{address: 'fd00::1/64'}", "{nat: yes}"],
     ["{address: 10.1.1.0/24}", "{address: 10.1.1.255/24}", "{address: 10.1.1.1/24, dhcp: 10.1.1.9-10.1.1.5}",
      "{address: 10.1.1.1/24, dhcp: 10.1.2.5-10.1.2.9}", "{address: 127.0.0.1/24}", "{address: 224.0.0.1/24}"]),
    ("ipv6: ", [*NO, "ula", "auto", "{}", "{address: ula}", "{address: auto}", "{address: 'fd00:1::1/64'}", "{assign: slaac}",
                "{assign: dhcp}", "{assign: both}", *("{nat: %s}" % w for w in YES + NO), "{nat: auto}", "{ladder: [ula]}",
                "{ladder: ula}", "{ladder: [delegated, on-link, ula]}", "{dhcp: off}", "{dhcp: auto}",
                "{address: 'fd00:1::1/64', dhcp: 'fd00:1::5-fd00:1::9'}", "{address: 'fd00:1::1/120', assign: dhcp}"],
     [*YES, "ULA", "delegated", "on-link", "'fd00::1/64'", "{address: 'fd00::1'}", "{address: 'fd00::1/63'}",
      "{address: 'fd00::1/127'}", "{address: 10.0.0.1/24}", "{assign: managed}", "{nat: maybe}", "{ladder: []}",
      "{ladder: [ula, ula]}", "{ladder: [x]}", "{dhcp: yes}", "{dhcp: 'fd00::5'}", "{address: 'zz::1/64'}"],
     ["{address: delegated}", "{address: on-link}", "{ndp-proxy: auto}", "{address: 'fd00:1::1/96'}", "{address: 'fe80::1/64'}",
      "{address: 'ff02::1/64'}", "{address: '::1/64'}", "{assign: dhcp, dhcp: off}"]),
    ("lease: ", ["1h", "3600", "'3600'", "90m", "1h30m", "1d", "1w", "2m", "365d", "120s"],
     ["119", "-5", "1y", "''", "1.5h", "h", "'1 h'", "0", "off"], ["1m", "366d"]),
    ("nat-ports: ", ["50000-65535", "1-65535", "'2000-3000'"], ["50000", "0-5", "a-b", "''", "[1-2]"], ["9-5", "5-70000"]),
    ("nat-address: ", ["203.0.113.7", "[203.0.113.7]", "['2001:db8::1', 203.0.113.7]", "'2001:db8::1'", "[]"],
     ["auto", "x", "[a]", "203.0.113.7/24", "[1.1.1.1, 2.2.2.2, 3.3.3.3]"], ["[203.0.113.7, 203.0.113.8]", "224.0.0.1"]),
    ("dns: ", [*NO, "auto", "192.0.2.53", "[192.0.2.53, '2001:db8::53']"], [*YES, "of", "[]", "[x]", "{}", "192.0.2.53/24"],
     ["[1.1.1.1, 1.1.1.1]"]),
    ("host-access: ", [*YES, *NO, "services"], ["service", "auto", "1", "[yes]", "''"], ["192.168.0.5/24"]),
    ("spoof-check: ", YES + NO, ["1", "0", "maybe", "auto", "''", "[yes]", "y"], []),
    ("autostart: ", YES + NO, ["1", "maybe", "auto", "''"], []),
    ("firewall: ", ["auto", *NO], [*YES, "of", "1"], []),
    ("allow: ", ["alice", "[alice]", "['@kvm']", "[alice, '@kvm']", "[]"],
     ["1000", "[1000]", "'@'", "'a b'", "['a/b']", "'-x'", "{a: b}"], ["true", "[yes]"]),
    ("guests: ", ["{}", "{web: }", "{web: ~}", "{web: {}}", "{1a: {}}", "~"],
     ["[web]", "web", "{Web: }", "{a_b: }", "{a.b: }", "{-x: }", "{x-: }", "{web: x}", "{web: []}", "{%s: }" % ("a" * 64),
      "{web: {adress: 1}}"], []),
    (SERVED + "guests: {web: {", [
        "mac: '52:54:00:12:34:56'}}", "ipv4: 10.1.1.10}}", "ipv4: [10.1.1.10, 10.1.1.11]}}", "ipv6: 'fd00:1::10'}}",
        "ipv6: ['fd00:1::10']}}", "user: alice}}", "forward: '8080:80'}}", "forward: ['8080:80']}}",
        "forward: ['8080:80/udp', '8080:80']}}", "forward: {port: '80:80'}}}", "forward: {port: '80:80', from: 10.0.0.0/8}}}",
        "forward: [{port: '80:80', from: [10.0.0.0/8, '2001:db8::/32']}]}}", "forward: ['1.2.3.4:80:80']}}",
        "forward: ['[2001:db8::5]:80:80']}}", "forward: ['5000-5009:5000']}}", "forward: ['5000-5009:6000-6009/udp']}}",
        "forward: []}}", "ipv4: []}}", "forward: ['80:80/TCP']}}"],
     ["mac: 5}}", "ipv4: 10.1.1.10/24}}", "ipv4: x}}", "ipv4: {}}}", "ipv6: 10.1.1.10}}", "ipv6: x}}", "user: '@kvm'}}",
      "user: 5}}", "user: ''}}", "user: [alice]}}", "forward: 8080}}", "forward: ['80']}}", "forward: ['80:80/sctp']}}",
      "forward: ['0:0:80:80']}}", "forward: [{from: 1.2.3.4}]}}", "forward: [{port: '80:80', to: x}]}}",
      "forward: [{port: '80:80', from: x}]}}", "forward: [{port: '80:80', from: []}]}}", "forward: [[]]}}",
      "forward: ['[::5:80:80']}}", "forward: ['a:80']}}", "forward: ['80:80', '']}}", "name: x}}", "forward: [{port: 480}]}}"],
     ["ipv4: 10.2.1.10}}", "ipv4: 10.1.1.1}}", "ipv4: 10.1.1.0}}", "ipv4: 10.1.1.255}}", "ipv6: 'fd00:2::10'}}",
      "ipv6: 'fd00:1::1'}}", "ipv6: 'fd00:1::/96'}}", "forward: ['70000:80']}}", "forward: ['0:80']}}",
      "forward: ['5009-5000:1']}}", "forward: ['5000-5009:1-2']}}", "forward: ['80:80', '80:81']}}",
      "forward: ['127.0.0.1:80:80']}}", "forward: ['[::1]:80:80']}}", "ipv4: [10.1.1.10, 10.1.1.10]}}", "user: no}}"]),
    (LAPTOP + "macvtap: ", ["{mode: %s}" % m for m in ("bridge", "vepa", "private", "passthru", "passthrough")] +
     ["{multicast: %s}" % m for m in ("auto", "all", *NO)] +
     ["{mode: source, sources: ['52:54:00:00:00:01']}", "{mode: source, sources: '52:54:00:00:00:01'}", "{}", "{sources: []}"],
     ["{mode: x}", "{multicast: yes}", "{broadcast-queue: 0}", "{broadcast-queue: x}", "{sources: [5]}", "{moed: bridge}", "[]",
      "bridge", "{broadcast-queue: 1000001}"], ["{mode: source}", "{sources: ['52:54:00:00:00:01']}"]),
    (LAPTOP + "host-access: ", ["192.168.0.5/24", "['192.168.0.5/24', '2001:db8::5/64']", *YES, *NO], ["192.168.0.5"], ["services"]),
    # A key that another mode knows
    (LAPTOP, [], [], ["ipv4: auto", "bridge: br0", "mac: '52:54:00:00:00:01'", "nat-ports: 1-2", "domain: lan", "lease: 1h",
                      "dns: off", "firewall: auto", "guests: {a: {forward: ['80:80']}}"]),
    ("mode: isolated\n    ", [], [], ["nat-ports: 1-2", "guests: {a: {forward: ['80:80']}}", "uplink: eth0", "ipv6: {nat: yes}"]),
    ("mode: bridge\n    ", [], [], ["ipv4: auto", "mtu: 1500", "macvtap: {}"]),
    ("", [], [], ["macvtap: {}", "ports: bridge", "adopt: 'libvirt:default'"]),
]
WHOLE = [
    ("", ["", "networks:", "networks: {}", "{}", "networks: {lan: }", "adopt: {macvtap: all}", "adopt: {}", "adopt:",
          "adopt: {macvtap: ['libvirt:ha', macvtap0]}", "adopt: {macvtap: macvtap0}", "adopt: {macvtap: []}",
          "adopt: {macvtap: [{subject: macvtap0, monitor: /run/x.qmp}, {subject: 'libvirt:ha'}]}"],
     ["[]", "x", "5", "networks: []", "networks: x", "network: {}", "networks: {LAN: }", "networks: {-a: }", "networks: {'': }",
      "networks: {a-much-too-long-name: }", "networks: {a.b: }", "networks: {a_b: }", "networks: {lan: []}", "networks: {lan: x}",
      "adopt: all", "adopt: []", "adopt: {macvtaps: all}", "adopt: {macvtap: {}}", "adopt: {macvtap: ['libvirt:']}",
      "adopt: {macvtap: 'a b'}", "adopt: {macvtap: ['xen:foo']}", "version: 2",
      "adopt: {macvtap: [{subject: macvtap0, monitor: x}]}", "adopt: {macvtap: [{monitor: /x}]}",
      "adopt: {macvtap: {subject: macvtap0}}"],
     ["networks: {all: }", "networks: {default: }", "networks: {lo: {mode: isolated}}",
      "networks: {a: {mode: isolated}, a: {mode: isolated}}"]),
]


def main():
    sixtap, validator = sys.argv[1], jsonschema.Draft202012Validator(json.load(open(sys.argv[2], encoding="utf-8")))
    n, bad = 0, []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.yaml")
        for frame, table in (("networks:\n  lan:\n    %s\n", KEYS), ("%s\n", WHOLE)):
            for key, *kinds in table:
                for kind, values in zip(("good", "bad", "wrong"), kinds):
                    for value in values:
                        text = frame % (key + value)
                        with open(path, "w", encoding="utf-8") as f:
                            f.write(text)
                        p = subprocess.run([sixtap, "-c", path, "--json", "check"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
                        errors = json.loads(p.stdout).get("errors", [])
                        n += 1
                        if p.returncode != (0 if kind == "good" else 2):
                            bad.append(f"{text!r}: status {p.returncode}: {errors}")
                        bad.extend(f"{text!r}: no place, no key or no way out: {e}" for e in errors
                                   if not all(e.get(k) for k in ("file", "line", "column", "what", "help")) or
                                   ("key" not in e and text.lstrip().startswith(("networks:", "adopt:"))))
                        for loader in (yaml.SafeLoader, Yaml12):
                            refused = [e.message for e in validator.iter_errors(yaml.load(text, loader))]
                            if kind == "good" and refused:
                                bad.append(f"{text!r}: the schema refuses it ({loader.__name__}): {refused}")
                            if kind == "bad" and not refused:
                                bad.append(f"{text!r}: the schema accepts it ({loader.__name__})")
    print("\n".join(bad))
    print(f"{n} values, {len(bad)} differences")
    sys.exit(bool(bad))


main()

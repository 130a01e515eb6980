# SPDX-License-Identifier: Apache-2.0
"""Reads a unit of systemd as far as the tests need it."""


def read_unit(path):
    """{section: {key: [values]}}"""
    sections, current = {}, None
    with open(path, encoding="utf-8") as f:
        for line in f.read().splitlines():
            if line.startswith("[") and line.endswith("]"):
                current = sections.setdefault(line[1:-1], {})
            elif line and not line.startswith("#"):
                key, value = line.split("=", 1)
                current.setdefault(key, []).append(value)
    return sections


def environment(unit):
    """What its service finds in its environment, of the settings and of systemd's own."""
    service = unit["Service"]
    pairs = [word.split("=", 1) for line in service.get("Environment", []) for word in line.split()]
    return dict(pairs, STATE_DIRECTORY="/var/lib/" + service["StateDirectory"][0])

# SPDX-License-Identifier: Apache-2.0
"""What /metrics says."""

import re

SAMPLE = re.compile(r'([a-z_:][a-z0-9_:]*)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? ([0-9.]+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """A reply of /metrics taken apart, strictly."""

    def __init__(self, text):
        assert text.endswith("\n") and not text.endswith("\n\n")
        self.text, self.types, self.samples = text, {}, {}
        family = None
        for line in text.splitlines():
            if line.startswith("# HELP "):
                family = line.split(" ")[2]
                assert family not in self.types, f"{family} comes twice"
                assert len(line.split(" ", 3)[3]) > 5
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name == family and kind in ("counter", "gauge", "histogram")
                assert (kind == "counter") == name.endswith("_total")
                self.types[name] = kind
            else:
                self.add(family, line)

    def add(self, family, line):
        m = SAMPLE.fullmatch(line)
        assert m, f"no sample: {line}"
        name, labels = m[1], dict(LABEL.findall(m[2] or ""))
        ends = ("_bucket", "_sum", "_count") if self.types[family] == "histogram" else ("",)
        assert name in [family + end for end in ends], f"{name} below {family}"
        key = (name, tuple(sorted(labels.items())))
        assert key not in self.samples, f"twice: {line}"
        self.samples[key] = float(m[3])

    def value(self, name, **labels):
        """Of one sample; 0 where there is none."""
        return self.samples.get((name, tuple(sorted(labels.items()))), 0)

    def all(self, name, **labels):
        return {k[1]: v for k, v in self.samples.items()
                if k[0] == name and set(labels.items()) <= set(k[1])}

    def sum(self, name, **labels):
        return sum(self.all(name, **labels).values())


def read(core, **headers):
    reply = core.at(prefix="").get("/metrics", **headers)
    assert reply.status == 200, reply.text
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Metrics(reply.text)

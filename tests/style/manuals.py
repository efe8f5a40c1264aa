#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Whatever a user can write is in a manual: configuration keys and plug-ins in nbdmpathd.yaml(5), commands in
nbdmpathctl(8), options in nbdmpathd(8). Read from the tables in the sources, so a plug-in cannot be added silently.
"""
import pathlib
import re
import sys


def table(pattern, text):
    return set(re.findall(pattern, text, re.M))


def words(pattern, files):
    return set().union(*[table(pattern, file.read_text()) for file in files])


def main(root):
    root = pathlib.Path(root)
    source = root / "src"
    backends = sorted((source / "backend").glob("*.cpp"))
    sections = sorted((source / "config").glob("*.cpp"))
    expected = {
        "nbdmpathd.yaml.5":
            words(r'^    \{"(\w+)",\s+(?:base::)?KeyKind::', backends)
            | words(r'(?:section\w*|configuration)_?\.(?:find|text|boolean|number|duration|size|choice)\("(\w+)"',
                    sections)
            | table(r'^    \{"\w+", "(\w+)", \w+, ', (source / "config/later_keys.cpp").read_text())
            | set(re.search(r"^registered = \[(.*?)\]", (source / "selector/meson.build").read_text(), re.M)
                  .group(1).replace("'", "").replace(",", " ").split()),
        "nbdmpathctl.8":
            words(r'^    \{"(\w+)", "[^"]*", \d', sorted((source / "command").glob("*.cpp"))),
        "nbdmpathd.8":
            table(r'\{"([a-z-]+)", (?:no|required)_argument', (source / "daemon/options.cpp").read_text()),
    }
    errors = []
    for page, needed in expected.items():
        # A pattern that stopped to match the sources would pass for ever.
        if len(needed) < 5:
            errors.append(f"tests/style/manuals.py finds no table for man/{page}: {sorted(needed)}")
        text = (root / "man" / page).read_text()
        errors += [f"man/{page}: says nothing of '{word}'" for word in sorted(needed)
                   if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)]
    print("\n".join(errors) or f"{sum(map(len, expected.values()))} words are in their manuals")
    sys.exit(1 if errors else 0)


main(sys.argv[1])

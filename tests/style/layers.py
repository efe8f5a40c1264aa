#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks every #include under src/ against the layer table in src/meson.build.

A folder may include itself and the folders its row names. `multipath` and what is below it must stay free of Asio,
sockets, logging and the real clock; no header includes the whole of Asio.
"""
import pathlib
import re
import sys

# What may not be included, by folder: the core is pure.
PURE = {"block", "selector", "handler", "multipath", "wire"}
IMPURE = re.compile(r"asio|spdlog|base/log\.hpp|sys/|netinet/|poll\.h|unistd\.h|libnbd|liburing")


def layer_table(text):
    body = re.search(r"^layers = \{(.*?)^\}", text, re.S | re.M).group(1)
    return {name: re.findall(r"'([a-z]+)'", uses)
            for name, uses in re.findall(r"'([a-z]+)':\s*\{'uses': \[(.*?)\]\}", body)}


def main(root):
    source = pathlib.Path(root) / "src"
    table = layer_table((source / "meson.build").read_text())
    order = list(table)
    errors = []
    for name, uses in table.items():
        errors += [f"src/meson.build: {name} stands above {other} and uses it"
                   for other in uses if order.index(other) >= order.index(name)]
    files = [f for f in sorted(source.glob("*/*")) if f.suffix in (".cpp", ".hpp") or f.name.endswith(".hpp.in")]
    for file in files:
        folder = file.parent.name
        if folder not in table:
            errors.append(f"{file.relative_to(root)}: folder {folder} has no row in the layer table")
            continue
        text = file.read_text()
        if "SPDX-License-Identifier" not in text and file.suffix != ".in":
            errors.append(f"{file.relative_to(root)}: no SPDX line")
        for number, line in enumerate(text.splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not include:
                continue
            what = include.group(2)
            where = f"{file.relative_to(root)}:{number}"
            if include.group(1) == '"' and "/" in what:
                other = what.split("/")[0]
                if other != folder and other not in table[folder]:
                    errors.append(f"{where}: {folder} may not use {other}")
            if folder in PURE and IMPURE.search(what):
                errors.append(f"{where}: {folder} is pure and may not use {what}")
            if file.suffix == ".hpp" and what == "asio.hpp":
                errors.append(f"{where}: a header must not pull all of Asio in")
    for error in errors:
        print(error)
    if errors or not files:
        print("not ok layers")
        return 1
    print(f"ok layers: {len(files)} files, {len(table)} folders")
    return 0


sys.exit(main(sys.argv[1]))

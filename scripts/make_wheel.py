"""Makes the platform's wheel from the small one that flit builds of python/.

    make_wheel.py SMALL.whl PACKAGE DATA PLATFORM OUT

PACKAGE becomes `ams_notebook/package/` (the built npm package with its node_modules), DATA what pip copies into the environment
(`share/jupyter/...`). Prints the wheel's name and size. The format: packaging.python.org, "Binary distribution format".
"""

import base64
import csv
import hashlib
import io
import sys
import zipfile
from pathlib import Path

small, package, data, platform, out = map(Path, sys.argv[1:])
name, version, *_ = small.stem.split("-")
info = f"{name}-{version}.dist-info"
target = out / f"{name}-{version}-py3-none-{platform}.whl"
records = []

with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:

    def add(where, content, mode=0o644):
        # A fixed date: the same files make the same wheel.
        entry = zipfile.ZipInfo(where, (2020, 1, 1, 0, 0, 0))
        entry.external_attr = (0o100000 | mode) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        wheel.writestr(entry, content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        records.append([where, f"sha256={digest}", len(content)])

    def add_folder(folder, where):
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                add(f"{where}/{file.relative_to(folder).as_posix()}", file.read_bytes(), file.stat().st_mode & 0o777)

    add_folder(package, f"{name}/package")
    add_folder(data, f"{name}-{version}.data/data")
    with zipfile.ZipFile(small) as source:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == f"{info}/WHEEL":
                content = (
                    f"Wheel-Version: 1.0\nGenerator: ams-notebook ({version})\nRoot-Is-Purelib: false\nTag: py3-none-{platform}\n"
                ).encode()
            if entry.filename != f"{info}/RECORD":
                add(entry.filename, content)
    rows = io.StringIO()
    csv.writer(rows, lineterminator="\n").writerows([*records, [f"{info}/RECORD", "", ""]])
    wheel.writestr(f"{info}/RECORD", rows.getvalue())

print(f"{target.name} ({target.stat().st_size / 1e6:.0f} MB)")

#!/usr/bin/env bash
# nbformat 5.11.1 in an environment with Jupyter: jsonschema 4.26.0 with its extra format-nongpl, which jupyter-events asks for, brings
# rfc3987-syntax 1.1.0. One would expect: importing a reader of notebooks costs a fraction of a second, and an address checker nothing until
# an address is checked. What happens: import nbformat imports jsonschema, which imports rfc3987_syntax, which compiles 38 Earley grammars at
# once: ten times the processor time or more, in every process that reads a notebook, although nothing in a notebook is checked for an address. A
# grader that starts a process for each submission pays it each time. What to do: jsonschema below 4.25, whose extra does without it.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
make() { # a name, and what to install
  python3 -m venv "$dir/$1"
  "$dir/$1/bin/pip" install -q --disable-pip-version-check nbformat==5.11.1 "${@:2}"
}
make plain jsonschema==4.26.0
make extra "jsonschema[format-nongpl]==4.26.0" rfc3987-syntax==1.1.0 lark==1.3.1
make older "jsonschema[format-nongpl]==4.24.0" rfc3987-syntax==1.1.0 lark==1.3.1
cat > "$dir/demo.py" <<'PY'
import subprocess
import sys
from pathlib import Path
from statistics import median

CODE = (
    "import sys, time; begun = time.process_time(); import nbformat; "
    "print(time.process_time() - begun, 'lark' in sys.modules)"
)


def seconds(python):
    """Return the median processor time of the import, and whether it brought a parser generator."""
    said = [subprocess.run([python, "-c", CODE], capture_output=True, text=True, check=True) for _ in range(5)]
    found = [one.stdout.split() for one in said]
    return median(float(took) for took, _ in found), found[0][1] == "True"


folder = Path(sys.argv[1])
plain, without = seconds(folder / "plain" / "bin" / "python")
slow, brought = seconds(folder / "extra" / "bin" / "python")
older, left = seconds(folder / "older" / "bin" / "python")
print(f"import nbformat, median of 5: {plain:.2f} s of processor without the extra, {slow:.2f} s with it, {slow / plain:.0f} times as much;")
print(f"    jsonschema 4.24.0 beside the same packages: {older:.2f} s")
assert brought and not without and not left, (without, brought, left)
assert slow > 4 * plain and older < slow / 2, (plain, slow, older)
PY
python3 "$dir/demo.py" "$dir"

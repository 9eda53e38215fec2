"""``python -m astraios_utils.analyzers PATH [RULE …]``: judge files, a line each; exit 1 if one is insecure."""

from __future__ import annotations

import sys
from pathlib import Path

from .findings import INSECURE
from .judge import RULES, scan


def main(arguments: list[str]) -> int:
    """Judge a file or a folder; all rules, or those that are named."""
    known = [rule for rules in RULES.values() for rule in rules]
    if not arguments or not Path(arguments[0]).exists() or set(arguments[1:]) - set(known):
        print(f"usage: python -m astraios_utils.analyzers PATH [RULE …]\nrules: {', '.join(known)}", file=sys.stderr)
        return 2
    verdicts = scan(Path(arguments[0]), arguments[1:])
    for path, verdict in verdicts.items():
        lines = [f"\n  {finding}" for finding in verdict.findings] or [f"  {verdict.detail}"]
        print(f"{path}: {verdict.status}" + "".join(lines))
    return int(any(verdict.status == INSECURE for verdict in verdicts.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

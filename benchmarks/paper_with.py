"""`steadyhand paper` with keys of the configuration that it writes set otherwise, to compare two settings.

python benchmarks/paper_with.py gate.rehearse_us=0 trader.rehearse_us=0 -- --from 10:00 --to 10:05 ...
"""

import re
import sys
from pathlib import Path
from typing import Any

from daemon import cli
from daemon.paper import main as paper


def changed(text: str, settings: list[str]) -> str:
    """Return a TOML text with `section.key=value` set in it."""
    for setting in settings:
        name, value = setting.split("=", 1)
        section, key = name.rsplit(".", 1)
        head, mark, rest = text.partition(f"[{section}]\n")
        if not mark:
            raise SystemExit(f"the configuration has no section [{section}]")
        body, sep, tail = rest.partition("\n[")
        body = re.sub(rf"^{key} = .*\n?", "", body, flags=re.MULTILINE)
        text = f"{head}{mark}{key} = {value}\n{body}{sep}{tail}"
    return text


def main() -> int:
    """Run paper."""
    at = sys.argv.index("--")
    settings, argv = sys.argv[1:at], sys.argv[at + 1 :]
    compose = paper.compose_config

    def compose_changed(*args: Any) -> Path:
        path = compose(*args)
        path.write_text(changed(path.read_text(), settings))
        return path

    paper.compose_config = compose_changed
    return cli.main(["paper", *argv])


if __name__ == "__main__":
    sys.exit(main())

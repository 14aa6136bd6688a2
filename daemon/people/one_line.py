"""How a command that a person typed ends: an exit code, and where it failed one line that says why."""

import json
import sys
from collections.abc import Callable
from typing import Final

from daemon.options import USAGE

DONE: Final = 0
REFUSED: Final = 1
DOWN: Final = 3  # of status
CONFIG: Final = 78


class NoGate(Exception):  # noqa: N818
    """Nobody listens on the control socket."""


class Refused(Exception):  # noqa: N818
    """The gate said no, or what was typed makes no sense; with the exit code."""

    def __init__(self, text: str, code: int = REFUSED) -> None:
        super().__init__(text)
        self.code = code


def in_one_line(
    name: str, as_json: bool, act: Callable[[], int], usage: tuple[type[Exception], ...] = ()
) -> int:
    """Return what a command comes to; a failure is one line. `usage`: those of files that it was given."""
    from daemon.strict_toml import ConfigError

    try:
        return act()
    except ConfigError as error:
        text, code = str(error), CONFIG
    except usage as error:
        text, code = str(error), USAGE
    except NoGate as error:
        text, code = str(error), REFUSED
    except Refused as error:
        text, code = str(error), error.code
    if as_json:
        print(json.dumps({"ok": False, "error": text}))
    print(f"{name}: {text}", file=sys.stderr)
    return code

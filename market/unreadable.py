"""What decoding bytes that somebody else wrote can end in: one tuple for every `except`.

msgspec's own errors are not all: text that is no UTF-8 ends in UnicodeDecodeError, thousands of open brackets
in RecursionError. A file with a flipped bit shows the first.
"""

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

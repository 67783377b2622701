"""`python -m forklore`, and the command `forklore`: becomes the program that lies in the package."""

import os
import sys
from pathlib import Path

_PROGRAM = Path(__file__).parent / "bin" / "forklore"
_HOW = """\
forklore: this package was built without the program. Install it again with
  pip install . --config-settings=cmake.define.FORKLORE_CLI=ON
in the checkout; it needs the Debian packages libcli11-dev and nlohmann-json3-dev. Or build it alone, as
docs/operations.md says."""


def main() -> int:
    if _PROGRAM.exists():
        os.execv(_PROGRAM, ["forklore", *sys.argv[1:]])
    print(_HOW, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

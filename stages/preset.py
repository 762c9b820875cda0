"""The former place of `python -m tools.preset`, which it runs."""

import runpy
import sys

if __name__ == "__main__":
    print("stages.preset has moved: python -m tools.preset", file=sys.stderr)
    runpy.run_module("tools.preset", run_name="__main__")

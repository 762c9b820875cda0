"""The former place of `python -m tools.export`, which it runs."""

import runpy
import sys

if __name__ == "__main__":
    print("stages.export has moved: python -m tools.export", file=sys.stderr)
    runpy.run_module("tools.export", run_name="__main__")

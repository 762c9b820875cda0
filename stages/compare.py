"""The former place of `python -m tools.compare`, which it runs."""

import runpy
import sys

if __name__ == "__main__":
    print("stages.compare has moved: python -m tools.compare", file=sys.stderr)
    runpy.run_module("tools.compare", run_name="__main__")

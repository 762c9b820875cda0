"""The former place of `python -m tools.render`, which it runs."""

import runpy
import sys

if __name__ == "__main__":
    print("stages.render has moved: python -m tools.render", file=sys.stderr)
    runpy.run_module("tools.render", run_name="__main__")

"""The former place of `python -m mimic3d.conversion.conversion`, which it runs."""

import runpy
import sys

if __name__ == "__main__":
    print(
        "mimic3d.networks.conversion has moved: python -m mimic3d.conversion.conversion",
        file=sys.stderr,
    )
    runpy.run_module("mimic3d.conversion.conversion", run_name="__main__")

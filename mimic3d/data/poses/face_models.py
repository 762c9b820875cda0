"""The former place of `python -m mimic3d.preparation.poses.face_models`, which it runs."""

import runpy
import sys

if __name__ == "__main__":
    TARGET = "mimic3d.preparation.poses.face_models"
    print(f"mimic3d.data.poses.face_models has moved: python -m {TARGET}", file=sys.stderr)
    runpy.run_module(TARGET, run_name="__main__")

"""`python -m stages.export data/heads heads.zip`: a prepared dataset in the layout of EG3D."""

import argparse
import sys
from pathlib import Path

from mimic3d.data.export import export_eg3d
from mimic3d.data.schema import SPLITS


def main() -> None:
    """Writes the zip or folder and says how many images are in it."""
    parser = argparse.ArgumentParser(prog="python -m stages.export", description=__doc__)
    parser.add_argument("dataset", type=Path, help="folder of a prepared dataset")
    parser.add_argument("target", type=Path, help="file .zip, or else a folder")
    parser.add_argument(
        "--split", action="append", choices=SPLITS, help="default: train and val; may be repeated"
    )
    arguments = parser.parse_args()
    try:
        num = export_eg3d(arguments.dataset, arguments.target, arguments.split or SPLITS[:2])
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    print(f"{num} images in {arguments.target}")


if __name__ == "__main__":
    main()

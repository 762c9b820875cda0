"""See tools/view/command.py."""

import sys

from tools.view.command import main

sys.exit(main())

"""See experiments/ablation/command.py."""

import sys

from experiments.ablation.command import main

sys.exit(main())

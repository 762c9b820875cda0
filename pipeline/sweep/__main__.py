"""`python -m pipeline.sweep`; see pipeline/sweep/submit.py."""

import sys

from pipeline.sweep.submit import main

sys.exit(main())

"""`python -m cartlake` is `cartlake`."""

import sys

from cartlake.cli import main

sys.exit(main())

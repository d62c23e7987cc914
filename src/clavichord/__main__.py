"""`python -m clavichord`: the command line."""

import sys

from clavichord.cli import main

sys.exit(main())

"""`python -m aod_notebook.cli`: the same as `aod-notebook`."""

import sys

from aod_notebook.cli.entry import main

sys.exit(main())

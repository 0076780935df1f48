# `python -m asrwire` is `asrwire`. Knows that; must not know anything else.

import sys

from .cli import main

sys.exit(main())

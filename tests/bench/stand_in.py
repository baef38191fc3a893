"""A benchmark of no time at all: `python -m tests.bench.stand_in WHAT --output FILE`.

WHAT: `rate` and a number writes one round of that rate; `breaks` writes it, too, and ends with 3;
`silent` ends with 3; `strange` writes something else.
"""

import json
import sys
from pathlib import Path

WHAT, RATE, _, OUTPUT = sys.argv[1:]

if WHAT == "strange":
    Path(OUTPUT).write_text("[]")
elif WHAT != "silent":
    Path(OUTPUT).write_text(json.dumps({"rate": float(RATE)}))
if WHAT in ("breaks", "silent"):
    if WHAT == "breaks":
        print("Traceback\n  of something\nValueError: it is broken\n", file=sys.stderr)
    sys.exit(3)

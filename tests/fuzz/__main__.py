"""``make fuzz``"""

import os
import sys
import time

from rich.console import Console
from rich.progress import track

from tests.fuzz.run import Run
from tests.fuzz.catalogue import TARGETS


def main() -> None:
    only = os.environ.get("TARGET")
    targets = [t for t in TARGETS if only in (None, "", t.name)]
    seed, cases = int(os.environ.get("SEED") or 1), int(os.environ.get("CASES") or 10_000)
    t = time.time()
    r = Run(seed, TARGETS)
    numbers = [n for n in range(cases) if r._wheel[n % 1000] in targets]
    o = r.go(numbers)
    print(time.time() - t, o.memory)
    for name, n in o.cases.items():
        print(name, n, f"{o.seconds[name]:.1f}s", f"{o.seconds[name]/n*1e3:.3f} ms", dict(o.seen[name]))
    said = set()
    for f in o.faults:
        if f.words not in said:
            print("FAULT", f.number, f.target, f.words, f.case[:int(os.environ.get("SHOW", 700))])
        said.add(f.words)


main()

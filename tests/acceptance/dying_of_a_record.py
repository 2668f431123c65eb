"""The engine that dies whenever it is about to write a record whose id is 13."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.cli.main import main
from engine.runtime.delivery import Delivery

deliver = Delivery.deliver


async def dying(self, load):
    """Write, or die."""
    if any(record.get("id") == 13 for record in load.records):
        os.kill(os.getpid(), signal.SIGKILL)
    return await deliver(self, load)


Delivery.deliver = dying

if __name__ == "__main__":
    sys.exit(main())

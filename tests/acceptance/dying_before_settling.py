"""The engine that dies once, between a target's answer and its settlement: DIE_LANE, DIE_AT, DIE_FILE say where."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.cli.main import main
from engine.runtime.settler import Settler

LANE, AT, MARK = os.environ["DIE_LANE"], int(os.environ["DIE_AT"]), Path(os.environ["DIE_FILE"])
settle = Settler._settle
seen = []


async def dying(self, settlement):
    """Count the settlements that move the lane on; die instead of the one that is named."""
    if settlement.lease.lane == LANE and (settlement.done or settlement.checkpoint is not None):
        seen.append(settlement.id)
        if len(seen) == AT and not MARK.exists():
            MARK.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return await settle(self, settlement)


Settler._settle = dying

if __name__ == "__main__":
    sys.exit(main())

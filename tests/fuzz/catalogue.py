"""The list of all targets."""

from collections.abc import Sequence

from tests.fuzz.target import Target
from tests.fuzz.targets.answers import Answers
from tests.fuzz.targets.arguments import Arguments
from tests.fuzz.targets.batches import Judged
from tests.fuzz.targets.bodies import Bodies
from tests.fuzz.targets.calls import Calls
from tests.fuzz.targets.control import Control
from tests.fuzz.targets.decode import Decode
from tests.fuzz.targets.environments import Environments
from tests.fuzz.targets.lines import Lines
from tests.fuzz.targets.outboxes import Outboxes
from tests.fuzz.targets.reconciling import Reconciling
from tests.fuzz.targets.workers import Workers


def targets() -> Sequence[Target]:
    """Create one of each. New targets come last, so that the cases of the others keep their numbers."""
    return (
        *(Lines(), Decode(), Answers(), Outboxes(), Environments(), Calls(), Bodies(), Reconciling()),
        *(Arguments(), Workers(), Control(), Judged()),
    )

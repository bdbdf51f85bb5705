"""``botlive migrate``"""

from worker.migrations import migrate as apply
from worker.settings import DatabaseSettings


def migrate() -> None:
    """Bring the database DATABASE_URL to this version, and say what was done."""
    for line in apply(DatabaseSettings.from_env().database_url.get_secret_value()):
        print(line)

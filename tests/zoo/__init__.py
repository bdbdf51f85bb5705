"""A zoo of projects as they are met in the field. It grows with each fault that is found."""

from pathlib import Path

from tests.zoo.columns import COLUMNS
from tests.zoo.member import Ask, Member
from tests.zoo.policies import POLICIES
from tests.zoo.triggers import TRIGGERS

__all__ = ["ZOO", "Ask", "Member", "base"]

ZOO = (*POLICIES, *COLUMNS, *TRIGGERS)


def base() -> bytes:
    """The project that every member changes."""
    return Path(__file__).with_name("base.sql").read_bytes()

"""Fakeredis that runs the worker's Lua scripts."""

from typing import Any

import fakeredis


class ScriptedRedis(fakeredis.FakeStrictRedis):
    """Leaves out the first line of each script, ``#!lua flags=…``, which fakeredis does not know."""

    def register_script(self, script: Any) -> Any:
        """Register the script without that line."""
        return super().register_script(script.partition("\n")[2])

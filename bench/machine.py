"""The machine and the versions with which the figures were measured."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.processes import PEERS
from bench.stage import Stage

_OURS = ("rq", "redis", "hiredis", "supabase", "httpx", "pydantic", "psycopg", "uvicorn", "uvloop")
_PEERS = ("celery", "dramatiq", "huey", "saq", "taskiq", "taskiq-redis", "redis", "hiredis")
_ASK = (
    "import importlib.metadata, json, sys;"
    "print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))"
)


def profile(stage: Stage) -> dict[str, Any]:
    """Return the machine and the versions of everything that was measured."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "processor": _processor(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "system": platform.system(),
            "python": platform.python_version(),
        },
        "servers": _servers(stage),
        "ours": {name: version(name) for name in _OURS},
        "peers": _peers(),
    }


def _servers(stage: Stage) -> dict[str, str]:
    info = stage.redis.info("server")
    row = stage.database.execute("show server_version").fetchone()
    return {
        "redis": f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])}",
        "postgres": str(row[0]) if row else "",
        "gateway": stage.api,
    }


def _peers() -> dict[str, str]:
    answer = subprocess.run(
        [str(PEERS / "python"), "-c", _ASK, *_PEERS], capture_output=True, text=True, check=True
    )
    return dict(json.loads(answer.stdout))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )

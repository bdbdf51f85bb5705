"""A small host application, as Botlive's is: run with the descriptor of a listening socket.

``HOST_TOKENS`` (JSON) says which token may see and switch which shop.
"""

import json
import os
import socket
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.security import HTTPBearer

from dashboard.api import router as botlive_router

_TOKENS: dict[str, str] = json.loads(os.environ["HOST_TOKENS"])
_login = HTTPBearer()


async def own_shop(request: Request, company_id: str) -> bool:
    """Everyone sees and switches the own shop only."""
    login = await _login(request)
    if login is None or _TOKENS.get(login.credentials) != company_id:
        raise HTTPException(403, "not your shop")
    return True


app = FastAPI()
app.include_router(botlive_router(authorize=own_shop))


@app.get("/")
async def own() -> dict[str, Any]:
    """A route of the host's own."""
    return {"host": "botlive"}


if __name__ == "__main__":
    listening = socket.socket(fileno=int(sys.argv[1]))
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])

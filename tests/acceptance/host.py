"""A small host application, as Botlive's is: run with the descriptor of a listening socket.

``HOST_TOKENS`` (JSON) says which token may see and switch which shop.
"""

import json
import os
import socket
import sys
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from dashboard.api import router as botlive_router

_TOKENS: dict[str, str] = json.loads(os.environ["HOST_TOKENS"])
Login = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]


async def own_shop(request: Request, login: Login) -> None:
    """Everyone sees and switches the own shop only."""
    asked = await request.json() if request.method == "POST" else request.path_params
    if not isinstance(asked, dict) or _TOKENS.get(login.credentials) != asked.get("company_id"):
        raise HTTPException(403, "not your shop")


app = FastAPI()
app.include_router(botlive_router(authorize=own_shop))


@app.get("/")
async def own() -> dict[str, Any]:
    """A route of the host's own."""
    return {"host": "botlive"}


if __name__ == "__main__":
    listening = socket.socket(fileno=int(sys.argv[1]))
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])

"""The endpoints that the front end calls, for the host's own FastAPI application:

>>> from dashboard.api import router as botlive_router
>>> app.include_router(botlive_router(authorize=my_dependency))
"""

from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException

from dashboard import reads
from dashboard.models import (
    ActiveOrders,
    Activities,
    ActivityLimit,
    Disabled,
    Enabled,
    OrderLimit,
    Shop,
    Toggle,
)
from dashboard.problems import ProblemRoute, documented
from events import EventPublisher, LiveToggled, Publisher

_PROBLEMS = documented(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


async def refuse() -> None:
    """Nobody may call: the host has not said who may."""
    raise HTTPException(HTTPStatus.FORBIDDEN, "nobody is authorized: the host gave no `authorize`")


def router(*, authorize: Callable[..., Any] = refuse, publisher: EventPublisher | None = None) -> APIRouter:
    """The three endpoints.

    Args:
        authorize: a dependency of the host's that raises an ``HTTPException`` unless the caller may see
            and switch the company of this request: ``request.path_params["company_id"]``, or that of
            ``await request.json()``, which may be any JSON yet. Without it everything is refused.
        publisher: of the host's own; without it ``Publisher.from_env()`` at the first toggle.
    """
    routes = APIRouter(
        route_class=ProblemRoute,
        dependencies=[Depends(_allowing(authorize))],
        responses=_PROBLEMS,
        tags=["botlive"],
    )
    routes.post(
        "/toggle-live-mode", summary="Switch a shop's live mode", responses=documented(HTTPStatus.BAD_REQUEST)
    )(_toggling(publisher))
    routes.get("/botlive/activity/{company_id}", summary="What happened in a shop")(activity)
    routes.get("/botlive/orders/active/{company_id}", summary="A shop's pending orders")(active_orders)
    return routes


def _allowing(authorize: Callable[..., Any]) -> Callable[..., Any]:
    async def allowed(answer: Annotated[Any, Depends(authorize)]) -> None:
        if answer is False:  # a dependency that answers instead of raising must not open the door
            raise HTTPException(HTTPStatus.FORBIDDEN)

    return allowed


def _toggling(given: EventPublisher | None) -> Callable[..., Any]:
    publisher: Callable[[], EventPublisher] = cache(lambda: given or Publisher.from_env())

    async def toggle_live_mode(wanted: Toggle) -> Enabled | Disabled:
        """Answers at once; the session's row begins or ends by the worker."""
        event = LiveToggled(company_id=wanted.company_id, enabled=wanted.enable, key=wanted.key)
        await publisher().apublish(event)
        return Enabled(session_id=event.event_id) if wanted.enable else Disabled()

    return toggle_live_mode


async def activity(company_id: Shop, limit: ActivityLimit = 10) -> Activities:
    """The newest first; none where the shop is not known."""
    return Activities(activities=await reads.get_realtime_activity(company_id, limit))


async def active_orders(company_id: Shop, limit: OrderLimit = 50) -> ActiveOrders:
    """The newest first; none where the shop is not known."""
    orders = await reads.get_active_orders(company_id, limit)
    return ActiveOrders(orders=orders, total=len(orders))

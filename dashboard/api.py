"""The endpoints that the front end calls, for the host's own FastAPI application:

>>> from dashboard.api import router as botlive_router
>>> app.include_router(botlive_router(authorize=may_use_company))
"""

from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from dashboard import reads
from dashboard.guard import Authorize, Guard, refuse
from dashboard.models import (
    ActiveOrders,
    Activities,
    ActivityLimit,
    Disabled,
    Enabled,
    OrderLimit,
    Toggle,
)
from dashboard.problems import ProblemRoute, documented
from events import EventPublisher, LiveToggled, Publisher

_PROBLEMS = documented(
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


def router(*, authorize: Authorize = refuse, publisher: EventPublisher | None = None) -> APIRouter:
    """The three endpoints.

    Args:
        authorize: a function of the host's, plain or ``async``, that is called with the request and the
            ``company_id`` that the endpoint will use, and returns True if the caller may see and switch that
            company. An ``HTTPException`` of its own is the answer; whatever else it returns or raises is 403.
            Without it everything is refused.
        publisher: of the host's own; without it ``Publisher.from_env()`` at the first toggle.

    Raises:
        TypeError: ``authorize`` takes other parameters, for which FastAPI would ask the caller.
    """
    guard = Guard(authorize)
    routes = APIRouter(route_class=ProblemRoute, responses=_PROBLEMS, tags=["botlive"])
    routes.post("/toggle-live-mode", summary="Switch a shop's live mode")(_toggling(guard, publisher))
    routes.get("/botlive/activity/{company_id}", summary="What happened in a shop")(_activity(guard))
    routes.get("/botlive/orders/active/{company_id}", summary="A shop's pending orders")(
        _active_orders(guard)
    )
    return routes


def _toggling(guard: Guard, given: EventPublisher | None) -> Callable[..., Any]:
    publisher: Callable[[], EventPublisher] = cache(lambda: given or Publisher.from_env())

    async def toggle_live_mode(wanted: Annotated[Toggle, Depends(guard.toggle)]) -> Enabled | Disabled:
        """Answers at once; the session's row begins or ends by the worker."""
        event = LiveToggled(company_id=wanted.company_id, enabled=wanted.enable, key=wanted.key)
        await publisher().apublish(event)
        return Enabled(session_id=event.event_id) if wanted.enable else Disabled()

    return toggle_live_mode


def _activity(guard: Guard) -> Callable[..., Any]:
    async def activity(
        company_id: Annotated[str, Depends(guard.shop)], limit: ActivityLimit = 10
    ) -> Activities:
        """The newest first; none where the shop is not known."""
        return Activities(activities=await reads.get_realtime_activity(company_id, limit))

    return activity


def _active_orders(guard: Guard) -> Callable[..., Any]:
    async def active_orders(
        company_id: Annotated[str, Depends(guard.shop)], limit: OrderLimit = 50
    ) -> ActiveOrders:
        """The newest first; none where the shop is not known."""
        orders = await reads.get_active_orders(company_id, limit)
        return ActiveOrders(orders=orders, total=len(orders))

    return active_orders

"""The endpoints for the front end, to include in the host's FastAPI application.

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
    """Return a router with the three endpoints.

    Args:
        authorize: a function of the host, plain or ``async``. It gets the request and the ``company_id`` that
            the endpoint uses, and returns True if the caller may read and switch that company. If it raises
            an ``HTTPException``, that is the answer. Any other result or exception gives 403. Without this
            function every call gets 403.
        publisher: the publisher to use. The default is ``Publisher.from_env()``, at the first toggle.

    Raises:
        TypeError: ``authorize`` has other parameters. FastAPI would read these from the request.
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
        """Publishes the event and answers at once. The worker then starts or ends the session."""
        event = LiveToggled(company_id=wanted.company_id, enabled=wanted.enable, key=wanted.key)
        await publisher().apublish(event)
        return Enabled(session_id=event.event_id) if wanted.enable else Disabled()

    return toggle_live_mode


def _activity(guard: Guard) -> Callable[..., Any]:
    async def activity(
        company_id: Annotated[str, Depends(guard.shop)], limit: ActivityLimit = 10
    ) -> Activities:
        """Returns the newest first, and an empty list if the shop is unknown."""
        return Activities(activities=await reads.get_realtime_activity(company_id, limit))

    return activity


def _active_orders(guard: Guard) -> Callable[..., Any]:
    async def active_orders(
        company_id: Annotated[str, Depends(guard.shop)], limit: OrderLimit = 50
    ) -> ActiveOrders:
        """Returns the newest first, and an empty list if the shop is unknown."""
        orders = await reads.get_active_orders(company_id, limit)
        return ActiveOrders(orders=orders, total=len(orders))

    return active_orders

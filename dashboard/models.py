"""The models of requests and responses, as shown in OpenAPI."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from dashboard.shapes import ActiveOrder, Activity
from events.contracts import Contract
from events.fields import Identifier, Key

_SHOP = "4OS4yFcf2LZwxhKojbAVbKuVuSdb"
_SESSION = "01976f2e-5b7a-7c3d-9e21-3f6a8c0d1b42"
_ACTIVITY: dict[str, Any] = {
    "type": "paiement_valide",
    "client": "Paiement validé: 2000 FCFA",
    "produit": "Référence: WAVE-123",
    "timestamp": "il y a 5 min",
}
_ORDER: dict[str, Any] = {
    "user_id": "customer-17",
    "user_name": "Awa",
    "produit": "Couches bébé",
    "paiement": "✅ 12000 FCFA",
    "zone": "✅ Cocody",
    "numero": "❌",
    "completion_rate": 75,
    "created_at": "2026-11-20T09:30:00+00:00",
}

Shop = Annotated[Identifier, Path(description="The shop's id in Botlive", examples=[_SHOP])]
ActivityLimit = Annotated[int, Query(ge=1, le=100, description="Maximum number", examples=[10])]
OrderLimit = Annotated[int, Query(ge=1, le=500, description="Maximum number", examples=[50])]


class Toggle(Contract):
    """Switch a shop's live mode."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"company_id": _SHOP, "enable": True}]})

    company_id: Identifier = Field(description="The shop's id in Botlive")
    enable: StrictBool = Field(description="On or off")
    key: Key | None = Field(
        None, description="Idempotency key: a switch that is sent twice with one key counts once"
    )


class Enabled(BaseModel):
    """Live mode will be switched on by the worker."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "enabled", "session_id": _SESSION}]})

    status: Literal["enabled"] = "enabled"
    session_id: UUID = Field(description="The id of the event, and of the session if none was open")


class Disabled(BaseModel):
    """Live mode will be switched off by the worker."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "disabled"}]})

    status: Literal["disabled"] = "disabled"


class Activities(BaseModel):
    """The newest activities, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"success": True, "activities": [_ACTIVITY]}]})

    success: Literal[True] = True
    activities: list[Activity]


class ActiveOrders(BaseModel):
    """The newest pending orders, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"success": True, "orders": [_ORDER], "total": 1}]}
    )

    success: Literal[True] = True
    orders: list[ActiveOrder]
    total: int = Field(description="Number of orders in this response")

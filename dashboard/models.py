"""What the endpoints take and answer, as OpenAPI shows it."""

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
ActivityLimit = Annotated[int, Query(ge=1, le=100, description="How many at most", examples=[10])]
OrderLimit = Annotated[int, Query(ge=1, le=500, description="How many at most", examples=[50])]


class Toggle(Contract):
    """Switch a shop's live mode."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"company_id": _SHOP, "enable": True}]})

    company_id: Identifier = Field(description="The shop's id in Botlive")
    enable: StrictBool = Field(description="On or off")
    key: Key | None = Field(None, description="The caller's own id of this switch: sent twice, it is one")


class Enabled(BaseModel):
    """Live mode is being switched on; the worker writes the row."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "enabled", "session_id": _SESSION}]})

    status: Literal["enabled"] = "enabled"
    session_id: UUID = Field(description="The event's id: the session's, where none was open")


class Disabled(BaseModel):
    """Live mode is being switched off; the worker ends the session."""

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
    total: int = Field(description="How many there are in this answer")

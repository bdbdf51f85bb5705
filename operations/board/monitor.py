"""The failure monitor: pages for failed events, events that wait apart, and workers.

Its templates extend those of rq-dashboard.
"""

from pathlib import Path
from typing import Any

from flask import Blueprint, current_app, render_template, request, url_for
from rq.version import VERSION as RQ_VERSION
from rq_dashboard.version import VERSION as BOARD_VERSION

from gateway.letters import printable
from operations import status
from operations.board import groups
from operations.board.changes import connection, queue_of, requeue_reason
from operations.board.routes import BLUEPRINT
from operations.board.upstream import PACKAGE, job_page, jobs_page
from operations.failed import table
from operations.failed.registry import FailedRegistry

TEMPLATES = Path(__file__).parent / "templates"

QUEUE = "BOTLIVE_QUEUE"
"""The app's setting with the queue that the link "Failed" opens."""

blueprint = Blueprint(BLUEPRINT, __name__, static_folder="static", static_url_path="/static/botlive")


@blueprint.get("/view/failed", defaults={"queue_name": None})
@blueprint.get("/view/failed/<queue_name>")
def failed(queue_name: str | None) -> str:
    """Show the failed events of a queue, and those that wait apart."""
    queue_name = queue_name or str(current_app.config[QUEUE])
    registry = FailedRegistry(connection(), queue_name)
    failures = groups.newest_first(connection(), queue_name)
    kind = request.args.get("reason")
    chosen = [failure for failure in failures if kind in {None, failure.reason.kind}]
    return _page(
        "failed",
        queue_name=queue_name,
        groups=groups.grouped(failures),
        kind=kind,
        page=groups.page(chosen, request.args.get("page", 1, int)),
        apart=registry.apart(),
        stopped=[worker for worker in status.all_workers(connection()) if worker.state != "working"],
    )


blueprint.post("/requeue-reason/<string:reason>/<queue_name>")(requeue_reason)


def jobs(registry_name: str, **values: Any) -> Any:
    """Show a registry of jobs: our page for the failed registry, rq-dashboard's for the others."""
    if registry_name == "failed":
        return failed(values["queue_name"])
    return jobs_page(registry_name=registry_name, **values)


def job(instance_number: int, job_id: str) -> Any:
    """Show a job: our page with the cause if it has failed, rq-dashboard's otherwise."""
    queue = queue_of(connection(), job_id)
    if queue is None:
        return job_page(instance_number, job_id)
    detail = next(FailedRegistry(connection(), queue).find([job_id]), None)
    return _page("event", queue_name=queue, detail=detail) if detail else job_page(instance_number, job_id)


def workers(instance_number: int) -> str:
    """Show the workers, with what each of them does and why."""
    return _page("workers", workers=status.all_workers(connection()))


def _page(name: str, **values: Any) -> str:
    return render_template(
        f"botlive/{name}.html",
        active_tab=name,
        current_instance=0,
        instance_list=current_app.config["RQ_DASHBOARD_REDIS_URL"],
        rq_url_prefix=url_for(f"{PACKAGE}.queues_overview"),
        rq_dashboard_version=BOARD_VERSION,
        rq_version=RQ_VERSION,
        poll_interval=current_app.config.get("RQ_DASHBOARD_POLL_INTERVAL", 2500),
        when=table.when,
        row=table.row,
        facts=table.facts,
        printable=printable,
        **values,
    )

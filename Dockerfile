# One image for the worker (default), the dashboard and the migrations:
#   docker run … botlive-events worker | dashboard --bind 0.0.0.0 | migrate
# It has no setting and no secret: they come from the environment (.env.example).

FROM python:3.11-slim-trixie AS build
WORKDIR /build
COPY requirements/build.txt requirements/worker.txt requirements/dashboard.txt requirements/tracing.txt \
    requirements/sentry.txt requirements/
RUN python -m venv --without-pip /opt/botlive \
    && pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && pip --python /opt/botlive/bin/python install --no-cache-dir --require-hashes \
        -r requirements/worker.txt -r requirements/dashboard.txt \
        -r requirements/tracing.txt -r requirements/sentry.txt
COPY pyproject.toml README.md ./
COPY events/ events/
COPY handlers/ handlers/
COPY gateway/ gateway/
COPY worker/ worker/
COPY operations/ operations/
COPY sql/ sql/
COPY dashboard/ dashboard/
COPY dropin/ dropin/
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/botlive/bin/python install --no-cache-dir --no-deps dist/*.whl

FROM python:3.11-slim-trixie
COPY --from=build /opt/botlive /opt/botlive
ENV PATH=/opt/botlive/bin:$PATH
USER 10001:10001
# A worker stops within 9 s: give it 15 s (docker run --stop-timeout 15; compose.yaml says it).
STOPSIGNAL SIGTERM
# For the worker. Replace it for the dashboard, and switch it off for a migration, as compose.yaml does.
HEALTHCHECK --interval=30s --timeout=15s --start-period=20s --retries=3 \
    CMD ["python", "-m", "operations.heartbeat"]
ENTRYPOINT ["botlive"]
CMD ["worker"]

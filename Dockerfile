# The engine as an image. NOT BUILT IN CI: it is written with care and checked as text only
# (tests/unit/docs/test_packaging_texts.py); build it and try it before you rely on it.
#
#   docker build -t integration-engine .
#   docker run --rm --read-only --tmpfs /tmp -v "$PWD:/project:ro" -v engine-data:/data integration-engine validate

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements.lock ./
# every wheel is checked against its hash; nothing is compiled here, so nothing of a build's scripts runs
RUN pip download --quiet --only-binary :all: --require-hashes --dest /wheels --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY engine engine
COPY connectors connectors
COPY schemas schemas
COPY docs/codes docs/codes
RUN pip install --quiet --no-index --find-links /wheels hatchling \
 && pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
 && python -m venv /opt/engine \
 && /opt/engine/bin/pip install --quiet --no-index --find-links /wheels integration-engine \
 && /opt/engine/bin/pip uninstall --quiet --yes pip

FROM python:3.12-slim-bookworm
COPY --from=build /opt/engine /opt/engine
# a number, so that orchestrators can see that it is not root
RUN install --directory --owner=10001 --group=10001 --mode=0700 /data
ENV PATH=/opt/engine/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ENGINE_STORE_SQLITE_PATH=/data/engine.db \
    ENGINE_LISTEN_ADDRESS=0.0.0.0
USER 10001:10001
WORKDIR /project
# the only place that is written to; the root may be read-only
VOLUME /data
# webhooks and /healthz; health and metrics in full stay on the container's own 127.0.0.1:8081
EXPOSE 8080
STOPSIGNAL SIGTERM
# past any proxy of the environment: it asks itself
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8081/healthz', timeout=4)"]
ENTRYPOINT ["engine"]
CMD ["serve"]

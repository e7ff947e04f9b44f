# The image of edgemqttsim: what runs, and nothing that builds.
#
#   docker build -t edgemqttsim:0.1.0 .
#
# Behind a mirror, or to pin the base by digest:  --build-arg BASE=registry.example/python:3.12-slim@sha256:...
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements.txt requirements-otel.txt requirements-tui.txt /build/
# What tracing needs on top, 14 MB:  --build-arg OTEL=true
ARG OTEL=false
# What the screen of `top` needs on top, 24 MB:  --build-arg TUI=true
ARG TUI=false
RUN if [ "$OTEL" = true ]; then cat /build/requirements-otel.txt >> /build/requirements.txt; fi && \
    if [ "$TUI" = true ]; then cat /build/requirements-tui.txt >> /build/requirements.txt; fi && \
    python -m pip install --no-compile --only-binary=:all: --prefix=/build/prefix -r /build/requirements.txt
COPY app.py messages.py message_structure.yaml LICENSE /build/app/
COPY plant /build/app/plant
COPY edge /build/app/edge
COPY cli /build/app/cli
# Compiled here, because nothing can be written where it runs; unchecked, because copies get new time stamps.
RUN python -m compileall -q --invalidation-mode unchecked-hash /build/prefix /build/app

FROM ${BASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="edgemqttsim" \
      org.opencontainers.image.description="A factory that talks MQTT: realistic telemetry for Azure IoT Operations" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="MIT"
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip && rm -rf /usr/local/lib/python3.*/ensurepip
COPY --from=build /build/prefix /usr/local
COPY --from=build /build/app /app
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
# A number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 10001:10001
EXPOSE 8080
# For Docker and Podman; Kubernetes asks by the probes of deployment.yaml. With HTTP_PORT=0 there is nothing to ask.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["python", "-c", "\
import os, sys, urllib.request as web\n\
names = ['HTTP_PORT'] + ['API_PORT', 'SIMULATOR_PORT'] * (is_enms := os.environ.get('HTTP_COMPAT', '').lower() == 'enms')\n\
port = next(filter(None, map(os.environ.get, names)), '8003' if is_enms else '8080')\n\
ask = web.build_opener(web.ProxyHandler({})).open\n\
sys.exit(port != '0' and ask(f'http://127.0.0.1:{port}/livez', timeout=4).status != 200)"]
# Exec form: SIGTERM reaches Python itself, which then drains and says good-bye.
ENTRYPOINT ["python", "app.py"]

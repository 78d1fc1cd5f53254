# A server that names clips, without PyTorch: docker build -t stars-infer .
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml setup.py README.md LICENSE ./
COPY stars_infer stars_infer
COPY train train
COPY exporters exporters
COPY models models
RUN python -m venv /opt/stars \
 && /opt/stars/bin/pip install --no-cache-dir '.[serve,cpu,fast,formats,mocap,milvus,triton]'

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home stars \
 && install --directory --owner stars --group stars /data
COPY --from=build /opt/stars /opt/stars
ENV PATH=/opt/stars/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    NUMBA_CACHE_DIR=/tmp/numba \
    STARS_COPIES=/data/copies \
    STARS_INDEX=/data/stars.db
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
# Beyond this machine it wants keys: STARS_READ_KEYS and STARS_WRITE_KEYS, or files (see compose.yaml).
ENTRYPOINT ["stars", "serve", "--host", "0.0.0.0", "--port", "8000"]

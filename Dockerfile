# The first stage checks every download against the hashes in requirements.lock and builds the program;
# the second takes over only what the program needs to run, without the development tools.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN pip wheel --no-cache-dir --require-hashes --wheel-dir /wheels -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY etl etl
COPY migrations migrations
RUN pip install --no-index --find-links /wheels hatchling \
    && pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv /opt/affiliate-etl \
    && /opt/affiliate-etl/bin/pip install --no-index --find-links /wheels affiliate-etl

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home etl
COPY --from=build /opt/affiliate-etl /opt/affiliate-etl
COPY deploy/nightly.sh /usr/local/bin/nightly.sh
ENV PATH=/opt/affiliate-etl/bin:$PATH \
    ETL_CONFIG=/etc/affiliate-etl/etl.toml
USER etl
WORKDIR /home/etl
CMD ["etl", "--help"]

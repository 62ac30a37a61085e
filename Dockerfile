# The sample project as an image: Meltano and all plugins are installed, and nothing is installed when it runs.
#   docker build --tag tap-cxone .
#   docker run --rm --read-only --tmpfs /tmp --volume cxone-output:/project/.output tap-cxone --environment=sandbox run bot-conversations
# tests/fleet/test_image.py runs these steps one by one. docs/fleet/kubernetes.md starts the image on a cluster.
FROM python:3.12-slim

# Plugins get compiled byte code, and uv keeps no copy of what it installed.
ENV PATH=/opt/meltano/bin:$PATH UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 MELTANO_SEND_ANONYMOUS_USAGE_STATS=false
RUN python -m venv /opt/meltano && /opt/meltano/bin/pip install --no-cache-dir --quiet uv
RUN uv pip install --quiet --python /opt/meltano/bin/python 'meltano[postgres]>=4.4,<5'

WORKDIR /project
COPY . .
# The system database of the installation is not that of the runs (MELTANO_DATABASE_URI). uv leaves lock files that all may write.
RUN mkdir -p .output && meltano install && python -m compileall -q tap_cxone scripts \
    && rm -rf .meltano/meltano.db .meltano/run .meltano/logs && mkdir -p .meltano/run .meltano/logs \
    && chmod -R go-w /opt/meltano . \
    && chown 10001:10001 .meltano/run .meltano/logs .output

# Everything else is root's, so a run cannot change it. Data, journal, audit log and Meltano's state are in the volume.
ENV HOME=/tmp MELTANO_AUTO_INSTALL=false MELTANO_DATABASE_URI=sqlite:////project/.output/meltano.db
VOLUME ["/project/.output"]
USER 10001:10001
# No shell in between: SIGTERM reaches Meltano, which ends the tap and the target.
ENTRYPOINT ["meltano"]
CMD ["--help"]

# The application in a container; docs/container.md says how it is built and run.
FROM python:3.11-slim

# Where pip looks besides its usual index: an index of CPU builds of torch makes the image some gigabytes smaller.
ARG PIP_EXTRA_INDEX_URL=""

RUN useradd --create-home --uid 1000 explorer
WORKDIR /home/explorer/app
RUN chown explorer:explorer .
USER explorer
ENV PATH=/home/explorer/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONPATH=/home/explorer/app
RUN python -m venv /home/explorer/venv

COPY --chown=explorer:explorer requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt

COPY --chown=explorer:explorer pyproject.toml README.md LICENSE ./
COPY --chown=explorer:explorer .streamlit .streamlit
COPY --chown=explorer:explorer mistral_core mistral_core
COPY --chown=explorer:explorer assets assets
COPY --chown=explorer:explorer app app
COPY --chown=explorer:explorer pages pages
# setuptools comes with the venv or is fetched here, while there is a network; then the fast step is compiled, into the
# folder beside its source, where the user who runs the application reads it.
RUN pip install --no-cache-dir --no-deps -e . && python -m mistral_core step

EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]
# Only these names are answered (.streamlit/config.toml); serverAddress keeps Streamlit from asking a server outside.
CMD ["python", "-m", "streamlit", "run", "app/server.py", "--server.port", "8501", "--server.address", "0.0.0.0", \
    "--browser.serverAddress", "localhost"]

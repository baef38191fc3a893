# make install, demo, check, test, bench, up, sbom, clean. Each installs what it needs first.
PYTHON ?= python3
BIN := .venv/bin
HOME_FOLDER := $(or $(TRIPTYCH_HOME),var)
# pip compiles one module after another, a third of its time: `install` does it on all cores.
PIP := $(BIN)/python -m pip install -q --no-compile
TORCH := $(shell sed -n '/^torch==/p' constraints.txt)

.PHONY: install demo check test bench up sbom clean

install: .venv/installed

.venv/installed: pyproject.toml edge/device/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Triptych needs Python 3.11 or newer, and $(PYTHON) is older or missing;" \
	        "name another: make install PYTHON=python3.12" >&2; exit 1; }
	@echo "installing into .venv (a few minutes the first time)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --upgrade pip
	@echo "installing $(TORCH)"
	@$(PIP) '$(TORCH)'  # asked for exactly: plain torch may pull CUDA
	@echo "installing Triptych and everything else"
	@PYTHONWARNINGS=ignore $(PIP) -c constraints.txt -e '.[batch,train,serve,fraud,edge,excel,s3,postgres,dask,traces,compare,up,dev]' \
	    -e 'edge/device[litert]'
	@$(BIN)/python -W ignore -m compileall -qq -j 0 .venv/lib || true  # some hold other Pythons' code
	@touch $@

demo: install
	@$(BIN)/python -m flows.score_sentiment \
	    --source tasks/sentiment/demo/reviews.csv --source-name demo \
	    --text-column review --id-column review_id \
	    --carry product,stars --report-by written_on --max-rejected-share 0.05
	@$(BIN)/python -m flows.train_fraud
	@$(BIN)/python -m services.fraud.demo
	@$(BIN)/python -m flows.audit_fraud --delay-days 0
	@$(BIN)/python -m flows.publish_detector --model bundled
	@$(BIN)/python -m edge.release.clip $(HOME_FOLDER)/edge/conveyor.mp4
	@$(BIN)/python -m edge_detector run --source $(HOME_FOLDER)/edge/conveyor.mp4 --headless \
	    --home $(HOME_FOLDER)/device --releases $(HOME_FOLDER)/releases --update-every 0 \
	    --output $(HOME_FOLDER)/edge/annotated.mp4 --events $(HOME_FOLDER)/edge/events.jsonl \
	    --contact-sheet $(HOME_FOLDER)/edge/contact-sheet.png
	@echo "look at        $(HOME_FOLDER)/edge/annotated.mp4, contact-sheet.png and events.jsonl there"

check: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m tests.changed | xargs $(BIN)/pytest -q -n 2 -m 'not slow'

test: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(addprefix --randomly-seed=,$(SEED))

bench: install
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	$(BIN)/python -m tests.benchmarks $(addprefix --against ,$(AGAINST)) $(addprefix --only ,$(ONLY)) \
	    $(if $(QUICK),--quick)

up: install
	@$(BIN)/triptych up

# CycloneDX of exactly what .venv holds: the program that looks is in an environment of its own.
sbom: install
	@$(PYTHON) -m venv build/sbom
	@build/sbom/bin/python -m pip install -q cyclonedx-bom==7.5.0
	@mkdir -p $(HOME_FOLDER)
	@build/sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --validate \
	    -o $(HOME_FOLDER)/sbom.json $(BIN)/python
	@echo "written and valid: $(HOME_FOLDER)/sbom.json"

clean:
	rm -rf .venv var build dist *.egg-info edge/device/build edge/device/*.egg-info .mypy_cache .ruff_cache
	find flows tasks services edge tests -name __pycache__ -type d -prune -exec rm -rf {} +

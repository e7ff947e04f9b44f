# Nothing to install by hand: make, and Python 3.11 or newer. Another Python: make PYTHON=python3.12 ...
PYTHON ?= python3
ARGS ?=
VENV := .venv
VERSION := $(shell sed -n 's/^VERSION = "\(.*\)"/\1/p' edge/runtime/simulator.py)
IMAGE ?= edgemqttsim:$(VERSION)
IMAGE_ARGS ?=
PIP_INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
TYPED := app.py messages.py setup.py edgemqttsim plant edge cli sandbox tools tests benchmarks fuzz
RUN_REQUIREMENTS := requirements.txt sandbox/requirements.txt

.DEFAULT_GOAL := help
.PHONY: help run sandbox top check-plant test test-thorough test-image bench bench-plants bench-fleet bench-connections bench-page bench-year laws soak fuzz fuzz-api chaos image lint types check clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.run ## Run the factory against an embedded broker; more flags: ARGS="--duration 60"
	@$(VENV)/bin/python app.py run --demo $(ARGS)

sandbox: $(VENV)/.run ## Run devices and a broker to learn MQTT with: docs/sandbox.md; more flags: ARGS="--log-level debug"
	@$(VENV)/bin/python app.py run --demo --demo-broker scenarios/sandbox/broker.yaml \
		--message-config-path scenarios/sandbox.yaml --mqtt-connections per_machine \
		--mqtt-device-client-id '{machine_id}' --mqtt-commands $(ARGS)

top: $(VENV)/.tui ## Show the simulator that runs on this machine in the terminal: docs/top.md; another: ARGS=http://...
	@$(VENV)/bin/python app.py top $(ARGS)

check-plant: $(VENV)/.run ## Check message_structure.yaml, or another: ARGS=file.yaml
	@$(VENV)/bin/python app.py check $(ARGS)

# What is compiled is kept, whatever the environment says: every worker and every process would compile it anew.
test: $(VENV)/.dev ## Run the tests; one file: ARGS=tests/test_support.py
	@sh tests/setup_mosquitto.sh
	@sh tests/setup_monitoring.sh
	@sh tests/setup_mqttjs.sh
	@sh tests/setup_ejabberd.sh
	@PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m pytest $(ARGS)

test-thorough: $(VENV)/.dev ## Run all tests with all cases, and laws with ten times as many examples; one file: ARGS=...
	@EDGEMQTTSIM_THOROUGH=1 $(VENV)/bin/python -m pytest --timeout 1200 $(ARGS)

test-image: $(VENV)/.dev ## Build the image and run it as a pod would (root, Debian, two minutes)
	@sh tests/setup_image.sh
	@EDGEMQTTSIM_TEST_IMAGE=1 $(VENV)/bin/python -m pytest -n 0 tests/deploy/test_image.py $(ARGS)

fuzz: $(VENV)/.dev ## Run the simulator against faulty files, declarations, settings, brokers and requests; result: docs/reliability.md; quick: ARGS="--scale 0.01 --no-page"
	@$(VENV)/bin/python -m fuzz $(ARGS)

fuzz-api: $(VENV)/.dev ## Call the HTTP API 3,000 times as its OpenAPI description has it, at 1,000 messages/s; quick: ARGS="--scale 0.1 --no-page"
	@$(VENV)/bin/python -m fuzz --part api $(ARGS)

chaos: $(VENV)/.dev ## Cut, stall and delay the connection for an hour, and count what arrives at a subscriber; quick: as for fuzz
	@sh tests/setup_mosquitto.sh
	@$(VENV)/bin/python -m fuzz.chaos $(ARGS)

image: ## Build the image by docker, podman or buildah; another name: IMAGE=registry.example/edgemqttsim:0.1.0
	@for tool in docker podman buildah; do $$tool info >/dev/null 2>&1 && break; tool=; done; case $$tool in \
		docker) docker build --tag $(IMAGE) $(IMAGE_ARGS) . ;; \
		podman | buildah) $$tool build --format docker --tag $(IMAGE) $(IMAGE_ARGS) . ;; \
		*) echo "None of docker, podman and buildah works here." >&2; exit 1 ;; esac

bench: $(VENV)/.dev ## Measure the simulator beside other clients; result: docs/performance.md; quick: ARGS="--scale 0.05 --no-page"
	@sh tests/setup_mosquitto.sh
	@$(VENV)/bin/python -m benchmarks $(ARGS)

bench-plants: $(VENV)/.dev ## Measure plants with signals; result: docs/performance.md; quick: ARGS="--rounds 1 --scale 0.05 --no-page"
	@$(VENV)/bin/python -m benchmarks.plants $(ARGS)

bench-fleet: $(VENV)/.dev ## Measure a fleet of sensors that is scaled; result: docs/fleet.md; quick: ARGS="--scale 0.1 --no-page"
	@sh tests/setup_mosquitto.sh
	@$(VENV)/bin/python -m benchmarks.fleet $(ARGS)

bench-connections: $(VENV)/.dev ## Measure a connection for each of 10,000 machines; result: docs/load-testing.md; quick: ARGS="--scale 0.02 --no-page"
	@sh tests/setup_mosquitto.sh
	@$(VENV)/bin/python -m benchmarks.storms $(ARGS)

bench-page: $(VENV)/.dev ## Measure what viewers of the page cost a plant of 10,000 machines; memory: ARGS="--minutes 60"; quick: ARGS="--scale 0.05"
	@sh tests/setup_mosquitto.sh
	@$(VENV)/bin/python -m benchmarks.viewers $(ARGS)

bench-year: $(VENV)/.dev ## Simulate a year of each energy machine; figures: docs/energy.md; quick: ARGS="--days 30 energy_pump"
	@$(VENV)/bin/python -m benchmarks.year $(ARGS)

laws: $(VENV)/.dev ## Check the law of each kind of signal over a week; result: docs/reliability.md; quick: ARGS="--hours 1 --no-page"
	@$(VENV)/bin/python -m benchmarks.laws $(ARGS)

soak: $(VENV)/.dev ## Measure memory and pace for over an hour; result: docs/performance.md; quick: ARGS="--scale 0.01 --no-page"
	@sh tests/setup_mosquitto.sh
	@$(VENV)/bin/python -m benchmarks.soak $(ARGS)

lint: $(VENV)/.dev ## Check style and formatting (ruff)
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check

types: $(VENV)/.dev ## Check types (mypy --strict)
	@$(VENV)/bin/mypy --strict $(TYPED)

check: lint types test ## Run lint, types and test

clean: ## Remove everything that make has made
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: each is as new as the set-up it stands for, so nothing is installed twice.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, but $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing)." \
			"Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) comes without venv or ensurepip (on Debian and Ubuntu: apt-get install python3-venv)." >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.made $(RUN_REQUIREMENTS)
	@echo "Setting up $(VENV) (once) ..."
	@$(PIP_INSTALL) $(RUN_REQUIREMENTS:%=-r %)
	@touch $@

$(VENV)/.tui: $(VENV)/.run requirements-tui.txt
	@$(PIP_INSTALL) -r requirements-tui.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.made $(RUN_REQUIREMENTS) requirements-otel.txt requirements-tui.txt requirements-dev.txt
	@echo "Setting up $(VENV) for development (once) ..."
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

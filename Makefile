# labd's two commands: `make demo` and `make test`. Both set up all they need, from a clean clone.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: demo test test-hil setup check unit compat compat-quick compat-waits test-systemd proto bench fuzz soak memory kills power-cuts faults calibrations lock clean

demo: .venv/.ready .venv-compat/.ready
	tests/compat/run-demo

test: check unit compat

setup: .venv/.ready .venv-compat/.ready .venv-compat36/.ready

# Formatter, linter, strict types, import contracts, and whether the generated code is what proto/ says.
check: .venv/.ready
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy labd drivers tests/unit tests/contract tests/integration tests/system tests/systemd benchmarks
	.venv/bin/lint-imports
	.ci/check-generated

# In the order of the folders: the small files come last, and fill both cores to the end.
unit: .venv/.ready
	.venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -q

# IQM's own packages, unmodified: two generations, each in its own environment. What mostly waits is
# run beside the rest.
COMPAT = -m pytest -c tests/compat/pytest.ini -q
WAITS = tests/compat/test_waiting.py
compat: .venv/.ready .venv-compat/.ready .venv-compat36/.ready
	$(MAKE) --no-print-directory --jobs=2 compat-waits compat-quick

compat-quick:
	.venv-compat36/bin/python $(COMPAT) tests/compat
	.venv-compat/bin/python $(COMPAT) tests/compat --ignore $(WAITS)

compat-waits:
	.venv-compat/bin/python $(COMPAT) $(WAITS)

# A report card of a rack: make test-hil STATION=config/star5 [RACK=hardware]. See docs/hil.md.
STATION ?= config/star5
test-hil: .venv/.ready
	.venv/bin/labd hil --station $(STATION) $(if $(RACK),--rack $(RACK)) --json-out build/hil/card.json --junit-out build/hil/junit.xml

# The service in a booted systemd: install, upgrade, crashes, hangs, reload, hardening. Takes minutes, root and
# systemd-nspawn; where one is missing it says so and is no failure. SUITES="bookworm trixie noble" for Debian 12
# and 13 and Ubuntu 24.04.
SUITES ?= bookworm
test-systemd: .venv/.ready
	.venv/bin/python tests/systemd/bench.py $(addprefix --suite=,$(SUITES))

bench: .venv/.ready .venv-compat/.ready
	.venv/bin/python -m benchmarks

# The long forms of what the tests do briefly.
fuzz: .venv/.ready
	LABD_FUZZ_N=5000 .venv/bin/python -m pytest -q --timeout 3600 tests/unit/test_payload_mutations.py tests/system/test_fuzz_daemon.py

# 20,000 short jobs, and what they leave in memory and on the disk; about 25 minutes. docs/endurance.md
soak: .venv/.ready
	.venv/bin/python tests/system/soak.py

# 10 GB queued, 10,000 subscribers, 50 readers that do not read: 11 GB of the disk for a while.
memory: .venv/.ready
	.venv/bin/python tests/system/bounded_memory.py

kills: .venv/.ready
	.venv/bin/python tests/system/kill_storm.py 1000

# As root: 100 power cuts lose nothing; with synchronous=NORMAL they must, or the first proves nothing.
power-cuts: .venv/.ready
	.venv/bin/python tests/system/power_cuts.py 100 FULL
	! .venv/bin/python tests/system/power_cuts.py 20 NORMAL

# Every fault at every point of a job, with a line of how each ended.
faults: .venv/.ready
	LABD_FAULTS=all .venv/bin/python -m pytest -q -s --tb=line --timeout 1200 tests/system/test_fault_matrix.py

# Three chips, each from a wrong calibration set back to Bell pairs.
calibrations: .venv/.ready
	LABD_CALIBRATE_CHIPS=1 .venv/bin/python -m pytest -q -s tests/system/test_calibrate_chips.py

proto: .venv/.ready
	.venv/bin/python -m grpc_tools.protoc -Iproto --python_out=. --pyi_out=. --grpc_python_out=. proto/labd/wire/iqm_server.proto proto/labd/wire/lab.proto
	.venv/bin/python -m grpc_tools.protoc -Iproto --python_out=. --pyi_out=. proto/labd/wire/data.proto proto/labd/wire/playlist.proto proto/labd/wire/sweep.proto proto/labd/wire/channels.proto

# Pins and hashes, written by uv from pyproject.toml and the .in files.
UV_COMPILE = .venv/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate
lock: .venv/.ready
	$(UV_COMPILE) --group dev pyproject.toml -o .ci/requirements.txt
	$(UV_COMPILE) .ci/requirements-systemd.in -o .ci/requirements-systemd.txt
	$(UV_COMPILE) .ci/requirements-uv.in -o .ci/requirements-uv.txt
	$(UV_COMPILE) tests/compat/requirements.in -o tests/compat/requirements.txt
	$(UV_COMPILE) tests/compat/requirements36.in -o tests/compat/requirements36.txt

clean:
	rm -rf .venv .venv-compat .venv-compat36 build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.venv/.ready: .ci/requirements.txt .ci/requirements-systemd.txt .ci/requirements-uv.txt .ci/setup-venv pyproject.toml
	.ci/setup-venv .venv .ci/requirements.txt .ci/requirements-systemd.txt
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	touch $@

.venv-compat/.ready: tests/compat/requirements.txt .ci/requirements-uv.txt .ci/setup-venv
	.ci/setup-venv .venv-compat tests/compat/requirements.txt
	touch $@

.venv-compat36/.ready: tests/compat/requirements36.txt .ci/requirements-uv.txt .ci/setup-venv
	.ci/setup-venv .venv-compat36 tests/compat/requirements36.txt
	touch $@

# labd's two commands: `make demo` and `make test`. Both set up all they need, from a clean clone.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: demo test setup check unit compat proto bench fuzz kills power-cuts lock clean

demo: .venv/.ready .venv-compat/.ready
	tests/compat/run-demo

test: check unit compat

setup: .venv/.ready .venv-compat/.ready

# Formatter, linter, strict types, import contracts, and whether the generated code is what proto/ says.
check: .venv/.ready
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy labd drivers tests/unit tests/contract tests/integration tests/system benchmarks
	.venv/bin/lint-imports
	.ci/check-generated

unit: .venv/.ready
	.venv/bin/python -m pytest -n 2 --dist loadfile -q

# IQM's own packages, unmodified, in their own environment.
compat: .venv/.ready .venv-compat/.ready
	.venv-compat/bin/python -m pytest -c tests/compat/pytest.ini tests/compat -q

bench: .venv/.ready
	.venv/bin/python -m benchmarks

# The long forms of what the tests do briefly.
fuzz: .venv/.ready
	LABD_FUZZ_N=5000 .venv/bin/python -m pytest -q --timeout 3600 tests/unit/test_payload_mutations.py tests/system/test_fuzz_daemon.py

kills: .venv/.ready
	.venv/bin/python tests/system/kill_storm.py 200

# As root: 100 power cuts lose nothing; with synchronous=NORMAL they must, or the first proves nothing.
power-cuts: .venv/.ready
	.venv/bin/python tests/system/power_cuts.py 100 FULL
	! .venv/bin/python tests/system/power_cuts.py 20 NORMAL

proto: .venv/.ready
	.venv/bin/python -m grpc_tools.protoc -Iproto --python_out=. --pyi_out=. --grpc_python_out=. proto/labd/wire/iqm_server.proto proto/labd/wire/lab.proto
	.venv/bin/python -m grpc_tools.protoc -Iproto --python_out=. --pyi_out=. proto/labd/wire/data.proto proto/labd/wire/playlist.proto proto/labd/wire/sweep.proto

# Pins and hashes, written by uv from pyproject.toml and the .in files.
UV_COMPILE = .venv/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate
lock: .venv/.ready
	$(UV_COMPILE) --group dev pyproject.toml -o .ci/requirements.txt
	$(UV_COMPILE) .ci/requirements-systemd.in -o .ci/requirements-systemd.txt
	$(UV_COMPILE) .ci/requirements-uv.in -o .ci/requirements-uv.txt
	$(UV_COMPILE) tests/compat/requirements.in -o tests/compat/requirements.txt

clean:
	rm -rf .venv .venv-compat build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.venv/.ready: .ci/requirements.txt .ci/requirements-systemd.txt .ci/requirements-uv.txt .ci/setup-venv pyproject.toml
	.ci/setup-venv .venv .ci/requirements.txt .ci/requirements-systemd.txt
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	touch $@

.venv-compat/.ready: tests/compat/requirements.txt .ci/requirements-uv.txt .ci/setup-venv
	.ci/setup-venv .venv-compat tests/compat/requirements.txt
	touch $@

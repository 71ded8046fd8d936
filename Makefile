# labd's two commands: `make demo` and `make test`. Both set up all they need, from a clean clone.
PYTHON ?= python3.11
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test setup setup-compat check proto bench lock clean

setup: .venv/.ready
setup-compat: .venv-compat/.ready

.venv/.ready: .ci/requirements.txt .ci/requirements-systemd.txt .ci/setup-venv
	.ci/setup-venv .venv .ci/requirements.txt .ci/requirements-systemd.txt
	touch $@

.venv-compat/.ready: tests/compat/requirements.txt .ci/setup-venv
	.ci/setup-venv .venv-compat tests/compat/requirements.txt
	touch $@

proto: .venv/.ready
	.venv/bin/python -m grpc_tools.protoc -Iproto --python_out=. --pyi_out=. --grpc_python_out=. proto/labd/wire/iqm_server.proto proto/labd/wire/lab.proto
	.venv/bin/python -m grpc_tools.protoc -Iproto --python_out=. --pyi_out=. proto/labd/wire/data.proto proto/labd/wire/playlist.proto proto/labd/wire/sweep.proto

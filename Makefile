# Five verbs and a longer hunt; each does its own set-up. `make lock` is for maintainers.
.DEFAULT_GOAL := run
.PHONY: run test test-long check bench docs lock

run:
	@scripts/venv.sh run
	@exec .venv/bin/onevault serve

test:
	@scripts/venv.sh dev
	@scripts/test.sh

test-long:
	@scripts/venv.sh dev
	@ONEVAULT_TEST_LONG=1 scripts/test.sh

check:
	@scripts/venv.sh dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

bench:
	@scripts/venv.sh dev
	.venv/bin/python -m bench

docs:
	@scripts/venv.sh dev
	.venv/bin/python -m scripts.docs

lock:
	uv pip compile pyproject.toml --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements/core.txt
	uv pip compile pyproject.toml --group test --group check --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -c requirements/core.txt -o requirements/dev.txt
	printf 'hatchling==1.33.0\neditables==0.6\n' | uv pip compile - --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements/build.txt

# make demo, make test: everything a newcomer needs. Any python3 from 3.10 on will do.
#
#   make demo      three machines and no SSH, no S3 bucket, no AWS account
#   make test      unit and integration tests, but for the long ones
#   make test-long  those: roles on booted machines, and what is repeated many times or moves much
#   make coverage  the same, with a table of the lines they run
#   make bench     the same work over this collection, ssh, mitogen, local and amazon.aws.aws_ssm
#   make bench-scale  many simulated nodes: against local, the broker's memory and time, and throttling by AWS
#   make stages    where each millisecond of a task goes
#   make bench-large  a gigabyte each way, and whose memory that takes
#   make chaos     1,000 tasks over bad lines, and something broken at each frame of a task
#   make fuzz      a million malformed frames into everything that reads what others send
#   make bench-inventory  10,000 nodes: API calls, grouping, amazon.aws.aws_ec2, a denied region, throttling
#   make bench-bootstrap  three bare servers to the first task over a session, and the same again
#   make bench-modules  what each module costs before it does anything
#   make screenshot  the README's picture of the fleet report, with headless Chromium
#   make lint      ruff, mypy, ansible-lint, documentation, changelog and licence checks
#   make role-readmes  the tables of variables in the roles' READMEs, from their argument specifications
#   make sanity    ansible-test sanity
#   make docs      the documentation as HTML, in docs/build
#   make build     the collection as it is published, in .cache/build
#   make clean     remove everything the above made
#
# Some of the long tests:  make test-long tests=tests/integration/test_warm_modules.py
# Another ansible-core:  make test python=python3.12 core='ansible-core==2.21.*' venv=.venv-2.21

python ?= python3
core ?= ansible-core
tests ?= tests/integration
venv ?= .venv
bin := $(venv)/bin

# Where it is set, each of the thousands of Pythons that the tests start would compile the collection anew.
unexport PYTHONDONTWRITEBYTECODE

demo: $(venv)/demo
	PATH="$(CURDIR)/$(bin):$$PATH" $(bin)/python -m tests.demo

# Tests wait more than they work. A file stays with one process: what its tests share is made once. Those that wait come first.
at_once := $(bin)/pytest --dist loadfile

test: $(venv)/test
	$(at_once) -n 4 --no-loadscope-reorder -m 'not long' tests/integration tests/unit

test-long: $(venv)/test
	$(bin)/python -m tests.machines build
	$(at_once) -n 3 -m long $(tests)

coverage: $(venv)/test
	$(bin)/python -m tests.machines build
	$(bin)/python -m tests.coverage $(arguments)

# In an environment of its own: the ansible package brings all of the community's collections.
bench:
	$(MAKE) --no-print-directory venv=.venv-bench .venv-bench/bench
	.venv-bench/bin/python -m tests.benchmark $(arguments)

stages: $(venv)/test
	$(bin)/python -m tests.benchmark.stages

bench-scale: $(venv)/test
	$(bin)/python -m tests.benchmark.scale $(arguments)

bench-large: $(venv)/test
	$(bin)/python -m tests.benchmark.large $(arguments)

# For instance arguments='--seed 7 --real'; --real goes to both.
chaos: $(venv)/test
	$(bin)/python -m tests.benchmark.chaos $(arguments)
	$(bin)/python -m tests.benchmark.boundaries $(filter --real,$(arguments))

fuzz: $(venv)/test
	$(bin)/python -m tests.benchmark.fuzz $(arguments)

bench-inventory:
	$(MAKE) --no-print-directory venv=.venv-bench .venv-bench/bench
	.venv-bench/bin/python -m tests.benchmark.inventory $(arguments)

bench-bootstrap: $(venv)/test
	$(bin)/python -m tests.benchmark.bootstrap

bench-modules: $(venv)/test
	$(bin)/python -m tests.benchmark.start_up $(arguments)

screenshot: $(venv)/test
	$(bin)/python -m tests.screenshot

lint: $(venv)/lint
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy plugins tests
	PATH="$(CURDIR)/$(bin):$$PATH" $(bin)/ansible-lint --offline
	PATH="$(CURDIR)/$(bin):$$PATH" $(bin)/antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self .
	$(bin)/python -m tests.role_documentation --check
	$(bin)/antsibull-changelog lint
	$(bin)/reuse lint --quiet

# ansible-test makes virtual environments of its own below HOME. It would load pip's installer from a server; ensurepip has one too.
sanity: $(venv)/test
	mkdir -p .cache/home/.ansible/test/cache
	for name in $$($(bin)/python -m tests.sanity.pip_installer); do \
	    printf 'import ensurepip\nensurepip.bootstrap(default_pip=True)\n' > .cache/home/.ansible/test/cache/$$name; done
	HOME="$(CURDIR)/.cache/home" PATH="$(CURDIR)/$(bin):/usr/bin:/bin" \
	    ANSIBLE_TEST_CONTENT_ROOT="$$($(bin)/python tests/link.py)" \
	    $(bin)/ansible-test sanity --local --python "$$($(bin)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')"

role-readmes: $(venv)/test
	$(bin)/python -m tests.role_documentation

docs: $(venv)/lint
	$(bin)/python -m tests.documentation

build: $(venv)/test
	rm -rf .cache/build
	mkdir -p .cache/build/source
	git archive HEAD | tar -x -C .cache/build/source
	$(bin)/ansible-galaxy collection build --output-path .cache/build .cache/build/source

clean:
	test ! -x $(bin)/python || $(bin)/python -m tests.emulator down
	test ! -x $(bin)/python || $(bin)/python -m tests.machines down
	rm -rf .venv .venv-* .demo .cache .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis .ansible docs/build
	rm -rf tests/output tests/integration/inventory
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Most of what is installed is never imported, and Python compiles what is.
$(venv)/%: tests/requirements-%.txt tests/requirements-demo.txt meta/ee-requirements.txt
	test -x $(bin)/python || $(python) -m venv $(venv)
	$(bin)/pip install --quiet --disable-pip-version-check --no-compile --requirement $< '$(core)'
	$(bin)/python tests/link.py
	touch $@

.PHONY: demo test test-long coverage bench stages bench-scale bench-large bench-inventory bench-bootstrap bench-modules chaos fuzz screenshot lint role-readmes sanity docs build clean
.PRECIOUS: $(venv)/%

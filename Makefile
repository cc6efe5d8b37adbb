# make demo, make test: everything a newcomer needs. Any python3 from 3.10 on will do.
#
#   make demo    three machines, no SSH, no AWS account
#   make test    unit and integration tests
#   make lint    ruff, mypy, ansible-lint, documentation and changelog checks
#   make sanity  ansible-test sanity
#   make bench   the same playbook over this collection, ssh and amazon.aws.aws_ssm
#   make clean   remove everything the above made
#
# Another ansible-core:  make test python=python3.12 core='ansible-core==2.21.*' venv=.venv-2.21

python ?= python3
core ?= ansible-core
venv ?= .venv
bin := $(venv)/bin

test: $(venv)/test
	$(bin)/pytest

$(venv)/%: tests/requirements-%.txt tests/requirements-demo.txt meta/ee-requirements.txt
	test -x $(bin)/python || $(python) -m venv $(venv)
	$(bin)/pip install --quiet --disable-pip-version-check --requirement $< '$(core)'
	$(bin)/python tests/link.py
	touch $@

.PHONY: test
.PRECIOUS: $(venv)/%

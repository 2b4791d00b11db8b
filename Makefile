# The commands of this project. `make demo` shows what it does, `make test` proves it.
.PHONY: demo test matrix fuzz prepare lint bench install

CARGO ?= cargo

# A leaking program, analysed twice through GDB.
demo:
	@tests/prepare demo
	$(CARGO) build --release --locked
	target/release/memory-analyzer demo

# Everything, on every CPython found here.
test: prepare
	$(CARGO) test --locked

# On the newest CPythons and their debug builds, in a Debian sid of their own (as root). Once made, `make test` uses it too.
matrix: prepare
	@tests/matrix
	$(CARGO) test --locked --test it matrix

# Random damage to heaps, layouts and cores, for so many cases: `make test` tries some hundred of each.
fuzz:
	PROPTEST_CASES=$(or $(CASES),100000) $(CARGO) test --locked --lib fuzz

# What the tests need and this machine lacks.
prepare:
	@tests/prepare

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings

# Pause, time and memory at 100k, 1M and 5M objects, beside the predecessor; who holds what of 1M and 10M.
bench:
	$(CARGO) build --release --locked
	python3 benches/run.py
	python3 benches/walks.py

install:
	$(CARGO) install --locked --path .

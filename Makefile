# Everything a contributor does. Each target installs what it lacks (Debian 12 packages).

FUZZ_SECONDS ?= 60
ARGS ?=

.PHONY: help build run test test-vm fuzz lint demo bench bench-quick clean

help:
	@echo "make build   build what ships: build/release/penstock"
	@echo "make run     build it and start the proxy on 127.0.0.1:3128 (ARGS=... for its options)"
	@echo "make test    every test: release, sanitizers, end to end, corpora, house rules"
	@echo "make test-vm  those tests alone that boot a kernel of their own, in qemu"
	@echo "make fuzz    each fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS) seconds"
	@echo "make lint    formatting, clang-tidy, house rules"
	@echo "make demo    one tunnel that is carried and one that is refused, explained"
	@echo "make bench   penstock beside haproxy, nginx, squid, tinyproxy and apache; under 15 minutes"
	@echo "make bench-quick  beside haproxy and squid only; under 2 minutes"
	@echo "make clean   remove build/"

build:
	@scripts/install-dependencies build
	@cmake --preset release
	@cmake --build --preset release --target penstock

run: build
	@exec build/release/penstock run $(ARGS)

test:
	@scripts/install-dependencies build test vm
	@scripts/test

test-vm: build
	@scripts/install-dependencies vm
	@PENSTOCK_BINARY=build/release/penstock /usr/bin/python3 -m pytest tests/vm -q -rP -p no:cacheprovider

fuzz:
	@scripts/install-dependencies build
	@scripts/fuzz $(FUZZ_SECONDS)

lint:
	@scripts/install-dependencies build lint
	@scripts/lint

demo: build
	@scripts/install-dependencies demo
	@scripts/demo

bench: build
	@scripts/install-dependencies bench
	@scripts/bench $(ARGS)

bench-quick: build
	@scripts/install-dependencies bench
	@scripts/bench --quick $(ARGS)

clean:
	rm -rf build

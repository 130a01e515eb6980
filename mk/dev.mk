# SPDX-License-Identifier: Apache-2.0
# Targets for people: dependencies, running, tests, lint, installing.

.PHONY: unit units

units: all $(unit_bins)
unit: units
	@O=$(O) tests/run unit

clean:
	rm -rf $(O)

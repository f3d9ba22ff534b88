"""Tests of the sandbox beyond the contract: held steps, faults, the control endpoint, the seed, the command."""

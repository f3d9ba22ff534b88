"""Tests the parts of the sandbox that the contract tests do not cover: steps, faults, control endpoint, command."""

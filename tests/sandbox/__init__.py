"""What the contract cannot say of the sandbox: steps that are held, faults, control, its file, its command."""

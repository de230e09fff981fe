"""What the black-box tests stand on: programs, wires, clients. Knows nothing of what is tested."""

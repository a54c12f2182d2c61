"""What `make` calls, and no reader sees."""

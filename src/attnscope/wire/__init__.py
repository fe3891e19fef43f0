"""What travels to the browser: the spec, and bytes in answer to requests."""

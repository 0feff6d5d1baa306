"""What a Shoal worker runs in a user's environment: standard library and pyarrow only."""

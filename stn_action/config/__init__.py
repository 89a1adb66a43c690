"""What a YAML file may say, and how a file and overrides become a Config."""

"""Configuration: sections, loading from YAML files and overrides, fingerprints."""

"""The one reader of Config: builds everything, trains, evaluates, looks."""

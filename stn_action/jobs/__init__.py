"""One function over many videos: check, detect people, re-encode, convert boxes."""

"""The embedded world: a compositional grammar of prompts, a renderer and a deterministic verifier."""

"""Vision-language models as policies: a decision is one sampled token."""

"""Published benchmarks of vision-language models, from local copies."""

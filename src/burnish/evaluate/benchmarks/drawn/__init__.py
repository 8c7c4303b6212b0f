"""Published benchmarks of models that make images: pictures are drawn for a file of prompts and scored."""

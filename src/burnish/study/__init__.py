"""Studies: methods compared under equal budgets, over seeds, from a YAML file to a page of findings."""

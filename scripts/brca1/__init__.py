"""BRCA1 (Findlay et al. 2018) from the published table to scores."""

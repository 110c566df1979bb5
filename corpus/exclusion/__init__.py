"""What leaves a record out: its accession, its header, its taxon. Put together in `corpus.exclusion.excluder`."""

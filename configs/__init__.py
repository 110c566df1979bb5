"""Values and their schema: Llama `config.json` directories, Hydra configs, and the code that reads them strictly."""

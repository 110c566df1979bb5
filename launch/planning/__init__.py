"""What a recipe needs and how long it takes, by arithmetic: quick to import, and nothing here is measured."""

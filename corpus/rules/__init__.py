"""The options of a preparation that decide what is written: frozen, typed, kept in the plan and in the manifest."""

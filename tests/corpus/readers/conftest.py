"""Settings of the property tests here: no deadline, as the first call of a compiled reader compiles it."""

from hypothesis import settings

settings.register_profile("compiled", deadline=None)
settings.load_profile("compiled")

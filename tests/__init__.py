"""Tests of the tap; where HTTP is involved, it is real."""

from hypothesis import HealthCheck, settings

# No deadlines: a busy machine must not make a test fail.
settings.register_profile("tap", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tap")

"""Tests of the tap, over real HTTP wherever there is any."""

from hypothesis import HealthCheck, settings

# No deadlines: a machine that is busy with other tests is no failure.
settings.register_profile("tap", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tap")

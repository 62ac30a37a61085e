"""tap-cxone doctor: checks settings, machine and platform step by step, and says what to do about each problem."""

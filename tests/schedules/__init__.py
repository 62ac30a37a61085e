"""Random schedules of runs: whatever is drawn, the target ends up with what the platform holds.

`schedule` says what a schedule is and draws them, `surfaces` what differs between the two APIs, `processes` runs the
tap, `target` is what an upserting target holds, and `playing` plays a schedule and checks the promises on the way.
"""

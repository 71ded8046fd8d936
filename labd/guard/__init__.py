"""The guard: brings every declared output to its safe value, and reads it back.

It runs no job, loads no driver and no rig, and speaks to instruments by its own connections, which
it opens only while nobody else has them and closes when it is done.
"""

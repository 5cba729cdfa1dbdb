"""Builds the guest image: kernel, initramfs, root file system.

Every file in this folder and in `inside/` is part of the cache key: a change
to any of them means a new image.
"""

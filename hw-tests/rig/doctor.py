"""`python3 -m rig doctor`: what is missing, what is cached, what to do next."""
from __future__ import annotations

from . import cache, host, modules
from .errors import RigError
from .image import apt, rootfs


def doctor() -> int:
    """Prints one line per finding; 0 if tests can run now."""
    ready = check_tools()
    if ready:
        print(f"qemu      {cache.qemu_version()}")
        try:
            how = rootfs.mmdebstrap()
            print(f"rootfs    would be built by: {' '.join(how)}")
        except RigError as error:
            print(f"rootfs    {error}")
    check_apt()
    check_compilers()
    print(f"cache     {cache.ROOT}")
    for image in cache.images():
        size = sum(file.stat().st_size for file in image.iterdir() if file.is_file()) >> 20
        match = cache.manifest(image)["inputs"] == cache.image_inputs()
        use = "for these sources" if match else "for other sources"
        print(f"image     {image.name} {size} MiB, {cache.manifest(image)['kernel']}, {use}")
    for partial in cache.ROOT.glob(f"{cache.PARTIAL}*"):
        print(f"leftover  {partial.name}: the next build clears it away")
    try:
        state = cache.state_file(cache.find_image()) if ready else None
    except RigError as error:
        print(f"verdict   {error}")
        return 1
    if state is None:
        print("verdict   install the missing packages first")
        return 1
    if not state.exists():
        print("verdict   image there, no state saved for this QEMU: the first restore makes it")
        return 0
    print("verdict   ready: guests restore at once")
    return 0


def check_tools() -> bool:
    """Names every package that is missing, not just the first."""
    lacking = host.missing()
    for package in lacking:
        print(f"missing   package {package}")
    if lacking:
        print(f"          apt-get install --no-install-recommends {' '.join(lacking)}")
    return not lacking


def check_compilers() -> None:
    """Only tests with virtual encoders need them, and only until the modules are cached."""
    for arch in modules.ARCHITECTURES:
        try:
            modules.check_tools(arch)
            print(f"modules   can be built for {arch}")
        except RigError as error:
            print(f"modules   {error}")


def check_apt() -> None:
    """A build needs apt's lists; a cached image does not."""
    try:
        print(f"kernel    {apt.newest_kernel()} is the newest in apt")
        apt.sources()
    except RigError as error:
        print(f"apt       {error}")

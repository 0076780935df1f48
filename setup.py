"""The extensions. Everything static is in pyproject.toml.

ASRWIRE_SANITIZE=1 builds with AddressSanitizer and UndefinedBehaviorSanitizer, ASRWIRE_PORTABLE=1 without SIMD.
"""

import os
from glob import glob

from setuptools import Extension, setup
from setuptools.command.sdist import sdist

SANITIZE = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g", "-O1"]
FLAGS = SANITIZE if os.environ.get("ASRWIRE_SANITIZE") else [] if os.name == "nt" else ["-g0", "-O3"]


class Sdist(sdist):
    """A complete source distribution: the tests, what they read, and the benchmarks too, no generated C."""

    def make_distribution(self) -> None:
        for folder in ("ext", "tests", "benchmarks", "docs"):
            self.filelist.graft(folder)
        self.filelist.include("CHANGELOG.md")
        for made in ("*.c", "*.so", "*.pyc"):
            self.filelist.global_exclude(made)
        super().make_distribution()


setup(
    cmdclass={"sdist": Sdist},
    ext_modules=[
        Extension(
            "asrwire." + os.path.basename(source)[:-4],
            [source],
            depends=glob("ext/asrwire/*.pxd") + glob("ext/asrwire/*.h"),
            extra_compile_args=FLAGS,
            define_macros=[("ASRWIRE_PORTABLE", "1")] if os.environ.get("ASRWIRE_PORTABLE") else [],
            extra_link_args=SANITIZE[:1] if FLAGS is SANITIZE else [],
        )
        for source in sorted(glob("ext/asrwire/*.pyx"))
    ],
)

"""The tuners that PEFT does not have; importing this module registers them."""

from . import bottleneck, half, scaling

__all__ = ["bottleneck", "half", "scaling"]

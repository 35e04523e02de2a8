"""A seeded generator of the claims of one illustrative city, for demonstrations, tests and benchmarks."""

from engine.synthetic.city import City
from engine.synthetic.city_files import EXAMPLE_CITY, load_city
from engine.synthetic.plan import Plan
from engine.synthetic.write import EXTRAS, SynthesisRequest, write_city

__all__ = ["EXAMPLE_CITY", "EXTRAS", "City", "Plan", "SynthesisRequest", "load_city", "write_city"]

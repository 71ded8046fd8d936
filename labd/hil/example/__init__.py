"""An example of a bench's own tests: ``pytest --pyargs labd.hil.example --labd-station star5``."""

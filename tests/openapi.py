"""Reads an OpenAPI document on standard input and says, with a public validator, what is wrong with it."""

import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

errors = list(OpenAPIV31SpecValidator(json.load(sys.stdin)).iter_errors())
for error in errors:
    print("/".join(str(part) for part in error.absolute_path), error.message[:400], sep=": ")
sys.exit(1 if errors else 0)

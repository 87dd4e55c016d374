"""The names that other code relies on, and what importing them may not load."""

import subprocess
import sys

import calibration

CONTRACT = """estimate_rate rate_from_external_labels rate_from_positive_controls RateEstimate grader_accuracy
krippendorff_alpha cohen_kappa gwet_ac1 positive_agreement alt_test compare_rates compare_paired confidence_sequence
plan_labels reliability run_study render_report""".split()


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_contract_names_are_exported():
    assert set(CONTRACT) <= set(calibration.__all__)
    assert calibration.__all__ == sorted(calibration.__all__)
    assert all(callable(getattr(calibration, name)) for name in calibration.__all__)


def test_functions_are_not_hidden_by_modules_of_their_name():
    code = (
        "import calibration.agreement.alt_test, calibration.study, calibration.report, calibration.agreement.ratings\n"
    )
    code += "from calibration import alt_test, reliability\nprint(type(alt_test).__name__, type(reliability).__name__)"
    assert python(code) == "function function"


def test_importing_loads_nothing_heavy():
    heavy = ("torch", "sentence_transformers", "anthropic", "label_studio_sdk", "matplotlib", "numba", "sklearn")
    assert python(f"import sys, calibration\nprint([m for m in {heavy} if m in sys.modules])") == "[]"

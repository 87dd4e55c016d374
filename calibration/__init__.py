"""Verdicts and labels in, numbers with error bars out."""

from calibration.agreement.accuracy import grader_accuracy
from calibration.agreement.alt_test import alt_test
from calibration.agreement.statistics import cohen_kappa, gwet_ac1, krippendorff_alpha, positive_agreement
from calibration.compare import compare_paired, compare_rates
from calibration.plan.plan_labels import plan_labels
from calibration.probability import reliability
from calibration.rates.controls import rate_from_positive_controls
from calibration.rates.estimate import estimate_rate, rate_from_counts
from calibration.rates.external import rate_from_external_labels
from calibration.rates.sequential import confidence_sequence
from calibration.records import Agreement, RateDifference, RateEstimate
from calibration.report import render_report
from calibration.study import run_study

__all__ = [
    "Agreement",
    "RateDifference",
    "RateEstimate",
    "alt_test",
    "cohen_kappa",
    "compare_paired",
    "compare_rates",
    "confidence_sequence",
    "estimate_rate",
    "grader_accuracy",
    "gwet_ac1",
    "krippendorff_alpha",
    "plan_labels",
    "positive_agreement",
    "rate_from_counts",
    "rate_from_external_labels",
    "rate_from_positive_controls",
    "reliability",
    "render_report",
    "run_study",
]

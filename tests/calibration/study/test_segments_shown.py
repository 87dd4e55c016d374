"""What drove a classifier's score reaches the report's browser, as places in the texts it shows."""

from calibration.study.browser_items import exhibits
from grader.classifier import EmbeddingClassifier
from grader.verdict.frame import verdict_frame
from tests.grader.classifier.conftest import WordEncoder, corpus, transcript


def test_the_segments_of_a_positive_are_places_in_the_texts_of_the_page():
    transcripts, y = corpus()
    classifier = EmbeddingClassifier(WordEncoder()).fit(transcripts, {"blackmail": y})
    pool = [transcript(500, "👍 threaten wife affair before noon"), transcript(501, "the report was sent before noon")]
    frame = verdict_frame([verdict.to_dict() for verdict in classifier.grade(pool)])
    harmful, harmless = exhibits(frame, None, pool).items
    (said,) = harmful["verdicts"]
    first = said["segments"][0]
    text = harmful["messages"][first["message"]]["text"]
    assert text[first["start"] : first["end"]] == "👍 threaten wife affair before noon"
    for segment in said["segments"]:
        assert 0 <= segment["start"] < segment["end"] <= len(harmful["messages"][segment["message"]]["text"])
    assert "segments" not in harmless["verdicts"][0]

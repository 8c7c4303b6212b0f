from burnish.report.figures import timings
from burnish.report.story import Story


def test_speed_is_all_images_over_all_seconds():
    # 100 images in 1 s, then 100 in 9 s: 200 / 10 = 20 a second, not the mean of 100 and 11.1.
    events = [
        {"kind": "train", "step": step, "seconds/sample": s, "seconds/step": s, "images_per_second": 100 / s}
        for step, s in ((1, 1.0), (2, 9.0))
    ]
    assert "20 images a second" in timings(Story(events, {}))


def test_without_times_there_is_no_table():
    assert timings(Story([{"kind": "train", "step": 1, "reward": 0.5}], {})) == ""

from burnish.report.heat import Cell, heat


def test_colours_follow_sign_size_and_certainty():
    cells = [[Cell(0.05, True), Cell(-0.2, True)], [Cell(-0.05, False), Cell(0.0, False)]]
    text = heat(["a", "b & c"], ["one", "two"], cells, "differences", limit=0.1)
    opacities = [part.split('"')[0] for part in text.split('fill-opacity="')[1:]]
    assert opacities == ["0.38", "0.75", "0.07", "0.00"]  # half, beyond the limit, half and pale, nothing
    assert [part.split('"')[0] for part in text.split('<rect class="')[1:]] == ["up", "down", "down", "down"]
    assert text.count("unsure") == 2
    assert "+.050" in text
    assert "−.200" in text
    assert "b &amp; c" in text

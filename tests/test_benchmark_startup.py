from benchmarks import startup


def test_the_startup_benchmark_reaches_the_first_batch_of_generated_videos(tmp_path):
    startup.generate(tmp_path, 60)
    found = startup.measured(tmp_path, workers=0)
    assert found["videos"] == 60
    assert len(found["steps"]) == len(startup.STEPS)
    seconds, busy, kilobytes = zip(*found["steps"], strict=True)
    assert list(seconds) == sorted(seconds)
    assert list(busy) == sorted(busy)
    assert list(kilobytes) == sorted(kilobytes)
    assert found["own"] == []

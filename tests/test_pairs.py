from itertools import combinations, product

from tests.pairs import cover_pairs


def test_every_two_values_of_two_options_meet_in_few_rows():
    options = ["abcde", (1, 2, 3, 4), (True, False), "xy", "pq"]
    rows = cover_pairs(*options)
    for one, other in combinations(range(len(options)), 2):
        met = {(row[one], row[other]) for row in rows}
        assert met == set(product(options[one], options[other]))
    assert len(rows) <= 22  # of 160
    assert len(set(rows)) == len(rows)


def test_values_that_are_tuples_take_their_places_in_the_row():
    assert cover_pairs([("a", 1), ("b", 2)], [True]) == [("a", 1, True), ("b", 2, True)]

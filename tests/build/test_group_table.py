from stn_action.build.group_table import group_rows, group_table
from stn_action.build.model import build_network
from stn_action.build.run import configured_groups
from tests.tiny import tiny_config


def test_the_groups_are_reported_with_rates_frozen_parts_too(tiny_data):
    config = tiny_config(tiny_data, "model.freeze_until=stage2", "optim.relative_lr=0")
    network = build_network(config, 3)
    groups = configured_groups(config, network)
    groups[0] |= {"lr": 0.1, "initial_lr": 0.5}  # as a schedule leaves it in its warm-up
    rows = group_rows(config, network, groups)
    assert [row.name for row in rows] == [
        "trunk+classifier", "trunk+classifier (no decay)", "frozen", "localization",
    ]  # fmt: skip
    assert (rows[0].lr, rows[0].weight_decay, rows[1].weight_decay) == (0.5, 5e-4, 0.0)
    assert rows[2].lr is None
    total = sum(row.parameters for row in rows)
    assert total == sum(parameter.numel() for parameter in network.parameters())


def test_the_table_is_aligned_and_its_rows_are_lines(tiny_data):
    config = tiny_config(
        tiny_data, "optim.layer_decay=0.5", "optim.lr=0.01", 'optim.lr_factors={"*.bias": 2}',
        "model.freeze_until=stem", "optim.name=sgd",
    )  # fmt: skip
    network = build_network(config, 3)
    rows = group_rows(config, network, configured_groups(config, network))
    lines = group_table(rows)
    assert len(lines) == 1 + len(rows)
    assert lines[0].split() == ["group", "parameters", "lr", "weight", "decay"]
    end = lines[0].index("lr") + len("lr")
    for line, row in zip(lines[1:], rows, strict=True):
        assert line.startswith(row.name)
        shown = "-" if row.lr is None else f"{row.lr:.3g}"
        assert line[:end].endswith(f" {shown}")
    assert any(line.endswith("x 0.25") and line.startswith("stage1 ") for line in lines)
    assert any(line.endswith("x 0.5") and line.startswith("stage1 (no decay)") for line in lines)
    assert "relative: nominal 0.001, effective 1e+03 (sgd, gain 1000)" in "\n".join(lines)

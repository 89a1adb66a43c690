"""Read-outs: how a feature map becomes descriptions; `readout_table.py` lists them by name."""

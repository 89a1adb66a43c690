"""Packages of the wheel: the tools and the configurations of the checkout come along."""

from setuptools import find_packages, setup

BROUGHT = {
    "stn_action.commands": "tools",
    "stn_action.shipped": "configs",
    "stn_action.shipped.paper": "configs/paper",
}

setup(
    packages=[*find_packages(include=["stn_action", "stn_action.*"]), *BROUGHT],
    package_dir=BROUGHT,
    package_data={name: ["*.yaml", "*.json"] for name in BROUGHT} | {"stn_action": ["py.typed"]},
)

"""Peers of other makers, one module a tool; each imports its library inside its functions only."""

from peers import stock
from peers.registry import Peer
from peers.tools import emx, keras_files, mnn, ncnn, onnx_runtime, openvino, tract

# `stock` first: its tools are in the project's own environment.
_MODULES = (stock, keras_files, onnx_runtime, mnn, emx, openvino, tract, ncnn)
PEERS: dict[str, Peer] = {name: peer for module in _MODULES for name, peer in module.PEERS.items()}
TOOLS = tuple(dict.fromkeys(peer.tool for peer in PEERS.values()))

"""Peers of other makers, one module a tool; each imports its library inside its functions only."""

from peers.registry import Peer
from peers.stock import PEERS as STOCK
from peers.tools import emx, keras_files, mnn, ncnn, onnx_runtime, openvino, tract

# `stock` first: its tools are in the project's own environment.
PEERS: dict[str, Peer] = {
    **STOCK,
    **keras_files.PEERS,
    **onnx_runtime.PEERS,
    **mnn.PEERS,
    **emx.PEERS,
    **openvino.PEERS,
    **tract.PEERS,
    **ncnn.PEERS,
}
TOOLS = tuple(dict.fromkeys(peer.tool for peer in PEERS.values()))

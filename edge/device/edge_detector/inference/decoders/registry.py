"""Finds the decoder of a layout: the module here that has the layout's name.

To add one to the device, add its name and the roles of its tensors to `Layout` and `ROLES` of
`contract.manifest`, and a module of that name beside this one: its docstring says what the tensors
hold, and its class `Decoder` is a `LayoutDecoder` that is made from a `DecoderSpec`.
"""

from importlib import import_module

from edge_detector.inference.decoders.decoding import DecoderSpec, LayoutDecoder


def open_decoder(spec: DecoderSpec) -> LayoutDecoder:
    """The decoder of the layout that a manifest names.

    Raises:
        ModelError: the shapes of the tensors do not fit the layout, the input or the labels.
    """
    module = import_module(f"{__package__}.{spec.output.layout}")
    decoder: LayoutDecoder = module.Decoder(spec)
    return decoder

"""Adds int8 networks to a model folder by onnxruntime's quantize_dynamic: onnx/*_model_quantized.onnx beside onnx/*_model.onnx.

    python quantize.py DIR [QInt8|QUInt8]

Weights that are put together as the network is loaded (gleaner-mini's) are put together first: only constants are quantized.
A convolution's are always unsigned, since onnxruntime has ConvInteger for these alone; QInt8 is of the matrices.
"""
import os
import sys
import tempfile

import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic

folder, weights = sys.argv[1], QuantType[(sys.argv[2:] or ['QInt8'])[0]]
for name in ['vision_model', 'text_model']:
    with tempfile.TemporaryDirectory() as work:
        folded = os.path.join(work, 'folded.onnx')
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = folded
        onnxruntime.InferenceSession(os.path.join(folder, 'onnx', f'{name}.onnx'), options, providers=['CPUExecutionProvider'])
        convolutions = [node.name for node in onnx.load(folded).graph.node if node.op_type == 'Conv']
        into = os.path.join(folder, 'onnx', f'{name}_quantized.onnx')
        if weights == QuantType.QInt8 and convolutions:
            quantize_dynamic(folded, f'{work}/matrices.onnx', weight_type=weights, nodes_to_exclude=convolutions)
            quantize_dynamic(f'{work}/matrices.onnx', into, weight_type=QuantType.QUInt8, op_types_to_quantize=['Conv'])
        else:
            quantize_dynamic(folded, into, weight_type=weights)
        print(into, os.path.getsize(into), sorted({n.op_type for n in onnx.load(into).graph.node if 'Integer' in n.op_type or 'Quantize' in n.op_type}))

"""What each accelerator's own documentation says it runs, by operator: for where no compiler can be asked.

Names are TFLite's and ONNX's. A table says what kinds of operator are taken, not every condition on shapes and types:
what passes a table is likely to run, what fails one will not. Where the source says so, the table was written from
what is generally known and has not been compared with the document yet: trust the compiler's word over it.
"""

from dataclasses import dataclass, field

INTEGER, FLOAT = "integer", "float"


@dataclass(frozen=True)
class Delegate:
    """One accelerator: which graphs it reads, what it takes of each format, and where that is said."""

    name: str
    source: str
    tflite: frozenset[str] = frozenset()
    onnx: frozenset[str] = frozenset()
    tflite_refused: frozenset[str] = frozenset()  # of one that names what it does not take
    arithmetic: tuple[str, ...] = (INTEGER, FLOAT)
    notes: dict[str, str] = field(default_factory=dict)  # operator -> what it would take

    def takes(self, operator: str, engine: str) -> bool:
        """Whether its table has the operator."""
        if engine == "litert" and self.tflite_refused:
            return operator not in self.tflite_refused
        return operator in (self.onnx if engine == "onnx" else self.tflite)

    def reads(self, engine: str) -> bool:
        """Whether it reads graphs of that format at all."""
        return bool(self.onnx if engine == "onnx" else self.tflite or self.tflite_refused)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TFLITE_COMMON = """ADD SUB MUL CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED MAX_POOL_2D RESHAPE TRANSPOSE CONCATENATION
    SOFTMAX LOGISTIC RELU MAXIMUM MINIMUM QUANTIZE DEQUANTIZE PAD TRANSPOSE_CONV LEAKY_RELU"""
_ONNX_COMMON = """Add Sub Mul Div Conv ConvTranspose Gemm MatMul MaxPool Reshape Transpose Concat Softmax Sigmoid Relu
    LeakyRelu Max Min Clip Resize Unsqueeze Squeeze Flatten QuantizeLinear DequantizeLinear Sqrt Pow Abs Pad Slice
    ReduceSum ReduceMean Gather Cast Expand Where Less Equal And DepthToSpace Split"""

DELEGATES = (
    Delegate(
        "XNNPACK",
        "not compared yet: LiteRT's XNNPACK delegate, README.md, sections Limitations and supported operators",
        tflite=_names(
            _TFLITE_COMMON
            + """ DIV ABS SQRT SQUARE NEG EXP SUM MEAN REDUCE_MAX RESIZE_BILINEAR SLICE STRIDED_SLICE SPLIT RELU_N1_TO_1
            RELU6 TANH HARD_SWISH PRELU RSQRT SQUARED_DIFFERENCE SPACE_TO_DEPTH DEPTH_TO_SPACE FLOOR CEIL ROUND
            BATCH_MATMUL EXPAND_DIMS GELU AVERAGE_POOL_2D"""
        ),
        notes={"RESIZE_NEAREST_NEIGHBOR": "a copy, done by LiteRT's own kernel between two parts of the delegate"},
    ),
    Delegate(
        "TensorRT (Jetson)",
        "onnx-tensorrt, docs/operators.md",
        onnx=_names(
            _ONNX_COMMON
            + """ Shape Range Sign LpNormalization ReduceL2 ReduceMax ReduceMin Neg Exp Log Round Floor Identity
            ConstantOfShape Not Or Greater GreaterOrEqual LessOrEqual BatchNormalization GlobalAveragePool Tanh Erf
            InstanceNormalization Elu Selu PRelu AveragePool Constant Tile Cos Sin Einsum"""
        ),
        notes={"Mod": "of lengths, in integers; newer releases have it"},
    ),
    Delegate(
        "QNN/HTP (Qualcomm)",
        "not compared yet: ONNX Runtime, docs, QNN execution provider; TFLite: LiteRT, litert/vendors/qualcomm",
        onnx=_names(
            _ONNX_COMMON
            + """ LpNormalization ReduceMax ReduceMin Neg Exp Log Sign Round Floor Ceil Elu HardSwish PRelu Tanh Tile
            Not Or Greater GreaterOrEqual LessOrEqual GlobalAveragePool AveragePool BatchNormalization
            LayerNormalization InstanceNormalization SpaceToDepth TopK Gelu Identity"""
        ),
        tflite=_names(
            _TFLITE_COMMON
            + """ DIV ABS SQRT RSQRT EXP SUM MEAN REDUCE_MAX RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SLICE STRIDED_SLICE
            SPLIT RELU_N1_TO_1 RELU6 TANH HARD_SWISH PRELU DEPTH_TO_SPACE BATCH_MATMUL CAST SELECT SELECT_V2 LESS
            NOT_EQUAL EQUAL GREATER LOGICAL_AND PADV2 SQUARED_DIFFERENCE GELU AVERAGE_POOL_2D EXPAND_DIMS SIGN NEG"""
        ),
        notes={"FLOOR_MOD": "of lengths, in integers: runs on the CPU before the graph"},
    ),
    Delegate(
        "Google Tensor",
        "LiteRT, litert/vendors/google_tensor/compiler/compiler_plugin.cc: all but kUnSupportedOps",
        tflite_refused=_names(
            """ASSIGN_VARIABLE BIDIRECTIONAL_SEQUENCE_LSTM BROADCAST_ARGS BUCKETIZE CALL_ONCE COMPLEX_ABS CONV_3D
            CONV_3D_TRANSPOSE DENSIFY FAKE_QUANT HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE IMAG
            LOCAL_RESPONSE_NORMALIZATION MATRIX_DIAG MATRIX_SET_DIAG MULTINOMIAL NON_MAX_SUPPRESSION_V4
            NON_MAX_SUPPRESSION_V5 RANDOM_STANDARD_NORMAL RANDOM_UNIFORM RANK READ_VARIABLE REAL REDUCE_PROD
            REVERSE_SEQUENCE RFFT2D SEGMENT_SUM SHAPE SPARSE_TO_DENSE SVDF UNIDIRECTIONAL_SEQUENCE_RNN UNIQUE
            UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM VAR_HANDLE WHERE
            CUSTOM"""
        ),
    ),
    Delegate(
        "NeuroPilot (MediaTek)",
        "LiteRT, litert/vendors/mediatek/compiler/compiler_plugin.cc, kSupportedOps",
        tflite=_names(
            """ADD MUL BATCH_MATMUL FULLY_CONNECTED RESHAPE TRANSPOSE RSQRT CONCATENATION QUANTIZE SLICE STRIDED_SLICE
            SPLIT SUB TANH SOFTMAX MEAN GELU PAD LOGISTIC SUM CONV_2D DEPTHWISE_CONV_2D SQUARED_DIFFERENCE
            RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR TRANSPOSE_CONV MAX_POOL_2D DEQUANTIZE PADV2 HARD_SWISH
            AVERAGE_POOL_2D REDUCE_MAX SQRT DIV CAST PRELU LEAKY_RELU MAXIMUM RELU ABS GREATER MINIMUM TILE UNPACK
            L2_NORMALIZATION"""
        ),
    ),
    Delegate(
        "Core ML",
        "ONNX Runtime, tools/ci_build/github/apple/coreml_supported_mlprogram_ops.md",
        onnx=_names(
            """Add ArgMax AveragePool Cast Clip Concat Conv ConvTranspose Cos DepthToSpace Ceil Div Elu Erf Exp GatherND
            Gemm Gelu GlobalAveragePool GlobalMaxPool GridSample GroupNormalization HardSigmoid Identity
            InstanceNormalization LayerNormalization LeakyRelu MatMul MaxPool Max Mul Pow PRelu Range Reciprocal
            ReduceSum ReduceMean ReduceMax Relu Reshape Resize Round Shape Sin Slice Softplus Split Sub Sigmoid Softmax
            Sqrt Squeeze Tanh Tile Transpose Unsqueeze"""
        ),
        arithmetic=(FLOAT,),
        notes={"QuantizeLinear": "takes float graphs: integer weights go in by coremltools instead"},
    ),
    Delegate(
        "NNAPI 1.3",
        "not compared yet: Android NeuralNetworks.h, operations up to feature level 4, and LiteRT's NNAPI delegate",
        tflite=_names(
            _TFLITE_COMMON
            + """ DIV ABS SQRT RSQRT EXP SUM MEAN REDUCE_MAX RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SLICE STRIDED_SLICE
            SPLIT RELU_N1_TO_1 RELU6 TANH HARD_SWISH PRELU DEPTH_TO_SPACE SPACE_TO_DEPTH CAST SELECT LESS GREATER
            LOGICAL_AND NOT_EQUAL EQUAL PADV2 LOG NEG AVERAGE_POOL_2D L2_NORMALIZATION EXPAND_DIMS SQUEEZE"""
        ),
        notes={"LEAKY_RELU": "as PRELU or a select; deprecated since Android 15"},
    ),
    Delegate(
        "Ethos-U",
        "not compared yet: ethos-u-vela, SUPPORTED_OPS.md, 5.2",
        tflite=_names(
            _TFLITE_COMMON
            + """ ABS MEAN RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SLICE STRIDED_SLICE SPLIT SPLIT_V TANH HARD_SWISH
            PRELU RELU_N1_TO_1 RELU6 RSQRT EXP EXPAND_DIMS SQUEEZE PACK UNPACK ARG_MAX AVERAGE_POOL_2D SHAPE
            SQUARED_DIFFERENCE UNIDIRECTIONAL_SEQUENCE_LSTM MIRROR_PAD"""
        )
        - {"DEQUANTIZE"},
        arithmetic=(INTEGER,),
        notes={"DEQUANTIZE": "integers in and out: give it the int8 parts"},
    ),
)

"""What each accelerator's own documentation says it runs, by operator: for where no compiler can be asked.

Names are TFLite's and ONNX's. A table says what kinds of operator are taken, not every condition on shapes and types:
what passes a table is likely to run, what fails one will not. All but NNAPI's, which says so, were compared with the
document that is their source: trust the compiler's word over them.
"""

from dataclasses import dataclass, field

INTEGER, FLOAT = "integer", "float"


@dataclass(frozen=True)
class Delegate:
    """One accelerator: which graphs it reads, what it takes of each format, and where that is said."""

    name: str
    source: str
    tflite: frozenset[str] = frozenset()
    tflite_integer: frozenset[str] = frozenset()  # of one that takes fewer in integers
    onnx: frozenset[str] = frozenset()
    tflite_refused: frozenset[str] = frozenset()  # of one that names what it does not take
    arithmetic: tuple[str, ...] = (INTEGER, FLOAT)
    notes: dict[str, str] = field(default_factory=dict)  # operator -> what it would take

    def takes(self, operator: str, engine: str, integer: bool = False) -> bool:
        """Whether its table has the operator, of a graph in integers if `integer`."""
        if engine == "litert" and self.tflite_refused:
            return operator not in self.tflite_refused
        if engine == "litert" and integer and self.tflite_integer:
            return operator in self.tflite_integer
        return operator in (self.onnx if engine == "onnx" else self.tflite)

    def reads(self, engine: str) -> bool:
        """Whether it reads graphs of that format at all."""
        return bool(self.onnx if engine == "onnx" else self.tflite or self.tflite_refused)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


DELEGATES = (
    Delegate(
        "XNNPACK",
        "LiteRT, tflite/delegates/xnnpack/README.md, floating-point and quantized operators",
        tflite=_names(
            """ABS ADD AVERAGE_POOL_2D CEIL CONCATENATION CONV_2D DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE DIV ELU
            FULLY_CONNECTED FLOOR HARD_SWISH LEAKY_RELU LOGISTIC MAX_POOL_2D MAXIMUM MEAN MINIMUM MUL NEG PAD PRELU
            QUANTIZE RELU RELU6 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR ROUND SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQRT
            SQUARE SQUARED_DIFFERENCE STRIDED_SLICE SUB TANH TRANSPOSE TRANSPOSE_CONV"""
        ),
        tflite_integer=_names(
            """ADD CONCATENATION CONV_2D DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE ELU FULLY_CONNECTED LEAKY_RELU
            LOGISTIC MAX_POOL_2D MEAN MUL PAD QUANTIZE RESHAPE RESIZE_BILINEAR SLICE SPACE_TO_DEPTH SPLIT SUB TANH
            TRANSPOSE TRANSPOSE_CONV"""
        ),
        notes={"RESIZE_NEAREST_NEIGHBOR": "a copy, done by LiteRT's own kernel between two parts of the delegate"},
    ),
    Delegate(
        "TensorRT (Jetson)",
        "onnx-tensorrt, docs/operators.md of TensorRT 8.4 (JetPack 5)",
        onnx=_names(
            """Add Sub Mul Div Conv ConvTranspose Gemm MatMul MaxPool Reshape Transpose Concat Softmax Sigmoid Relu
            LeakyRelu Max Min Clip Resize Unsqueeze Squeeze Flatten QuantizeLinear DequantizeLinear Sqrt Pow Abs Pad
            Slice ReduceSum ReduceMean Gather Cast Expand Where Less Equal And DepthToSpace Split Shape Range Sign
            LpNormalization ReduceL2 ReduceMax ReduceMin Neg Exp Log Round Floor Identity ConstantOfShape Not Or Greater
            GreaterOrEqual LessOrEqual BatchNormalization GlobalAveragePool Tanh Erf InstanceNormalization Elu Selu
            PRelu AveragePool Constant Tile Cos Sin Einsum"""
        ),
        notes={"Mod": "of lengths, in integers; newer releases have it"},
    ),
    Delegate(
        "QNN/HTP (Qualcomm)",
        "onnxruntime-qnn, docs, QNN execution provider; LiteRT, litert/vendors/qualcomm, Qualcomm_QNN_Compiler.md",
        # Reshape is missing in the document, and compiles.
        onnx=_names(
            """Abs Add And ArgMax ArgMin Asin Atan AveragePool BatchNormalization Cast Clip Concat Conv ConvTranspose
            Cos DepthToSpace DequantizeLinear Div Elu Equal Exp Expand Flatten Floor Gather Gelu Gemm GlobalAveragePool
            Greater GreaterOrEqual GridSample HardSwish InstanceNormalization LRN LayerNormalization LeakyRelu Less
            LessOrEqual Log LogSoftmax LpNormalization MatMul Max MaxPool Min Mul Neg Not Or PRelu Pad Pow
            QuantizeLinear ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Resize Round Sigmoid Sign
            Sin Slice Softmax SpaceToDepth Split Sqrt Squeeze Sub Tanh Tile TopK Transpose Unsqueeze Where"""
        ),
        tflite=_names(
            """ABS ADD ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL BROADCAST_TO CAST CEIL CONCATENATION CONV_2D CONV_3D
            COS CUMSUM DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL
            EXP FLOOR FLOOR_DIV FULLY_CONNECTED GATHER GATHER_ND GELU GREATER GREATER_EQUAL HARD_SWISH L2_NORMALIZATION
            L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC MAXIMUM MAX_POOL_2D
            MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2 POW PRELU QUANTIZE REDUCE_ALL REDUCE_ANY REDUCE_MAX
            REDUCE_MIN RELU RELU_0_TO_1 RELU6 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2
            ROUND RSQRT SELECT SELECT_V2 SIGN SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SQUARE SQUARED_DIFFERENCE SQRT
            STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV UNPACK"""
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
        "from memory, not compared: Android NeuralNetworks.h up to feature level 4, and TFLite's NNAPI delegate",
        tflite=_names(
            """ADD SUB MUL CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED MAX_POOL_2D RESHAPE TRANSPOSE CONCATENATION SOFTMAX
            LOGISTIC RELU MAXIMUM MINIMUM QUANTIZE DEQUANTIZE PAD TRANSPOSE_CONV LEAKY_RELU DIV ABS SQRT RSQRT EXP SUM
            MEAN REDUCE_MAX RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR SLICE STRIDED_SLICE SPLIT RELU_N1_TO_1 RELU6 TANH
            HARD_SWISH PRELU DEPTH_TO_SPACE SPACE_TO_DEPTH CAST SELECT LESS GREATER LOGICAL_AND NOT_EQUAL EQUAL PADV2
            LOG NEG AVERAGE_POOL_2D L2_NORMALIZATION EXPAND_DIMS SQUEEZE"""
        ),
        notes={"LEAKY_RELU": "as PRELU or a select; deprecated since Android 15"},
    ),
    Delegate(
        "Ethos-U",
        "ethos-u-vela 5.2, tflite_supported_operators.py, by TFLite's names: Ethos-U55 and U65",
        tflite=_names(
            """ABS ADD ARG_MAX AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D EXP EXPAND_DIMS FULLY_CONNECTED
            HARD_SWISH LEAKY_RELU LOGISTIC MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL PACK PAD PRELU QUANTIZE RELU
            RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SHAPE SLICE SOFTMAX
            SPLIT SPLIT_V SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB TANH TRANSPOSE TRANSPOSE_CONV
            UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK"""
        ),
        arithmetic=(INTEGER,),
        notes={"DEQUANTIZE": "integers in and out: give it the int8 parts"},
    ),
)

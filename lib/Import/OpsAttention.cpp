//===- OpsAttention.cpp - Attention and rotary embedding ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// ONNX keeps heads before time, nn keeps time before heads: each tensor is
// transposed once on its way in. Pasts are concatenated, which is what
// `present` is in every exporter's semantics, also where its runtime shares a
// buffer.
//
//===----------------------------------------------------------------------===//
#include "NodeReader.h"

#include "Importer.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

namespace {

constexpr int64_t kMaxHeads = 1 << 16;

/// [batch, time, heads * size] to [batch, time, heads, size].
Value splitHeads(NodeReader &n, Value x, int64_t heads) {
  if (!x)
    return {};
  int64_t width = n.type(x).getShape().back();
  if (heads < 1 || heads > kMaxHeads) {
    n.fail("expected 1 to " + Twine(kMaxHeads) + " heads but got " +
           Twine(heads));
    return {};
  }
  if (ShapedType::isDynamic(width))
    return n.reshape(x, {0, 0, heads, -1});
  if (width % heads) {
    n.fail("expected a width that is a multiple of " + Twine(heads) +
           " heads but got " + Twine(width));
    return {};
  }
  return n.reshape(x, {0, 0, heads, width / heads});
}

/// [batch, time, heads, size] to [batch, time, heads * size].
Value joinHeads(NodeReader &n, Value x) {
  if (!x)
    return {};
  int64_t heads = n.type(x).getDimSize(2), size = n.type(x).getDimSize(3);
  bool known = !ShapedType::isDynamic(heads) && !ShapedType::isDynamic(size);
  return n.reshape(x, {0, 0, known ? heads * size : -1});
}

/// Between [batch, time, heads, size] and [batch, heads, time, size].
Value swapHeads(NodeReader &n, Value x) { return n.transpose(x, {0, 2, 1, 3}); }

/// The rows behind the past of one cache; both are [batch, heads, time, size].
Value behind(NodeReader &n, Value past, Value rows) {
  if (!past)
    return rows;
  return n.create<nn::ConcatOp>({past, rows}, n.named("axis", int64_t(2)));
}

/// The numbers 0 .. count-1.
Value iota(NodeReader &n, Value count) {
  return n.create<nn::RangeOp>({n.integer(0), count, n.integer(1)});
}

/// The first R/2 columns of a table where only R channels rotate.
Value columns(NodeReader &n, Value table, int64_t half) {
  if (!table || n.type(table).getShape().back() == half)
    return table;
  return n.slice(table, n.rank(table) - 1, 0, half);
}

/// Rotates `x` [batch, time, heads, size] by tables [.., time, R/2].
Value rotate(NodeReader &n, Value x, Value cos, Value sin, bool interleaved) {
  SmallVector<NamedAttribute> attributes;
  if (interleaved)
    attributes.push_back(n.flag("interleaved"));
  return n.create<nn::RotaryOp>({x, cos, sin}, attributes);
}

struct AttentionShape {
  double scale, softcap = 0;
  bool causal = false;
  std::optional<int64_t> window;
};

Value attention(NodeReader &n, Value q, Value k, Value v, Value mask,
                const AttentionShape &how) {
  SmallVector<Value> operands{q, k, v};
  if (mask)
    operands.push_back(mask);
  SmallVector<NamedAttribute> attributes{n.namedFloat("scale", how.scale)};
  if (how.causal)
    attributes.push_back(n.flag("causal"));
  if (how.softcap != 0)
    attributes.push_back(n.namedFloat("softcap", how.softcap));
  if (how.window)
    attributes.push_back(n.named("window", *how.window));
  return n.create<nn::AttentionOp>(operands, attributes);
}

/// The scale that is given, or one over the root of the head size.
std::optional<double> scaleOf(NodeReader &n, double given, Value q) {
  if (n.failed())
    return std::nullopt;
  if (given != 0)
    return given;
  int64_t size = n.type(q).getShape().back();
  if (ShapedType::isDynamic(size) || size < 1) {
    n.fail("expected 'scale', because the head size is not known");
    return std::nullopt;
  }
  return 1 / std::sqrt(static_cast<double>(size));
}

//===----------------------------------------------------------------------===//
// ai.onnx Attention (opset 23, 24)
//===----------------------------------------------------------------------===//

/// Key j is seen by query i iff j <= i + past, as a boolean [S, T]. Used where
/// the lengths do not show that this is alignment at the end.
Value causalMask(NodeReader &n, Value q, Value k, Value past) {
  Value rows = iota(n, n.extent(q, 1)), cols = iota(n, n.extent(k, 1));
  if (past)
    rows = n.create<nn::AddOp>({rows, n.extent(past, 2)});
  return n.create<nn::CompareOp>(
      {n.unsqueeze(cols, int64_t(0)), n.unsqueeze(rows, int64_t(1))},
      n.named("predicate", nn::PredicateAttr::get(n.builder().getContext(),
                                                  nn::Predicate::le)));
}

void attention23(NodeReader &n) {
  bool causal = n.attrInt("is_causal", 0) != 0;
  int64_t queryHeads = n.attrInt("q_num_heads", 0),
          keyHeads = n.attrInt("kv_num_heads", 0);
  AttentionShape how;
  how.softcap = n.attrFloat("softcap", 0);
  double given = n.attrFloat("scale", 0);
  n.ignoreAttr("softmax_precision"); // at least f32 here
  n.ignoreAttr("qk_matmul_output_mode");
  if (n.hasOutput(3))
    return n.fail("output 3, the scores, is not supported");
  if (n.hasInput(6))
    return n.fail("input 6, 'nonpad_kv_seqlen', is not supported by this "
                  "version");
  Value q = n.input(0), k = n.input(1), v = n.input(2), mask = n.optional(3),
        pastKey = n.optional(4), pastValue = n.optional(5);
  if (n.failed())
    return;
  if (!pastKey != !pastValue)
    return n.fail("expected both pasts or none");
  int64_t rank = n.rank(q);
  if ((rank != 3 && rank != 4) || n.rank(k) != rank || n.rank(v) != rank)
    return n.fail("expected query, key and value of rank 3 or 4");
  // Two forms each: `x` is [batch, time, heads, size], `xh` has heads first.
  Value kh, vh;
  if (rank == 3) {
    q = splitHeads(n, q, queryHeads);
    k = splitHeads(n, k, keyHeads);
    v = splitHeads(n, v, keyHeads);
  } else {
    q = swapHeads(n, q);
    kh = k;
    vh = v;
  }
  bool present = pastKey || n.hasOutput(1) || n.hasOutput(2);
  // Equal numbers of new queries and keys are what "aligned at the end" needs.
  bool square = !n.failed() && (rank == 3 || k) && [&] {
    int64_t rows = n.type(q).getDimSize(1),
            keys =
                rank == 3 ? n.type(k).getDimSize(1) : n.type(kh).getDimSize(2);
    return rows == keys && !ShapedType::isDynamic(rows);
  }();
  if (present || rank == 4) {
    if (!kh) {
      kh = swapHeads(n, k);
      vh = swapHeads(n, v);
    }
    kh = behind(n, pastKey, kh);
    vh = behind(n, pastValue, vh);
    k = swapHeads(n, kh);
    v = swapHeads(n, vh);
  }
  auto scale = scaleOf(n, given, q);
  if (!scale || n.failed())
    return;
  how.scale = *scale;
  if (mask && n.rank(mask) > 4)
    return n.fail("expected a mask of rank 4 or less but got rank " +
                  Twine(n.rank(mask)));
  if (causal && square) {
    how.causal = true;
  } else if (causal) {
    Value seen = causalMask(n, q, k, pastKey);
    if (!mask)
      mask = seen;
    else if (n.elementType(mask).isInteger(1))
      mask = n.create<nn::AndOp>({mask, seen});
    else
      mask = n.create<nn::WhereOp>(
          {seen, mask,
           n.scalar(-std::numeric_limits<double>::infinity(),
                    n.elementType(mask))});
  }
  Value y = attention(n, q, k, v, mask, how);
  n.result(0, rank == 3 ? joinHeads(n, y) : swapHeads(n, y));
  if (present && !n.failed()) {
    n.result(1, kh);
    n.result(2, vh);
  }
}

//===----------------------------------------------------------------------===//
// Rotary embedding
//===----------------------------------------------------------------------===//

/// `positions` gathers rows of the tables; without them the tables are
/// [batch, time, R/2] already.
void rotary(NodeReader &n, Value x, Value cos, Value sin, Value positions,
            int64_t heads, int64_t size, bool interleaved) {
  if (n.failed())
    return;
  int64_t rank = n.rank(x);
  if (rank != 3 && rank != 4)
    return n.fail("expected an input of rank 3 or 4 but got rank " +
                  Twine(rank));
  Value y = rank == 3 ? splitHeads(n, x, heads) : swapHeads(n, x);
  if (size) {
    if (size < 0 || size % 2)
      return n.fail("expected an even 'rotary_embedding_dim' but got " +
                    Twine(size));
    cos = columns(n, cos, size / 2);
    sin = columns(n, sin, size / 2);
  }
  if (positions) {
    auto row = n.named("axis", int64_t(0));
    cos = n.create<nn::GatherOp>({cos, positions}, row);
    sin = n.create<nn::GatherOp>({sin, positions}, row);
  }
  y = rotate(n, y, cos, sin, interleaved);
  n.result(0, rank == 3 ? joinHeads(n, y) : swapHeads(n, y));
}

void rotary23(NodeReader &n) {
  bool interleaved = n.attrInt("interleaved", 0) != 0;
  int64_t heads = n.attrInt("num_heads", 0),
          size = n.attrInt("rotary_embedding_dim", 0);
  Value x = n.input(0), cos = n.input(1), sin = n.input(2),
        positions = n.optional(3);
  rotary(n, x, cos, sin, positions, heads, size, interleaved);
}

/// com.microsoft: positions come second; one position is where the sequence
/// starts.
void rotaryMicrosoft(NodeReader &n) {
  bool interleaved = n.attrInt("interleaved", 0) != 0;
  int64_t heads = n.attrInt("num_heads", 0),
          size = n.attrInt("rotary_embedding_dim", 0);
  n.requireAttr("is_packed_batching", 0);
  if (n.attrFloat("scale", 1) != 1)
    return n.fail("attribute 'scale' is supported with value 1 only");
  Value x = n.input(0), positions = n.input(1), cos = n.input(2),
        sin = n.input(3);
  if (n.failed())
    return;
  int64_t rank = n.rank(x);
  if (rank == 3 && heads == 0) {
    // The tables then cover whole heads.
    int64_t width = n.type(x).getShape().back(),
            half = n.type(cos).getShape().back();
    if (!ShapedType::isDynamic(width) && !ShapedType::isDynamic(half) && half)
      heads = width / (2 * half);
  }
  if (n.rank(positions) == 1 && (rank == 3 || rank == 4)) {
    Value count = n.extent(x, rank == 3 ? 1 : 2);
    Value first = n.cast(positions, n.builder().getI64Type());
    positions =
        n.unsqueeze(n.create<nn::AddOp>({first, iota(n, count)}), int64_t(0));
  }
  rotary(n, x, cos, sin, positions, heads, size, interleaved);
}

//===----------------------------------------------------------------------===//
// com.microsoft GroupQueryAttention
//===----------------------------------------------------------------------===//

/// Causal attention with a cache, rotation inside. The lengths that the
/// runtime passes beside (`seqlens_k`, `total_sequence_length`) follow from the
/// shapes where nothing is padded: that is what is imported.
void groupQuery(NodeReader &n) {
  int64_t queryHeads = n.attrInt("num_heads", 0),
          keyHeads = n.attrInt("kv_num_heads", 0);
  AttentionShape how;
  how.causal = true;
  how.softcap = n.attrFloat("softcap", 0);
  double given = n.attrFloat("scale", 0);
  int64_t window = n.attrInt("local_window_size", -1);
  bool rotates = n.attrInt("do_rotary", 0) != 0,
       interleaved = n.attrInt("rotary_interleaved", 0) != 0;
  if (int64_t smooth = n.attrInt("smooth_softmax", -1); smooth > 0)
    return n.fail("attribute 'smooth_softmax' is not supported");
  n.requireAttr("qk_output", 0);
  for (StringRef name : {"k_quant_type", "v_quant_type"})
    if (std::string kind = n.attrString(name, "NONE"); kind != "NONE")
      return n.fail("a quantized cache is not supported by this version");
  n.requireAttr("kv_cache_bit_width", 0);
  if (n.hasOutput(3))
    return n.fail("output 3, the scores, is not supported");
  for (size_t i : {10, 11, 12, 13})
    if (n.hasInput(i))
      return n.fail("input " + Twine(i) + " is not supported by this version");
  if (window >= 0)
    how.window = window;
  if (how.window && *how.window < 1)
    return n.fail("expected 'local_window_size' of 1 or more, or -1");

  Value q = n.input(0), k = n.optional(1), v = n.optional(2),
        pastKey = n.optional(3), pastValue = n.optional(4);
  if (n.failed())
    return;
  if (!k != !v || !pastKey != !pastValue)
    return n.fail("expected both key and value, and both pasts, or neither");
  if (n.rank(q) != 3)
    return n.fail("expected a query of rank 3 but got rank " +
                  Twine(n.rank(q)));
  if (queryHeads < 1 || keyHeads < 1 || queryHeads > kMaxHeads ||
      keyHeads > queryHeads || queryHeads % keyHeads)
    return n.fail("expected 'num_heads' to be a multiple of 'kv_num_heads' but "
                  "got " +
                  Twine(queryHeads) + " and " + Twine(keyHeads));
  if (k) {
    q = splitHeads(n, q, queryHeads);
    k = splitHeads(n, k, keyHeads);
    v = splitHeads(n, v, keyHeads);
  } else {
    // Packed: the heads of query, key and value one behind the other.
    Value packed = splitHeads(n, q, queryHeads + 2 * keyHeads);
    q = n.slice(packed, 2, 0, queryHeads);
    k = n.slice(packed, 2, queryHeads, queryHeads + keyHeads);
    v = n.slice(packed, 2, queryHeads + keyHeads, queryHeads + 2 * keyHeads);
  }
  if (n.failed())
    return;
  int64_t size = n.type(q).getShape().back();
  if (!ShapedType::isDynamic(size))
    for (Value past : {pastKey, pastValue})
      if (past && n.rank(past) == 4)
        n.importer().bindExtent(past, 3, size);
  if (rotates) {
    Value cos = n.input(7), sin = n.input(8), positions = n.optional(9);
    if (!positions) {
      Value rows = iota(n, n.extent(q, 1));
      if (pastKey)
        rows = n.create<nn::AddOp>({rows, n.extent(pastKey, 2)});
      positions = n.unsqueeze(rows, int64_t(0));
    }
    auto row = n.named("axis", int64_t(0));
    cos = n.create<nn::GatherOp>({cos, positions}, row);
    sin = n.create<nn::GatherOp>({sin, positions}, row);
    q = rotate(n, q, cos, sin, interleaved);
    k = rotate(n, k, cos, sin, interleaved);
  }
  Value kh = behind(n, pastKey, swapHeads(n, k)),
        vh = behind(n, pastValue, swapHeads(n, v));
  auto scale = scaleOf(n, given, q);
  if (!scale)
    return;
  how.scale = *scale;
  Value y = attention(n, q, swapHeads(n, kh), swapHeads(n, vh), {}, how);
  n.result(0, joinHeads(n, y));
  n.result(1, kh);
  n.result(2, vh);
}

} // namespace

void llmc::onnx::addAttentionHandlers(HandlerTable &table) {
  table.add("", "Attention", 23, attention23);
  table.add("", "RotaryEmbedding", 23, rotary23);
  table.add(kMicrosoft, "RotaryEmbedding", 1, rotaryMicrosoft);
  table.add(kMicrosoft, "GroupQueryAttention", 1, groupQuery);
}

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
#include "Handlers.h"

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

NamedAttribute predicate(NodeReader &n, nn::Predicate kind) {
  return n.named("predicate",
                 nn::PredicateAttr::get(n.builder().getContext(), kind));
}

/// Key j is seen by query i iff j <= i + past, as a boolean [S, T]. Used where
/// the lengths do not show that this is alignment at the end.
Value causalMask(NodeReader &n, Value q, Value k, Value past) {
  Value rows = iota(n, n.extent(q, 1)), cols = iota(n, n.extent(k, 1));
  if (past)
    rows = n.create<nn::AddOp>({rows, n.extent(past, 2)});
  return n.create<nn::CompareOp>(
      {n.unsqueeze(cols, int64_t(0)), n.unsqueeze(rows, int64_t(1))},
      predicate(n, nn::Predicate::le));
}

/// `mask` where `seen` holds too; a mask of numbers is added to the scores.
Value joinMasks(NodeReader &n, Value mask, Value seen) {
  if (!mask || !seen)
    return mask ? mask : seen;
  if (n.elementType(mask).isInteger(1))
    return n.create<nn::AndOp>({mask, seen});
  return n.create<nn::WhereOp>(
      {seen, mask,
       n.scalar(-std::numeric_limits<double>::infinity(),
                n.elementType(mask))});
}

/// A mask for fewer keys than there are hides the others.
Value padMask(NodeReader &n, Value mask, Value k) {
  if (!mask || !k || n.rank(mask) < 1)
    return mask;
  int64_t have = n.type(mask).getShape().back(), want = n.type(k).getDimSize(1);
  if (ShapedType::isDynamic(have) || ShapedType::isDynamic(want) ||
      have >= want || (have == 1 && want != 1 && n.version() < 24))
    return mask;
  SmallVector<int64_t> pads(2 * n.rank(mask), 0);
  pads.back() = want - have;
  Type type = n.elementType(mask);
  Value fill = n.scalar(
      type.isInteger(1) ? 0 : -std::numeric_limits<double>::infinity(), type);
  return n.create<nn::PadOp>(
      {mask, n.ints(pads), fill},
      n.named("mode", nn::PadModeAttr::get(n.builder().getContext(),
                                           nn::PadMode::constant)));
}

/// Key j of batch b is seen iff j < lengths[b], as a boolean [B, 1, 1, T].
Value lengthMask(NodeReader &n, Value lengths, Value k) {
  if (!lengths)
    return {};
  Value cols = iota(n, n.extent(k, 1));
  lengths = n.cast(lengths, n.builder().getI64Type());
  return n.create<nn::CompareOp>({cols, n.unsqueeze(lengths, {1, 2, 3})},
                                 predicate(n, nn::Predicate::lt));
}

/// The scores [B, heads, S, T] at one of four points: the scaled products, after
/// softcap, after the mask, after softmax.
Value scores(NodeReader &n, Value q, Value k, Value mask,
             const AttentionShape &how, int64_t mode) {
  if (n.failed())
    return {};
  int64_t heads = n.type(q).getDimSize(2), keyHeads = n.type(k).getDimSize(2);
  Value keys = n.transpose(k, {0, 2, 3, 1});
  if (heads != keyHeads) {
    if (ShapedType::isDynamic(heads) || ShapedType::isDynamic(keyHeads) ||
        keyHeads < 1 || heads % keyHeads || heads > kMaxHeads) {
      n.fail("expected known heads, because the scores are an output");
      return {};
    }
    SmallVector<int64_t> repeated;
    for (int64_t i = 0; i < heads; ++i)
      repeated.push_back(i / (heads / keyHeads));
    keys = n.create<nn::GatherOp>({keys, n.ints(repeated)},
                                  n.named("axis", int64_t(1)));
  }
  Type type = n.elementType(q);
  Value x = n.create<nn::MatmulOp>({swapHeads(n, q), keys});
  x = n.create<nn::MulOp>({x, n.scalar(how.scale, type)});
  if (mode >= 1 && how.softcap != 0) {
    Value cap = n.scalar(how.softcap, type);
    x = n.create<nn::MulOp>(
        {n.create<nn::TanhOp>(n.create<nn::DivOp>({x, cap})), cap});
  }
  if (mode >= 2 && mask) {
    if (n.elementType(mask).isInteger(1))
      x = n.create<nn::WhereOp>(
          {mask, x, n.scalar(-std::numeric_limits<double>::infinity(), type)});
    else
      x = n.create<nn::AddOp>({x, mask});
  }
  if (mode >= 3)
    x = n.create<nn::SoftmaxOp>(x, n.named("axis", int64_t(3)));
  return x;
}

void attention23(NodeReader &n) {
  bool causal = n.attrInt("is_causal", 0) != 0;
  int64_t queryHeads = n.attrInt("q_num_heads", 0),
          keyHeads = n.attrInt("kv_num_heads", 0);
  AttentionShape how;
  how.softcap = n.attrFloat("softcap", 0);
  double given = n.attrFloat("scale", 0);
  n.ignoreAttr("softmax_precision"); // at least f32 here
  int64_t mode = n.attrInt("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3)
    return n.fail("expected 'qk_matmul_output_mode' from 0 to 3 but got " +
                  Twine(mode));
  Value lengths = n.optional(6);
  if (lengths && n.rank(lengths) != 1)
    return n.fail("expected 'nonpad_kv_seqlen' of rank 1 but got rank " +
                  Twine(n.rank(lengths)));
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
  mask = padMask(n, mask, k);
  if (lengths)
    mask = joinMasks(n, mask, lengthMask(n, lengths, k));
  if (causal && square && !n.hasOutput(3))
    how.causal = true;
  else if (causal)
    mask = joinMasks(n, mask, causalMask(n, q, k, pastKey));
  if (n.hasOutput(3))
    n.result(3, scores(n, q, k, mask, how, mode));
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

/// How many of the rows of a past hold something, for each batch [B]: those
/// behind them are padding. `lengths` (`seqlens_k`) counts one less than the
/// keys with the new ones. A first prompt, padded at its end, has no past.
Value validRows(NodeReader &n, Value lengths, Value q, Value past) {
  Value total = n.create<nn::AddOp>(
      {n.cast(lengths, n.builder().getI64Type()), n.integer(1)});
  Value rows = n.create<nn::SubOp>({total, n.extent(q, 1)});
  return n.create<nn::MinOp>(
      {n.create<nn::MaxOp>({rows, n.integer(0)}), n.extent(past, 2)});
}

/// Which of the T keys (the past with its padding, then the new rows) are to be
/// seen, as a boolean [B, 1, S or 1, T]; a window counts without the padding.
Value paddingMask(NodeReader &n, Value valid, Value q, Value k, Value past,
                  std::optional<int64_t> window) {
  Value cols = iota(n, n.extent(k, 1)), length = n.extent(past, 2);
  Value first = n.unsqueeze(valid, int64_t(1));
  Value old =
      n.create<nn::CompareOp>({cols, length}, predicate(n, nn::Predicate::lt));
  Value seen = n.create<nn::OrOp>(
      {n.create<nn::CompareOp>({cols, first}, predicate(n, nn::Predicate::lt)),
       n.create<nn::NotOp>(old)});
  seen = n.unsqueeze(seen, {1, 2});
  if (!window)
    return seen;
  Value behindPadding =
      n.create<nn::SubOp>({cols, n.create<nn::SubOp>({length, first})});
  Value keys = n.create<nn::WhereOp>({old, cols, behindPadding});
  Value rows = n.create<nn::AddOp>({first, iota(n, n.extent(q, 1))});
  Value distance = n.create<nn::SubOp>(
      {n.unsqueeze(rows, {1, 3}), n.unsqueeze(keys, {1, 2})});
  return n.create<nn::AndOp>(
      {seen, n.create<nn::CompareOp>({distance, n.integer(*window)},
                                     predicate(n, nn::Predicate::lt))});
}

/// `rows` [B, heads, T, size] with the new rows directly behind those of the
/// past that hold something; the last row fills what is left.
Value closeGap(NodeReader &n, Value rows, Value valid, Value past) {
  Value count = n.extent(rows, 2), cols = iota(n, count);
  Value first = n.unsqueeze(valid, int64_t(1));
  Value gap = n.create<nn::SubOp>({n.extent(past, 2), first});
  Value far = n.create<nn::MinOp>({n.create<nn::AddOp>({cols, gap}),
                                   n.create<nn::SubOp>({count, n.integer(1)})});
  Value from = n.create<nn::WhereOp>(
      {n.create<nn::CompareOp>({cols, first}, predicate(n, nn::Predicate::lt)),
       cols, far});
  return swapHeads(n, n.create<nn::GatherNdOp>(
                          {swapHeads(n, rows), n.unsqueeze(from, int64_t(2))},
                          n.named("batch_dims", int64_t(1))));
}

/// Causal attention with a cache, rotation inside. The batch may be padded: how
/// many rows of it count is told by `seqlens_k`. `total_sequence_length` is the
/// extent of the keys with the new ones, as they are here.
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
  Value lengths = n.optional(5), valid;
  if (lengths && n.rank(lengths) != 1)
    return n.fail("expected 'seqlens_k' of rank 1 but got rank " +
                  Twine(n.rank(lengths)));
  if (lengths && pastKey)
    valid = validRows(n, lengths, q, pastKey);
  if (rotates) {
    Value cos = n.input(7), sin = n.input(8), positions = n.optional(9);
    if (!positions) {
      positions = n.unsqueeze(iota(n, n.extent(q, 1)), int64_t(0));
      if (pastKey)
        positions = n.create<nn::AddOp>(
            {positions,
             valid ? n.unsqueeze(valid, int64_t(1)) : n.extent(pastKey, 2)});
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
  k = swapHeads(n, kh);
  v = swapHeads(n, vh);
  Value mask;
  if (valid) {
    mask = paddingMask(n, valid, q, k, pastKey, how.window);
    how.window.reset();
  }
  n.result(0, joinHeads(n, attention(n, q, k, v, mask, how)));
  if (valid) {
    kh = closeGap(n, kh, valid, pastKey);
    vh = closeGap(n, vh, valid, pastValue);
  }
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

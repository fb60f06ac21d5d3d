//===- ColumnOrder.h - Columns in groups with their like -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A group of columns is as wide as the widest of them. In an order by size, groups
// have columns that are alike, and fewer are coarse for the sake of one. With what
// is known of inputs, columns go in the order of the mean squares of these, as
// `act-order` of GPTQ has it (arXiv 2210.17323; the order is that of its code).
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_METHODS_COLUMNORDER_H
#define LLMC_METHODS_COLUMNORDER_H

#include "llmc/Methods/Method.h"

namespace llmc {

/// A request with its columns in another order, in memory of its own.
class OrderedRequest {
public:
  /// Columns of the request go from the largest to the smallest: by mean square of
  /// the input where that is given, else by the root mean square of the column,
  /// divided by its scale. Columns that are equal stay in order, and so do all where
  /// a number is not finite. The same for any number of threads.
  explicit OrderedRequest(const MethodRequest &request);
  OrderedRequest(const OrderedRequest &) = delete;
  OrderedRequest &operator=(const OrderedRequest &) = delete;

  /// What a method is to be asked for, but for the format.
  const MethodRequest &getRequest() const { return request; }

  /// Gives a result for that request, whose format has no order, the format `format`
  /// and this order.
  void finish(MethodResult &result, const FormatDescription &format) const;

private:
  MethodRequest request;
  /// [columns]: what column each one was.
  std::vector<uint32_t> order;
  std::vector<float> weight, meanAbsolute, meanSquare, gram, columnScale;
};

} // namespace llmc

#endif // LLMC_METHODS_COLUMNORDER_H

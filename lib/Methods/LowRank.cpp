//===- LowRank.cpp - The largest part of an error -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Works on the side of columns: a basis of l directions in the space of rows of
// E, from random ones, multiplied by E^T E and made orthonormal in turns. One pass
// over the rows does both products, since E^T (E b) adds up row by row. At the
// end Y = E basis^T is small enough for an exact decomposition: the eigenvectors
// of Y^T Y turn the basis into right singular vectors, largest first.
//
// Products are in f32, with sixteen sums side by side whatever the processor;
// lengths, angles and the small decomposition are in f64. The matrix is cut into
// the same parts for any number of threads, whose sums are added in order.
//
//===----------------------------------------------------------------------===//
#include "llmc/Methods/LowRank.h"
#include "Lanes.h"
#include "llmc/Formats/Floats.h"
#include "llmc/Support/SplitMix.h"
#include "llmc/Support/Vectorized.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace llvm;
using namespace llmc;

namespace {

/// Directions beside those that are asked for, and products with E^T E.
constexpr int64_t kMoreDirections = 8;
constexpr int kSteps = 3;
/// Rows that are computed at a time, and numbers of a vector.
constexpr int64_t kBlockRows = 16, kLanes = 16;
/// Parts of the matrix with sums of their own, and bytes that these may take.
constexpr int64_t kMostParts = 16, kPartBytes = 32 << 20;
/// The smallest weight of a column beside the largest.
constexpr float kLeastWeight = 1e-3f;
/// What is left of a vector after projection counts as nothing below this.
constexpr double kNothing = 1e-6;
constexpr uint64_t kSeed = 0x6c6f7772616e6b;

/// Rows of numbers in f32, with zeros up to whole vectors.
struct Rows {
  Rows(int64_t count, int64_t columns)
      : count(count), width(alignTo(columns, kLanes)), values(count * width) {}
  float *row(int64_t index) { return values.data() + index * width; }
  const float *row(int64_t index) const {
    return values.data() + index * width;
  }

  int64_t count, width;
  std::vector<float> values;
};

} // namespace

static const UnalignedLanes &load(const float *from) {
  return *reinterpret_cast<const UnalignedLanes *>(from);
}

/// out[i][j] = rows i of `block` times direction j; out is [kBlockRows][l].
LLMC_VECTORIZED
static void multiply(const float *block, const float *directions, int64_t width,
                     int64_t l, float *out) {
  for (int64_t i = 0; i < kBlockRows; i += 4)
    for (int64_t j = 0; j < l; ++j) {
      const float *a = block + i * width, *b = directions + j * width;
      Lanes sums[4] = {};
      for (int64_t k = 0; k < width; k += kLanes) {
        Lanes factor = load(b + k);
        sums[0] += load(a + k) * factor;
        sums[1] += load(a + width + k) * factor;
        sums[2] += load(a + 2 * width + k) * factor;
        sums[3] += load(a + 3 * width + k) * factor;
      }
      for (int64_t r = 0; r < 4; ++r)
        out[(i + r) * l + j] = addLanes(sums[r]);
    }
}

/// sums[j] += sum over i of factors[i][j] * rows i of `block`.
LLMC_VECTORIZED
static void addProducts(const float *block, const float *factors, int64_t width,
                        int64_t l, float *sums) {
  for (int64_t j = 0; j < l; ++j) {
    float each[kBlockRows];
    for (int64_t i = 0; i < kBlockRows; ++i)
      each[i] = factors[i * l + j];
    for (int64_t k = 0; k < width; k += kLanes) {
      Lanes sum = load(sums + j * width + k);
      for (int64_t i = 0; i < kBlockRows; ++i)
        sum += load(block + i * width + k) * each[i];
      *reinterpret_cast<UnalignedLanes *>(sums + j * width + k) = sum;
    }
  }
}

LLMC_VECTORIZED
static void addTo(float *sums, const float *values, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    sums[i] += values[i];
}

LLMC_VECTORIZED
static double dot(const float *a, const float *b, int64_t count) {
  double sums[kLanes] = {};
  for (int64_t k = 0; k < count; k += kLanes)
    for (int64_t i = 0; i < kLanes; ++i)
      sums[i] += static_cast<double>(a[k + i]) * static_cast<double>(b[k + i]);
  return std::accumulate(std::begin(sums), std::end(sums), 0.0);
}

LLMC_VECTORIZED
static void subtract(float *from, const float *values, float factor,
                     int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    from[i] -= factor * values[i];
}

/// Makes rows orthonormal, twice, so that rounding leaves nothing; rows that
/// depend on those before them become zeros.
static void orthonormalize(Rows &rows) {
  for (int64_t j = 0; j < rows.count; ++j) {
    float *row = rows.row(j);
    double before = std::sqrt(dot(row, row, rows.width));
    for (int turn = 0; turn < 2; ++turn)
      for (int64_t i = 0; i < j; ++i)
        subtract(row, rows.row(i),
                 static_cast<float>(dot(row, rows.row(i), rows.width)),
                 rows.width);
    double length = std::sqrt(dot(row, row, rows.width));
    bool nothing = length <= kNothing * before;
    for (int64_t k = 0; k < rows.width; ++k)
      row[k] = nothing ? 0 : static_cast<float>(row[k] / length);
  }
}

namespace {

/// Eigenvalues and eigenvectors of a symmetric matrix by Jacobi rotations
/// (Golub, Van Loan, Matrix Computations, 4th edition, algorithm 8.5.2).
struct Jacobi {
  explicit Jacobi(std::vector<double> symmetric, int64_t size)
      : size(size), matrix(std::move(symmetric)), vectors(size * size),
        order(size) {
    for (int64_t i = 0; i < size; ++i)
      vectors[i * size + i] = 1;
    // Convergence is quadratic: some ten sweeps for any size.
    for (int sweep = 0; sweep < 60 && !isDiagonal(); ++sweep)
      for (int64_t p = 0; p < size; ++p)
        for (int64_t q = p + 1; q < size; ++q)
          rotate(p, q);
    std::iota(order.begin(), order.end(), 0);
    stable_sort(order, [&](int64_t a, int64_t b) {
      return matrix[a * size + a] > matrix[b * size + b];
    });
  }

  /// The j-th largest, and number i of its vector.
  double value(int64_t j) const { return matrix[order[j] * (size + 1)]; }
  double vector(int64_t j, int64_t i) const {
    return vectors[order[j] * size + i];
  }

private:
  bool isDiagonal() const {
    double rest = 0, all = 0;
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = 0; j < size; ++j) {
        double square = matrix[i * size + j] * matrix[i * size + j];
        all += square;
        rest += i == j ? 0 : square;
      }
    return rest <= all * 1e-28;
  }

  void rotate(int64_t p, int64_t q) {
    double off = matrix[p * size + q];
    if (off == 0)
      return;
    double tau = (matrix[q * size + q] - matrix[p * size + p]) / (2 * off);
    double t = (tau < 0 ? -1 : 1) / (std::abs(tau) + std::sqrt(1 + tau * tau));
    double c = 1 / std::sqrt(1 + t * t), s = t * c;
    auto turn = [&](double &a, double &b) {
      double first = c * a - s * b;
      b = s * a + c * b;
      a = first;
    };
    for (int64_t i = 0; i < size; ++i)
      turn(matrix[i * size + p], matrix[i * size + q]);
    for (int64_t i = 0; i < size; ++i) {
      turn(matrix[p * size + i], matrix[q * size + i]);
      turn(vectors[p * size + i], vectors[q * size + i]);
    }
  }

  int64_t size;
  /// [size][size]; vectors are rows.
  std::vector<double> matrix, vectors;
  std::vector<int64_t> order;
};

/// The search for one matrix.
class Search {
public:
  Search(const MatrixView &weight, const QuantizedMatrix &codes,
         ArrayRef<float> meanSquare, ParallelFor parallelFor)
      : weight(weight), codes(codes), parallelFor(parallelFor),
        factors(weight.columns, 1) {
    if (meanSquare.empty())
      return;
    float largest = *llvm::max_element(meanSquare);
    for (int64_t k = 0; largest > 0 && k < weight.columns; ++k)
      factors[k] = std::max(kLeastWeight, std::sqrt(meanSquare[k] / largest));
  }

  LowRankResult run(int64_t rank) {
    LowRankResult result;
    result.rank = std::min({rank, weight.rows, weight.columns});
    result.matrices.left.resize(weight.rows * rank);
    result.matrices.right.resize(rank * weight.columns);
    float largest = measure(result.relativeError);
    if (largest == 0)
      return result;
    // A power of two keeps squares of squares inside f32.
    int exponent = std::max(std::ilogb(largest), -126);
    for (float &factor : factors)
      factor = std::ldexp(factor, -exponent);
    int64_t l = std::min({rank + kMoreDirections, weight.rows, weight.columns});
    Rows basis(l, weight.columns);
    SplitMix random{kSeed};
    for (int64_t j = 0; j < l; ++j)
      for (int64_t k = 0; k < weight.columns; ++k)
        basis.row(j)[k] = static_cast<float>(2 * random.unit() - 1);
    for (int step = 0; step < kSteps; ++step) {
      applySquare(basis);
      orthonormalize(basis);
    }
    decompose(basis, exponent, rank, result.matrices);
    return result;
  }

private:
  void forEach(int64_t count, function_ref<void(int64_t)> body) {
    if (parallelFor)
      parallelFor(count, body);
    else
      runSerially(count, body);
  }

  /// Rows [begin, end) of E, times the factors of columns; zeros up to
  /// kBlockRows. `decoded` has the width of a block.
  void readBlock(int64_t begin, int64_t end, Rows &block, Rows &decoded) {
    for (int64_t row = begin; row < begin + kBlockRows; ++row) {
      float *out = block.row(row - begin), *other = decoded.row(0);
      if (row >= end) {
        std::fill_n(out, block.width, 0.f);
        continue;
      }
      weight.read(row, 0, weight.columns, out);
      decodeRows(codes, row, row + 1,
                 MutableArrayRef<float>(other, weight.columns));
      for (int64_t k = 0; k < weight.columns; ++k)
        out[k] = (out[k] - other[k]) * factors[k];
    }
  }

  /// The largest number of E by size, times the factors, and the relative error.
  float measure(double &relativeError) {
    struct Part {
      double error = 0, norm = 0;
      float largest = 0;
    };
    int64_t columns = weight.columns;
    std::vector<Part> parts(divideCeil(weight.rows, kBlockRows));
    forEach(parts.size(), [&](int64_t index) {
      Part &part = parts[index];
      std::vector<float> values(columns), decoded(columns);
      int64_t end = std::min(weight.rows, (index + 1) * kBlockRows);
      for (int64_t row = index * kBlockRows; row < end; ++row) {
        weight.read(row, 0, columns, values.data());
        decodeRows(codes, row, row + 1, MutableArrayRef<float>(decoded));
        for (int64_t k = 0; k < columns; ++k) {
          double value = values[k];
          float error = values[k] - decoded[k];
          part.norm += value * value;
          part.error += static_cast<double>(error) * static_cast<double>(error);
          part.largest = larger(part.largest, std::abs(error * factors[k]));
        }
      }
    });
    Part sum;
    for (const Part &part : parts) {
      sum.error += part.error;
      sum.norm += part.norm;
      sum.largest = larger(sum.largest, part.largest);
    }
    relativeError = sum.norm > 0 ? std::sqrt(sum.error / sum.norm) : 0;
    return sum.largest;
  }

  /// basis = basis E^T E.
  void applySquare(Rows &basis) {
    int64_t l = basis.count;
    int64_t size = l * basis.width * static_cast<int64_t>(sizeof(float));
    int64_t count = std::clamp<int64_t>(
        std::min<int64_t>(kPartBytes / size,
                          divideCeil(weight.rows, kBlockRows)),
        1, kMostParts);
    std::vector<Rows> parts(count, Rows(0, 0));
    forEach(count, [&](int64_t index) {
      Rows sums(l, weight.columns), block(kBlockRows, weight.columns),
          decoded(1, weight.columns);
      std::vector<float> products(kBlockRows * l);
      int64_t end = weight.rows * (index + 1) / count;
      for (int64_t row = weight.rows * index / count; row < end;
           row += kBlockRows) {
        readBlock(row, end, block, decoded);
        multiply(block.row(0), basis.row(0), basis.width, l, products.data());
        addProducts(block.row(0), products.data(), basis.width, l, sums.row(0));
      }
      parts[index] = std::move(sums);
    });
    basis = std::move(parts[0]);
    for (const Rows &part : ArrayRef(parts).drop_front())
      addTo(basis.row(0), part.row(0), l * basis.width);
  }

  /// The two matrices, of E times 2^-exponent and the weights of columns.
  void decompose(const Rows &basis, int exponent, int64_t rank,
                 LowRank &result) {
    int64_t l = basis.count, rows = weight.rows, columns = weight.columns;
    std::vector<float> y(alignTo(rows, kBlockRows) * l);
    forEach(divideCeil(rows, kBlockRows), [&](int64_t index) {
      Rows block(kBlockRows, columns), decoded(1, columns);
      readBlock(index * kBlockRows, rows, block, decoded);
      multiply(block.row(0), basis.row(0), basis.width, l,
               y.data() + index * kBlockRows * l);
    });
    std::vector<double> squares(l * l);
    forEach(l, [&](int64_t i) {
      for (int64_t row = 0; row < rows; ++row) {
        const float *numbers = y.data() + row * l;
        for (int64_t j = 0; j < l; ++j)
          squares[i * l + j] +=
              static_cast<double>(numbers[i]) * static_cast<double>(numbers[j]);
      }
    });
    Jacobi eigen(std::move(squares), l);
    double least = eigen.value(0) * 1e-14;
    forEach(std::min(rank, l), [&](int64_t j) {
      if (eigen.value(j) <= least)
        return;
      // Both get half of the size of the product.
      double root = std::sqrt(std::sqrt(eigen.value(j)));
      int half = exponent / 2;
      for (int64_t row = 0; row < rows; ++row) {
        double sum = 0;
        for (int64_t i = 0; i < l; ++i)
          sum += static_cast<double>(y[row * l + i]) * eigen.vector(j, i);
        result.left[row * rank + j] =
            floatToBf16(static_cast<float>(std::ldexp(sum / root, half)));
      }
      std::vector<double> sums(columns);
      for (int64_t i = 0; i < l; ++i)
        for (int64_t k = 0; k < columns; ++k)
          sums[k] += static_cast<double>(basis.row(i)[k]) * eigen.vector(j, i);
      for (int64_t k = 0; k < columns; ++k) {
        // Factors have the exponent in them; the left matrix has taken its half.
        double factor = std::ldexp(static_cast<double>(factors[k]), half);
        if (!codes.columnScale.empty())
          factor *= codes.columnScale[k];
        result.right[j * columns + k] =
            floatToBf16(static_cast<float>(sums[k] * root / factor));
      }
    });
  }

  const MatrixView &weight;
  const QuantizedMatrix &codes;
  ParallelFor parallelFor;
  /// Of columns: what errors there count by, and a power of two.
  std::vector<float> factors;
};

} // namespace

LowRankResult llmc::findLowRank(const MatrixView &weight,
                                const QuantizedMatrix &codes, int64_t rank,
                                ArrayRef<float> meanSquare,
                                ParallelFor parallelFor) {
  return Search(weight, codes, meanSquare, parallelFor).run(rank);
}

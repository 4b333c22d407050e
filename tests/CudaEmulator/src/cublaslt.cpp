// Matrix products as cuBLASLt's documentation defines them, summed in double precision.
#include "grid.h"
#include "memory.h"
#include "streams.h"
#include <cstdint>
#include <cstring>
#include <vector>

namespace emulator
{
namespace
{
enum BlasStatus
{
    blas_success = 0,
    blas_not_initialized = 1,
    blas_invalid_value = 7,
    blas_execution_failed = 13,
    blas_not_supported = 15,
};

enum Type
{
    float32 = 0,
    float64 = 1,
    bfloat16 = 14,
};

constexpr int compute_float32 = 68;
constexpr int compute_float32_pedantic = 69;
constexpr int column_order = 0;
constexpr int pointers_to_host = 0;
constexpr int pointers_to_card = 1;
constexpr size_t version = 130000;

// The documented numbers of attributes.
constexpr int layout_type = 0, layout_order = 1, layout_rows = 2, layout_columns = 3, layout_leading = 4,
              layout_batch = 5, layout_batch_stride = 6;
constexpr int product_compute = 0, product_scale = 1, product_pointers = 2, product_transpose_a = 3,
              product_transpose_b = 4, product_epilogue = 7;
constexpr int no_epilogue = 1;
constexpr int preference_reduction_schemes = 3;
constexpr int algorithm_reduction_scheme = 3;

// Masks of ways to add up the parts of a split sum.
constexpr uint32_t reduction_none = 0, reduction_in_place = 1, reduction_all = 7;

struct Layout
{
    int type;
    int order;
    uint64_t rows, columns;
    int64_t leading;
    int batch;
    int64_t batch_stride;

    int64_t elements() const
    {
        return rows == 0 || columns == 0
                   ? 0
                   : batch_stride * (batch - 1) + leading * (int64_t)(columns - 1) + (int64_t)rows;
    }

    int64_t bytes() const { return elements() * (type == bfloat16 ? 2 : 4); }
};

struct Product
{
    int compute;
    int scale;
    int pointers;
    int transpose_a, transpose_b;
    int epilogue;
};

struct Preference
{
    uint32_t reduction_schemes;
};

// All of them compute alike.
struct Algorithm
{
    uint64_t id;
    uint32_t reduction_scheme;
    uint32_t reserved[13];
};

struct Heuristic
{
    Algorithm algorithm;
    size_t workspace_bytes;
    int status;
    float waves;
    int reserved[4];
};

struct Call
{
    Product product;
    Layout a, b, c, d;
    const void *a_at, *b_at, *c_at;
    void* d_at;
    const float *alpha, *beta;
};

template <typename T>
BlasStatus set(T& field, const void* from, size_t bytes)
{
    if (bytes != sizeof(T))
    {
        return blas_invalid_value;
    }

    std::memcpy(&field, from, bytes);
    return blas_success;
}

float read(const void* from, int type, int64_t i)
{
    if (type == float32)
    {
        return static_cast<const float*>(from)[i];
    }

    uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(from)[i]) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

void write(void* to, int type, int64_t i, float value)
{
    if (type == float32)
    {
        static_cast<float*>(to)[i] = value;
        return;
    }

    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    static_cast<uint16_t*>(to)[i] =
        value != value ? 0x7fff : static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// One matrix of a batch as op(X), by columns, in float.
std::vector<float> gather(const void* from, const Layout& layout, bool transposed, int64_t batch)
{
    int64_t rows = layout.rows;
    int64_t columns = layout.columns;
    std::vector<float> result(rows * columns);
    for (int64_t j = 0; j < columns; j++)
    {
        for (int64_t i = 0; i < rows; i++)
        {
            result[transposed ? i * columns + j : j * rows + i] =
                read(from, layout.type, batch * layout.batch_stride + j * layout.leading + i);
        }
    }

    return result;
}

const char* misfit(const Call& call)
{
    const Product& p = call.product;
    uint64_t m = p.transpose_a ? call.a.columns : call.a.rows;
    uint64_t k = p.transpose_a ? call.a.rows : call.a.columns;
    uint64_t n = p.transpose_b ? call.b.rows : call.b.columns;
    if (k != (p.transpose_b ? call.b.columns : call.b.rows) || call.d.rows != m || call.d.columns != n ||
        call.c.rows != m || call.c.columns != n)
    {
        return "the matrices' shapes do not fit";
    }

    if (call.a.batch != call.d.batch || call.b.batch != call.d.batch || call.c.batch != call.d.batch)
    {
        return "the matrices' batch counts differ";
    }

    for (const Layout* layout : {&call.a, &call.b, &call.c, &call.d})
    {
        if (layout->leading < static_cast<int64_t>(layout->rows))
        {
            return "a leading dimension is less than the number of rows";
        }
    }

    return nullptr;
}

bool is_supported(const Call& call)
{
    const Product& p = call.product;
    auto fits = [](const Layout& layout) {
        return layout.order == column_order && (layout.type == float32 || layout.type == bfloat16);
    };
    return (p.compute == compute_float32 || p.compute == compute_float32_pedantic) && p.scale == float32 &&
           p.epilogue == no_epilogue && (p.pointers == pointers_to_host || p.pointers == pointers_to_card) &&
           p.transpose_a <= 1 && p.transpose_b <= 1 && fits(call.a) && fits(call.b) && fits(call.c) && fits(call.d) &&
           call.a.type == call.b.type && call.c.type == call.d.type &&
           (call.a.type == bfloat16 || call.d.type == float32);
}

void multiply_batch(const Call& call, int64_t batch, float alpha, float beta)
{
    std::vector<float> a = gather(call.a_at, call.a, call.product.transpose_a, batch);
    std::vector<float> b = gather(call.b_at, call.b, call.product.transpose_b, batch);
    int64_t m = call.d.rows;
    int64_t n = call.d.columns;
    int64_t k = call.product.transpose_a ? call.a.rows : call.a.columns;
    run_parallel(n, [&](long j) {
        std::vector<double> sums(m);
        for (int64_t p = 0; p < k; p++)
        {
            double factor = b[j * k + p];
            for (int64_t i = 0; i < m; i++)
            {
                sums[i] += a[p * m + i] * factor;
            }
        }

        for (int64_t i = 0; i < m; i++)
        {
            int64_t c_index = batch * call.c.batch_stride + j * call.c.leading + i;
            double before = beta == 0 ? 0 : static_cast<double>(beta) * read(call.c_at, call.c.type, c_index);
            write(call.d_at, call.d.type, batch * call.d.batch_stride + j * call.d.leading + i,
                  static_cast<float>(alpha * sums[i] + before));
        }
    });
}

Status multiply(const Call& call)
{
    bool on_card = call.product.pointers == pointers_to_card;
    if (on_card && !(is_on_card(call.alpha, sizeof(float)) && is_on_card(call.beta, sizeof(float))))
    {
        return report(illegal_address, "cublasLtMatmul: alpha or beta at " + describe_address(call.alpha));
    }

    struct Operand
    {
        const char* name;
        const void* at;
        const Layout& layout;
        bool used;
    };
    for (const Operand& operand : {Operand{"A", call.a_at, call.a, true},
                                   {"B", call.b_at, call.b, true},
                                   {"C", call.c_at, call.c, *call.beta != 0},
                                   {"D", call.d_at, call.d, true}})
    {
        if (operand.used && operand.layout.elements() > 0 && !is_on_card(operand.at, operand.layout.bytes()))
        {
            return report(illegal_address, std::string("cublasLtMatmul: ") + operand.name + " of " +
                                               std::to_string(operand.layout.bytes()) + " bytes at " +
                                               describe_address(operand.at));
        }
    }

    for (int64_t batch = 0; batch < call.d.batch; batch++)
    {
        multiply_batch(call, batch, *call.alpha, *call.beta);
    }

    return success;
}
}

EXPORT BlasStatus cublasLtCreate(void** handle)
{
    *handle = new char;
    return blas_success;
}

EXPORT BlasStatus cublasLtDestroy(void* handle)
{
    delete static_cast<char*>(handle);
    return blas_success;
}

EXPORT size_t cublasLtGetVersion() { return version; }

EXPORT const char* cublasLtGetStatusString(BlasStatus status)
{
    switch (status)
    {
    case blas_success: return "CUBLAS_STATUS_SUCCESS";
    case blas_not_initialized: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case blas_invalid_value: return "CUBLAS_STATUS_INVALID_VALUE";
    case blas_execution_failed: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case blas_not_supported: return "CUBLAS_STATUS_NOT_SUPPORTED";
    }

    return "CUBLAS_STATUS_UNKNOWN";
}

EXPORT BlasStatus cublasLtMatmulDescCreate(Product** product, int compute, int scale)
{
    *product = new Product{compute, scale, pointers_to_host, 0, 0, no_epilogue};
    return blas_success;
}

EXPORT BlasStatus cublasLtMatmulDescSetAttribute(Product* product, int attribute, const void* from, size_t bytes)
{
    switch (attribute)
    {
    case product_compute: return set(product->compute, from, bytes);
    case product_scale: return set(product->scale, from, bytes);
    case product_pointers: return set(product->pointers, from, bytes);
    case product_transpose_a: return set(product->transpose_a, from, bytes);
    case product_transpose_b: return set(product->transpose_b, from, bytes);
    case product_epilogue: return set(product->epilogue, from, bytes);
    default: return blas_invalid_value;
    }
}

EXPORT BlasStatus cublasLtMatmulDescDestroy(Product* product)
{
    delete product;
    return blas_success;
}

EXPORT BlasStatus cublasLtMatrixLayoutCreate(Layout** layout, int type, uint64_t rows, uint64_t columns,
                                             int64_t leading)
{
    *layout = new Layout{type, column_order, rows, columns, leading, 1, 0};
    return blas_success;
}

EXPORT BlasStatus cublasLtMatrixLayoutSetAttribute(Layout* layout, int attribute, const void* from, size_t bytes)
{
    switch (attribute)
    {
    case layout_type: return set(layout->type, from, bytes);
    case layout_order: return set(layout->order, from, bytes);
    case layout_rows: return set(layout->rows, from, bytes);
    case layout_columns: return set(layout->columns, from, bytes);
    case layout_leading: return set(layout->leading, from, bytes);
    case layout_batch: return set(layout->batch, from, bytes);
    case layout_batch_stride: return set(layout->batch_stride, from, bytes);
    default: return blas_invalid_value;
    }
}

EXPORT BlasStatus cublasLtMatrixLayoutDestroy(Layout* layout)
{
    delete layout;
    return blas_success;
}

EXPORT BlasStatus cublasLtMatmulPreferenceCreate(Preference** preference)
{
    *preference = new Preference{reduction_all};
    return blas_success;
}

EXPORT BlasStatus cublasLtMatmulPreferenceSetAttribute(Preference* preference, int attribute, const void* from,
                                                       size_t bytes)
{
    return attribute == preference_reduction_schemes ? set(preference->reduction_schemes, from, bytes) : blas_success;
}

EXPORT BlasStatus cublasLtMatmulPreferenceDestroy(Preference* preference)
{
    delete preference;
    return blas_success;
}

EXPORT BlasStatus cublasLtMatmulAlgoConfigGetAttribute(const Algorithm* algorithm, int attribute, void* to,
                                                       size_t bytes, size_t* written)
{
    if (attribute != algorithm_reduction_scheme || bytes != sizeof algorithm->reduction_scheme)
    {
        return blas_invalid_value;
    }

    std::memcpy(to, &algorithm->reduction_scheme, bytes);
    *written = bytes;
    return blas_success;
}

EXPORT BlasStatus cublasLtMatmulAlgoGetHeuristic(void*, Product* product, Layout* a, Layout* b, Layout* c, Layout* d,
                                                 Preference* preference, int asked, Heuristic* results, int* found)
{
    Call call{*product, *a, *b, *c, *d, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
    *found = 0;
    if (require_context() != success)
    {
        return blas_not_initialized;
    }

    if (asked < 1 || misfit(call) != nullptr)
    {
        return blas_invalid_value;
    }

    if (!is_supported(call))
    {
        return blas_not_supported;
    }

    for (Algorithm algorithm : {Algorithm{1, reduction_none, {}}, Algorithm{2, reduction_in_place, {}},
                                Algorithm{3, reduction_none, {}}})
    {
        bool allowed = (algorithm.reduction_scheme & ~preference->reduction_schemes) == 0;
        if (allowed && *found < asked)
        {
            results[(*found)++] = {algorithm, 0, blas_success, 1.f, {}};
        }
    }

    return blas_success;
}

EXPORT BlasStatus cublasLtMatmul(void*, Product* product, const void* alpha, const void* a_at, Layout* a,
                                 const void* b_at, Layout* b, const void* beta, const void* c_at, Layout* c, void* d_at,
                                 Layout* d, const void*, void*, size_t, Stream* stream)
{
    Call call{*product,
              *a,
              *b,
              *c,
              *d,
              a_at,
              b_at,
              c_at,
              d_at,
              static_cast<const float*>(alpha),
              static_cast<const float*>(beta)};
    if (const char* why = misfit(call))
    {
        report(invalid_value, std::string("cublasLtMatmul: ") + why);
        return blas_invalid_value;
    }

    if (!is_supported(call))
    {
        report(invalid_value,
               "cublasLtMatmul: only float32 and bfloat16 by columns, computed in float32 without TF32, are emulated");
        return blas_not_supported;
    }

    // Numbers in host memory are read now, not when a recorded product is replayed.
    bool from_host = product->pointers == pointers_to_host;
    float host_alpha = from_host ? *call.alpha : 0;
    float host_beta = from_host ? *call.beta : 0;
    Status status = submit(stream, [call, from_host, host_alpha, host_beta]() mutable {
        call.alpha = from_host ? &host_alpha : call.alpha;
        call.beta = from_host ? &host_beta : call.beta;
        return multiply(call);
    });
    return status == success ? blas_success : blas_execution_failed;
}
}

// Scores one row at a time with the compiled code of another library: with hot caches, then after a walk through more
// memory than caches hold, as benches/src/row_time.rs does for us. Prints both and the mean score as one line of JSON.
//
//   score_native rows.bin n_rows n_features model_file
//
// score_native.py compiles it, once per library.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#if defined(PEER_YDF)  // what `to_standalone_cc` writes
#include "model.h"
#include "instance.h"  // YDF_INSTANCE(x)
using Value = float;
static void load(const char*, int) {}
static double score(const Value* x) { return ydf_model::Predict(ydf_model::Instance{YDF_INSTANCE(x)}); }

#elif defined(PEER_TL2CGEN)  // what `generate_c_code` writes; its union holds a float where no value is missing
union Entry;
extern "C" void predict(union Entry*, int, float*);
using Value = float;
static void load(const char*, int) {}
static double score(const Value* x) {
  float result = 0;
  predict(reinterpret_cast<union Entry*>(const_cast<Value*>(x)), 0, &result);
  return result;
}

#elif defined(PEER_LLEAVES)  // what `compile` caches
extern "C" void forest_root(const double*, double*, int32_t, int32_t);
using Value = double;
static void load(const char*, int) {}
static double score(const Value* x) {
  double result = 0;
  forest_root(x, &result, 0, 1);
  return result;
}

#elif defined(PEER_LIGHTGBM)  // its C interface for single rows
extern "C" {
int LGBM_BoosterCreateFromModelfile(const char*, int*, void**);
int LGBM_BoosterPredictForMatSingleRowFastInit(void*, int, int, int, int, int32_t, const char*, void**);
int LGBM_BoosterPredictForMatSingleRowFast(void*, const void*, int64_t*, double*);
}
using Value = float;
static void* fast;
static void load(const char* model_file, int n_features) {
  const int probability = 0, float32 = 0;
  void* booster;
  int n_iterations;
  if (LGBM_BoosterCreateFromModelfile(model_file, &n_iterations, &booster) ||
      LGBM_BoosterPredictForMatSingleRowFastInit(booster, probability, 0, -1, float32, n_features, "num_threads=1", &fast))
    std::exit(2);
}
static double score(const Value* x) {
  int64_t n;
  double result;
  LGBM_BoosterPredictForMatSingleRowFast(fast, x, &n, &result);
  return result;
}
#endif

static double now(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

static double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int main(int, char** args) {
  const int n_rows = std::atoi(args[2]), n_features = std::atoi(args[3]), round = 1000, n_cold = 60;
  std::vector<Value> rows(static_cast<size_t>(n_rows) * n_features);
  FILE* file = std::fopen(args[1], "rb");
  if (!file || std::fread(rows.data(), sizeof(Value), rows.size(), file) != rows.size()) return 1;
  load(args[4], n_features);
  volatile double sum = 0;
  const auto row = [&](int r) { return &rows[static_cast<size_t>(r) * n_features]; };

  std::vector<double> hot, cold;
  for (int first = 0; first + round <= n_rows; first += round) {
    const double start = now(CLOCK_PROCESS_CPUTIME_ID);
    for (int r = first; r < first + round; r++) sum = sum + score(row(r));
    hot.push_back((now(CLOCK_PROCESS_CPUTIME_ID) - start) / round);
  }
  const double mean_score = sum / (hot.size() * round);

  std::vector<unsigned char> other(512u << 20, 1);
  for (int r = 0; r < n_cold; r++) {
    for (size_t byte = 0; byte < other.size(); byte += 64) other[byte]++;
    const std::vector<Value> copy(row(r), row(r) + n_features);
    const double start = now(CLOCK_MONOTONIC);
    sum = sum + score(copy.data());
    cold.push_back(now(CLOCK_MONOTONIC) - start);
  }
  std::printf("{\"single_us\": %f, \"cold_us\": %f, \"mean_score\": %.9f}\n", median(hot), median(cold), mean_score);
}

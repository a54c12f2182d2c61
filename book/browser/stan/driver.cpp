// What a page calls: Stan's sampler, for the one program that this file is linked with.
//
// Rows go to JavaScript as they come, so that a page can show them while the chain runs, and nothing of them stays
// here.  A page that has seen enough ends the worker that runs this.
#include <emscripten.h>

#include <cmdstan/io/json/json_data.hpp>
#include <exception>
#include <memory>
#include <ostream>
#include <sstream>
#include <stan/callbacks/interrupt.hpp>
#include <stan/callbacks/logger.hpp>
#include <stan/callbacks/writer.hpp>
#include <stan/io/empty_var_context.hpp>
#include <stan/model/model_base.hpp>
#include <stan/services/sample/hmc_nuts_diag_e_adapt.hpp>
#include <string>
#include <vector>

// Made by stanc for the program.
stan::model::model_base& new_model(stan::io::var_context& data, unsigned int seed, std::ostream* messages);

// The other side of these is in worker.js.
// clang-format off
EM_JS(void, tell_names, (const char* names), { Module.onNames(UTF8ToString(names).split(",")); });
EM_JS(void, tell_rows, (const double* at, int n), { Module.onValues(HEAPF64.slice(at >> 3, (at >> 3) + n)); });
EM_JS(void, tell_adapted, (const char* text), { Module.onAdapted(UTF8ToString(text)); });
// clang-format on

namespace {

constexpr double PATIENCE = 50;  // milliseconds that rows may wait for others

class Rows : public stan::callbacks::writer {
 public:
  using stan::callbacks::writer::operator();
  void operator()(const std::vector<std::string>& names) override {
    std::string joined;
    for (const auto& name : names) joined += (joined.empty() ? "" : ",") + name;
    tell_names(joined.c_str());
  }
  void operator()(const std::vector<double>& row) override {
    waiting_.insert(waiting_.end(), row.begin(), row.end());
    if (emscripten_get_now() - told_ > PATIENCE) flush();
  }
  // Step size and metric, a line each, between the last row of warmup and the first draw
  void operator()(const std::string& line) override { adapted_ += line + "\n"; }

  void flush() {
    tell_rows(waiting_.data(), waiting_.size());
    waiting_.clear();
    told_ = emscripten_get_now();
  }
  const std::string& adapted() const { return adapted_; }

 private:
  std::vector<double> waiting_;
  std::string adapted_;
  double told_ = 0;
};

// Keeps the end of what Stan says, in case that the chain fails: there is the reason.
class Tail : public stan::callbacks::logger {
 public:
  void info(const std::string& line) override { add(line); }
  void info(const std::stringstream& line) override { add(line.str()); }
  void warn(const std::string& line) override { add(line); }
  void warn(const std::stringstream& line) override { add(line.str()); }
  void error(const std::string& line) override { add(line); }
  void error(const std::stringstream& line) override { add(line.str()); }
  void fatal(const std::string& line) override { add(line); }
  void fatal(const std::stringstream& line) override { add(line.str()); }
  const std::string& text() const { return text_; }

 private:
  void add(const std::string& line) {
    text_ += line + "\n";
    if (text_.size() > 4000) text_.erase(0, text_.size() - 2000);
  }
  std::string text_;
};

std::string failure;

}  // namespace

extern "C" {

// Run one chain on data in JSON, warmup included in the rows that it tells; 0, or else see failed().  What is not an
// argument is as in CmdStan: the same seed and chain give the rows that it writes.
EMSCRIPTEN_KEEPALIVE int run(const char* json, unsigned seed, unsigned chain, int warmup, int draws, double delta) {
  Tail log;
  try {
    std::istringstream text(json);
    cmdstan::json::json_data data(text);
    std::ostringstream printed;
    std::unique_ptr<stan::model::model_base> model(&new_model(data, seed, &printed));
    stan::io::empty_var_context inits;
    stan::callbacks::interrupt interrupt;
    stan::callbacks::writer nowhere;
    Rows rows;
    const int failed = stan::services::sample::hmc_nuts_diag_e_adapt(
        *model, inits, seed, chain, /* init_radius */ 2, warmup, draws, /* num_thin */ 1, /* save_warmup */ true,
        /* refresh */ 0, /* stepsize */ 1, /* stepsize_jitter */ 0, /* max_depth */ 10, delta, /* gamma */ 0.05,
        /* kappa */ 0.75, /* t0 */ 10, /* init_buffer */ 75, /* term_buffer */ 50, /* window */ 25, interrupt, log,
        nowhere, rows, nowhere);
    rows.flush();
    tell_adapted(rows.adapted().c_str());
    failure = log.text();
    return failed;
  } catch (const std::exception& error) {
    failure = log.text() + error.what();
    return 1;
  }
}

EMSCRIPTEN_KEEPALIVE const char* failed() { return failure.c_str(); }
}
